"""What can happen to a process: past tense, or a request. The shell builds these; nothing else enters the engine."""

from enum import StrEnum

from stepwell.model.codec import Json, Record
from stepwell.model.definition import ProcessType, TagValue
from stepwell.model.due import DueKind
from stepwell.model.process import TriggerType
from stepwell.model.secret import SealedChange
from stepwell.model.work import WorkStatus


class Event(Record, frozen=True, tag=True, tag_field="event", kw_only=True):
    """The base of all events. Tagged, so that one set aside can be stored and played again."""


class ProcessStarted(Event, frozen=True, kw_only=True):
    process_id: int
    namespace: str
    name: str
    version: int
    definition_id: int
    type: ProcessType
    trigger: TriggerType
    input: Json
    request_id: str | None = None
    correlation_id: str | None = None
    priority: int = 0
    created_by: str = ""
    tags: tuple[TagValue, ...] = ()
    rerun_of: int | None = None
    parent_id: int | None = None
    parent_step_id: int | None = None
    depth: int = 0


class StepReported(Event, frozen=True, kw_only=True, gc=False):
    """A worker said something of a step: done, failed, or still running (to be offered again later)."""

    step_id: int
    token: int
    status: WorkStatus
    output: Json
    reschedule_ms: int = 0
    sealed: SealedChange | None = None
    """What it changes in the secret state: taken off the output, and encrypted, before this event was made."""


class DeliveryExpired(Event, frozen=True, kw_only=True, gc=False):
    """The lease of a hand-out ended without a report."""

    step_id: int
    token: int
    max_deliveries: int
    lost: bool = False
    """Its time is not over, but whoever held it is gone for certain: no clock of the step's own has rung."""


class TimerFired(Event, frozen=True, kw_only=True, gc=False):
    """A due row's time has come; the shell has taken the row in this turn."""

    kind: DueKind
    step_id: int
    body: Json = b""


class SignalReceived(Event, frozen=True, kw_only=True):
    """Outside input for whoever waits for it, now or later."""

    name: str
    payload: Json
    correlation: str | None = None


class TerminateRequested(Event, frozen=True, kw_only=True):
    reason: str = ""


class ResumeRequested(Event, frozen=True, kw_only=True):
    """Go on with what failed. Perhaps by another version: then the shell has put its plan into the snapshot, and
    says here which one that is."""

    follow: int | None = None
    """The version asked for; 0 = the newest, None = the one that it follows."""
    definition_id: int = 0
    """0 = as before."""
    version: int = 0
    numbering: tuple[int, ...] = ()


class ReviewRequested(Event, frozen=True, kw_only=True):
    reason: str = ""


class CancelRequested(Event, frozen=True, kw_only=True):
    """Like terminate, but on purpose: the process ends CANCELLED and its hook runs."""

    reason: str = ""


class PauseRequested(Event, frozen=True, kw_only=True):
    """Nothing new begins; what workers hold goes on."""


class UnpauseRequested(Event, frozen=True, kw_only=True):
    pass


class RerunFromRequested(Event, frozen=True, kw_only=True):
    """Run a step of an ended process again, and what follows it, in place. Siblings stay."""

    ref: str
    input: Json | None = None
    """Instead of the input that templates give; None = as they give it."""


class StateEdited(Event, frozen=True, kw_only=True):
    """An operator changes the process's variables."""

    put: Json = b"{}"
    remove: tuple[str, ...] = ()


class StepOrder(StrEnum):
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    RETRY_NOW = "RETRY_NOW"


class StepOrdered(Event, frozen=True, kw_only=True):
    """An operator decides what becomes of one open step."""

    ref: str
    order: StepOrder
    output: Json = b"{}"
    sealed: SealedChange | None = None


class StepRemoved(Event, frozen=True, kw_only=True):
    """An operator wants one step left out in this process: it has not begun, or is open."""

    ref: str


AnyEvent = (
    ProcessStarted
    | StepReported
    | DeliveryExpired
    | TimerFired
    | SignalReceived
    | TerminateRequested
    | ResumeRequested
    | ReviewRequested
    | CancelRequested
    | PauseRequested
    | UnpauseRequested
    | RerunFromRequested
    | StateEdited
    | StepOrdered
    | StepRemoved
)
