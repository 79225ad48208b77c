"""Decision tables as entries: the newest of a name under the name itself, every version for ever under `name@version`.

A version is never changed. Deleting a table leaves a tombstone under its name, so that the next one gets a higher
version; steps that name a version still find it.
"""

from stepwell.model.codec import Json, Record, canonical, decode_as
from stepwell.model.decision_table import DecisionTable

SEPARATOR = "@"


class _Deleted(Record, frozen=True):
    deleted: int = 0
    """The highest version that there was."""


def entry_name(name: str, version: int | None = None) -> str:
    """The entry of a version of a table, or of its newest."""
    return name if version is None else f"{name}{SEPARATOR}{version}"


def tombstone(version: int) -> Json:
    return canonical(_Deleted(version))


def read_entry(body: Json) -> DecisionTable | None:
    """The table in an entry; None when it is a tombstone."""
    return None if decode_as(body, _Deleted).deleted else decode_as(body, DecisionTable)


def highest_version(body: Json) -> int:
    """Of the newest entry, tombstones included."""
    return decode_as(body, _Deleted).deleted or decode_as(body, DecisionTable).version or 0
