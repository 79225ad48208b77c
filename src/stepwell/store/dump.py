"""Records as plain rows, so that two stores can be compared and a person can read the difference."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from stepwell.model.codec import Record
from stepwell.model.work import QueueName

Dump = dict[str, list[dict[str, object]]]

TABLES = (
    "process",
    "step",
    "execution",
    "block",
    "due",
    "claim",
    "queue",
    "definition",
    "error_policy",
    "current_policy",
    "client",
    "namespace",
    "set_aside",
    "entry",
    "audit",
)
"""What a dump holds. The sequence is left out: how far ahead ids are reserved is a store's own business."""


def plain(value: Any) -> Any:
    """A record, or what stands in one, as dicts, lists, texts and numbers."""
    if isinstance(value, Record):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def dump(table: Callable[[str], Iterable[Record]], queues: Mapping[QueueName, int]) -> Dump:
    """`table` gives the records of every table but `queue`, in key order."""
    rows: Dump = {name: [plain(record) for record in table(name)] for name in TABLES if name != "queue"}
    rows["queue"] = [{**name._asdict(), "id": number} for name, number in sorted(queues.items())]
    return rows
