"""What the server asks of the runtime, and what it gets: plain records, no HTTP."""

from enum import StrEnum

from stepwell.model.codec import EMPTY, Json, Record
from stepwell.model.definition import StoredDefinition
from stepwell.model.process import ProcessContext, TriggerType
from stepwell.model.work import Acceptance, QueueName, WorkRequest, WorkResult


class StartRequest(Record, frozen=True, kw_only=True):
    namespace: str
    name: str
    version: int | None = None
    input: Json = EMPTY
    """A JSON object, as text."""
    request_id: str | None = None
    correlation_id: str | None = None
    priority: int = 0
    trigger: TriggerType = TriggerType.API
    created_by: str = ""
    idempotency_key: str | None = None
    """The same key with the same request answers the process that it has started first."""
    definition: StoredDefinition | None = None
    """Comes with the run (see `catalog.dynamic_definition`) and is stored with its start; None: found by name."""


class Poll(Record, frozen=True, kw_only=True):
    """One wish for work, over any number of queues."""

    queues: tuple[tuple[QueueName, int], ...]
    """Each queue with how many steps at most."""
    limit: int
    """How many steps in all."""
    client: str
    host: str
    poll_id: str | None = None
    """The same id gets the same steps again, as far as they still stand."""
    wait_ms: int = 0
    """How long an empty poll may be held."""


class Extension(Record, frozen=True):
    """A worker still busy with a step asks to keep it."""

    step_id: int
    token: int
    lease_ms: int = 0
    """0 = the step's own lease again."""


class Exchange(Record, frozen=True, kw_only=True):
    """Results, extensions and the next poll in one: what was done and what comes next share a commit."""

    results: tuple[WorkResult, ...] = ()
    extensions: tuple[Extension, ...] = ()
    poll: Poll | None = None


class Exchanged(Record, frozen=True, kw_only=True):
    outcomes: list[Acceptance]
    """One for each result, in the order given."""
    extended: list[bool]
    work: list[WorkRequest]


class Operation(StrEnum):
    TERMINATE = "TERMINATE"
    CANCEL = "CANCEL"
    RESUME = "RESUME"
    REVIEW = "REVIEW"
    PAUSE = "PAUSE"
    UNPAUSE = "UNPAUSE"


class Actor(Record, frozen=True):
    """Who does something to a process, and why: what the audit says of it."""

    who: str = ""
    """The client application; empty = the engine itself, which is not audited."""
    why: str = ""


class Operated(Record, frozen=True, kw_only=True):
    """What one operation did to one process."""

    process_id: int
    error: str | None = None
    """Why nothing was changed, else None."""
    code: str = ""
    """NOT_FOUND or CONFLICT with an error."""


class RetryOutcome(StrEnum):
    DONE = "DONE"
    REFUSED = "REFUSED"
    """It came too late, or was asked for and may not be by now: done with as well."""
    RAISED = "RAISED"
    """The engine raised again; it stays set aside."""


class Retried(Record, frozen=True, kw_only=True):
    """What became of a set-aside event that was played again."""

    id: int
    event: str
    """Its kind, as `TimerFired`."""
    created: int
    """When it was set aside, epoch ms."""
    outcome: RetryOutcome
    message: str = ""
    """Why it is not DONE."""

    @property
    def is_over(self) -> bool:
        return self.outcome is not RetryOutcome.RAISED


class Started(Record, frozen=True, kw_only=True):
    process: ProcessContext
