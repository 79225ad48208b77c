"""What the server answers, with the documented names. Times are epoch milliseconds."""

from typing import Any, Literal, TypedDict

from stepwell.model.codec import CodecError, Record, decode, decode_as
from stepwell.model.errors import Problem

ProcessStatusName = Literal[
    "RUNNING", "COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED", "TERMINATED", "REVIEWED"
]
StepStatusName = Literal[
    "PENDING",
    "SCHEDULED",
    "RUNNING",
    "PAUSED",
    "COMPLETED",
    "FAILED",
    "TIMED_OUT",
    "SKIPPED",
    "CANCELLED",
]


class StepExecution(TypedDict, total=False):
    """One attempt of a step. `id` counts 1, 2, 3 … within the step."""

    id: int
    scheduled: int
    polled: int
    start: int
    updated: int
    executor: str
    runs: int
    output: dict[str, Any]


class Step(TypedDict, total=False):
    """A step context: the run-time record of one step in one process."""

    id: int
    processId: int
    ref: str
    namespace: str
    name: str
    type: str
    status: StepStatusName
    parentId: int | None
    parentRef: str | None
    parentExecutionId: int
    input: dict[str, Any]
    output: dict[str, Any]
    workerId: str | None
    start: int
    schedule: int
    priority: int
    updated: int
    optional: bool
    executionCount: int
    executions: list[StepExecution]
    executionList: list[StepExecution]


class Process(TypedDict, total=False):
    """One run of a definition. `steps` holds the ids and refs of its first 1,000 steps; `stepRecords` their
    contexts, when asked for."""

    processId: int
    namespace: str
    name: str
    version: int
    processType: str
    triggerType: str
    status: ProcessStatusName
    input: dict[str, Any]
    output: dict[str, Any]
    state: dict[str, Any]
    requestId: str | None
    correlationId: str | None
    stepIdCount: int
    steps: list[dict[str, Any]]
    stepRecords: list[Step]
    created: int
    updated: int
    createdBy: str
    priority: int
    compensating: str | None


class OperationDetail(TypedDict):
    id: str
    message: str | None
    error: str | None


class OperationAnswer(TypedDict):
    """What an operation did, process by process; `error` says why nothing was changed."""

    count: int
    details: list[OperationDetail]


class Wait(TypedDict, total=False):
    """Why one step is open: `reason` for programs, `sentence` for people; what says nothing is absent."""

    stepId: int
    ref: str
    name: str
    type: str
    status: StepStatusName
    reason: str
    sentence: str
    since: int
    until: int
    worker: str
    host: str
    runs: int
    retry: int
    queue: str
    position: int
    lastPoll: int
    pollers: int
    key: str
    signal: str
    correlation: str
    childProcessId: int
    childStatus: str
    openChildren: int
    totalChildren: int
    heldBy: str
    by: str
    why: str


class Waiting(TypedDict):
    processId: int
    status: ProcessStatusName
    paused: bool
    now: int
    steps: list[Wait]
    more: bool


class SetAside(TypedDict):
    """An event that made the engine raise; `event` is its kind."""

    id: int
    processId: int
    event: str
    error: str
    created: int


class Retried(TypedDict):
    """A set-aside event that was played again; `outcome` is DONE, REFUSED or RAISED, `message` why it is not DONE."""

    id: int
    event: str
    created: int
    outcome: str
    message: str


class Retry(TypedDict):
    processId: int
    events: list[Retried]
    left: int


class ItemResult(TypedDict):
    """One iteration of a FOREACH; `stepId` None: it has not begun. `output` only when it COMPLETED, else `error`."""

    index: int
    stepId: int | None
    status: StepStatusName | None
    output: Any
    error: Any


class Results(TypedDict):
    """A page of the results of a FOREACH. `next` is the `first` of the next page; None: this was the last one."""

    processId: int
    stepId: int
    ref: str
    status: StepStatusName
    total: int
    first: int
    items: list[ItemResult]
    next: int | None


class JobItem(TypedDict):
    processId: int
    error: str | None
    code: str | None
    startedProcessId: int | None


class Job(TypedDict, total=False):
    """One operation on many processes; `status` is RUNNING or DONE."""

    id: int
    operation: str
    status: str
    reason: str
    version: int | None
    total: int | None
    done: int
    failed: int
    created: int
    createdBy: str
    updated: int
    ended: int
    items: list[JobItem] | None


class ApiError(Exception):
    """The server refused, or could not be reached.

    `status` is the HTTP status (0 = no answer), `code` the stable name of the error (`NOT_FOUND`, `CONFLICT`,
    `INVALID` …; `UNREACHABLE` without an answer), `problems` everything wrong with a definition.
    """

    def __init__(self, status: int, code: str, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.problems = problems

    def __str__(self) -> str:
        place = f"HTTP {self.status} {self.code}" if self.status else self.code
        return "\n  ".join([f"{place}: {self.message}", *(f"{p.path}: {p.message}" for p in self.problems)])


class _ErrorBody(Record, frozen=True, rename="camel"):
    error_message: str | None = None
    code: str | None = None
    problems: tuple[Problem, ...] = ()


def read_error(status: int, body: bytes) -> ApiError:
    """From any answer but 200, ours or a proxy's."""
    try:
        told = decode_as(body, _ErrorBody)
    except CodecError:
        told = _ErrorBody()
    message = told.error_message or body[:200].decode("utf-8", "replace") or "no explanation"
    return ApiError(status, told.code or f"HTTP_{status}", message, told.problems)


def read_any(body: bytes) -> Any:
    """The decoded answer; None for none. Raises ApiError when it is not JSON."""
    if not body:
        return None
    try:
        return decode(body)
    except CodecError as error:
        raise ApiError(200, "UNREADABLE", f"the answer is not JSON: {error}") from error
