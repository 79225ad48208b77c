"""Decision tables as entries: the newest of a name under the name itself, every version for ever under `name@version`.

What a version says is never changed. Deleting one hides it: the newest that is not hidden stands under the name, and a
tombstone when there is none, so that the next one gets a higher version. Steps that name a version still find it.
"""

from stepwell.model.codec import Json, Record, canonical, decode, decode_as
from stepwell.model.decision_table import DecisionTable

SEPARATOR = "@"


class _Deleted(Record, frozen=True):
    deleted: int = 0
    """The highest version that there is; all of them are hidden."""


def entry_name(name: str, version: int | None = None) -> str:
    """The entry of a version of a table, or of its newest."""
    return name if version is None else f"{name}{SEPARATOR}{version}"


def tombstone(version: int) -> Json:
    return canonical(_Deleted(version))


def read_entry(body: Json) -> DecisionTable | None:
    """The table in an entry; None when it is a tombstone."""
    return None if decode_as(body, _Deleted).deleted else decode_as(body, DecisionTable)


class _Marked(Record, frozen=True):
    hidden: bool = False


def is_hidden(body: Json) -> bool:
    """Was the version in this entry deleted?"""
    return decode_as(body, _Marked).hidden


def hide(body: Json) -> Json:
    """The entry of a version as it stands when that was deleted."""
    return canonical({**decode(body), "hidden": True})
