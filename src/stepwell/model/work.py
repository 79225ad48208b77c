"""What passes between the server and its workers. Spec section 8; the bytes are in `server/wire.py`."""

from enum import StrEnum
from typing import Any, NamedTuple

from stepwell.model.codec import EMPTY, Json, Record


class QueueName(NamedTuple):
    namespace: str
    type: str
    name: str


class WorkStatus(StrEnum):
    """What a worker can say of a step."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    RUNNING = "RUNNING"


class WorkRequest(Record, frozen=True, kw_only=True, gc=False):
    """One step handed to a worker."""

    process_id: int
    step_id: int
    token: int
    run_count: int
    execution: int
    name: str
    namespace: str
    type: str = "WORKER"
    """Of the queue: which runner it was meant for."""
    ref: str
    input: Json
    optional: bool
    polled: int
    scheduled: int
    updated: int
    priority: int
    deadline: int
    """When the lease ends, epoch ms."""
    secrets: tuple[Any, ...] = ()
    """The values of secrets that were filled into this input, so that the server's own runner can mask them."""


class WorkResult(Record, frozen=True, kw_only=True, gc=False):
    """What a worker answers for one step."""

    step_id: int
    token: int
    status: WorkStatus
    process_id: int = 0
    """As the worker sent it; the step's row decides."""
    output: Json = EMPTY
    reschedule_ms: int = 0
    """RUNNING only: offer the step again after this time."""


class Acceptance(StrEnum):
    """What became of one result."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    """This hand-out was reported before, or the step has ended. Nothing changed."""
    STALE = "STALE"
    """Too late: the step was handed out again since, or that attempt was given up. Nothing changed."""
    UNKNOWN = "UNKNOWN"
    """There is no such step."""
    SET_ASIDE = "SET_ASIDE"
    """The engine raised; the event is kept and can be replayed."""


class Claim(Record, frozen=True, kw_only=True, gc=False):
    """One hand-out: which steps went to whom in one answer."""

    id: int
    client: str
    host: str
    poll_id: str | None
    created: int
    deadline: int
    """The earliest lease in it, epoch ms."""
    steps: tuple[int, ...]
