"""A small named thing that people or processes keep in a namespace."""

from enum import StrEnum

from stepwell.model.codec import Json, Record


class EntryKind(StrEnum):
    VARIABLE = "VARIABLE"
    SECRET = "SECRET"
    """The body is encrypted before it comes near a store."""
    STATE = "STATE"
    """Persisted state: shared by the processes of a namespace."""
    DECISION_TABLE = "DECISION_TABLE"
    HOLD = "HOLD"
    """An operator's mark on a step of a definition: the name is `process/ref`."""
    IDEMPOTENCY = "IDEMPOTENCY"
    """A start that was made under a key: the name is `process/key`."""
    CACHE = "CACHE"
    """An output that may serve again: the name is `process/ref/hash of the key`."""
    JOB = "JOB"
    """An operation on many processes: the name is its id."""
    JOB_PART = "JOB_PART"
    """What belongs to a job: the name is `id/…`."""
    LIMIT = "LIMIT"
    """Where a rate or concurrency limit stands, and who is in line: see `engine.limits`."""
    RETENTION = "RETENTION"
    """How long finished processes are kept: the name is a definition's, empty for all of the namespace."""
    LEFT_OVER = "LEFT_OVER"
    """A wide process that was dropped and of which steps are left: the name is its id."""
    INSTALLATION = "INSTALLATION"
    """What tells this database from all others."""
    NODE = "NODE"
    """Of several nodes over one database: when each was heard of last."""
    ALIVE = "ALIVE"
    """Of several nodes over one database: when any of them heard of a worker; the name is `client/host`."""


class Entry(Record, frozen=True, kw_only=True):
    kind: EntryKind
    namespace: str
    name: str
    body: Json
    version: int = 1
    """Raised by one with every write."""
    created: int = 0
    updated: int = 0
    updated_by: str = ""
    expires: int = 0
    """Epoch ms; 0 = never. An entry past it counts as absent."""
