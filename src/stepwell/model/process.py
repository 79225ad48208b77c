"""A process: one run of a definition. Spec sections 1.7, 2.3 to 2.5."""

from enum import StrEnum

from stepwell.model.codec import EMPTY, Json, Record
from stepwell.model.definition import ProcessType, TagValue

ID_BLOCK = 64
"""Ids are taken in blocks of this many; a process's id is the first of its first block."""


class ProcessStatus(StrEnum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"
    TERMINATED = "TERMINATED"
    REVIEWED = "REVIEWED"

    @property
    def is_open(self) -> bool:
        return self is ProcessStatus.RUNNING

    @property
    def is_resumable(self) -> bool:
        """Ended without its work done. The same statuses can be marked reviewed."""
        return self in _UNFINISHED


_UNFINISHED = frozenset(
    {ProcessStatus.FAILED, ProcessStatus.TIMED_OUT, ProcessStatus.CANCELLED, ProcessStatus.TERMINATED}
)


class TriggerType(StrEnum):
    MANUAL = "MANUAL"
    SCHEDULED = "SCHEDULED"
    API_MAPPING = "API_MAPPING"
    WEBHOOK = "WEBHOOK"
    API = "API"
    SUB_PROCESS = "SUB_PROCESS"
    STEP = "STEP"
    INTEGRATION_CONSUMER = "INTEGRATION_CONSUMER"
    UNMESHED_MCP_TOOL = "UNMESHED_MCP_TOOL"


class ProcessContext(Record, frozen=True, kw_only=True, gc=False):
    """The record of one run. Times are epoch milliseconds; payloads are JSON text."""

    id: int
    namespace: str
    name: str
    version: int
    definition_id: int
    """The stored definition that it follows, until it is resumed with another version (`historyId` on the wire)."""
    type: ProcessType
    trigger: TriggerType
    status: ProcessStatus
    priority: int = 0
    input: Json = EMPTY
    output: Json = EMPTY
    state: Json = EMPTY
    request_id: str | None = None
    correlation_id: str | None = None
    created: int = 0
    updated: int = 0
    ended: int = 0
    created_by: str = ""
    tags: tuple[TagValue, ...] = ()
    rerun_of: int | None = None
    step_count: int = 0
    """How many step contexts exist (`stepIdCount` on the wire)."""
    deadline: int = 0
    """When the process as a whole times out; 0 = never."""
    reason: str = ""
    """Why it was terminated or reviewed, in an operator's words."""
    marked: bool = False
    """An event of this process made the engine raise and was set aside; `doctor` shows it."""
    parent_id: int | None = None
    """The process whose SUB_PROCESS step started this one."""
    parent_step_id: int | None = None
    """That step, which waits for this process; None when nobody was to wait."""
    depth: int = 0
    """How many processes are above it."""
    paused: bool = False
    """Nothing new begins until an operator lets it go on."""
    signals: Json = b"[]"
    """Signals that came before a step waited for them: a list of {name, payload}."""
    secret_state: Json = b""
    """The user's secret variables, encrypted; empty = none."""
    response: Json = b""
    """What a SEND_RESPONSE step answered to the synchronous caller; empty = nothing yet."""
    resumed: int = 0
    """How often it was resumed. While 0, a step that opens has never had a row before."""
    compensating: Json = b""
    """How far it is with undoing its steps; once it has ended, how far it came. Empty = it undoes nothing."""
    numbering: tuple[int, ...] = ()
    """The stored definitions that it followed before, oldest first: its steps keep the numbers that those gave them."""
    revision: int = 0
    """Raised once in every turn that changes the process; a cached copy is good while it matches."""

    @property
    def goes_on(self) -> bool:
        """RUNNING, and not just to undo what it has done."""
        return self.status.is_open and not self.compensating


class Block(Record, frozen=True):
    """A run of ids that belongs to a process beyond those that it got at its start."""

    first: int
    count: int
    """In ids, always a multiple of 64."""
    process_id: int
