"""Error policies: what happens when a step fails or is late. Spec sections 1.11 and 0.6."""

from enum import StrEnum

from stepwell.model.codec import Record
from stepwell.model.definition import DEFAULT_NAMESPACE, ProcessRequest


class StepErrorAction(StrEnum):
    FAIL = "FAIL"
    RETRY = "RETRY"
    NONE = "NONE"


class Reaction(Record, frozen=True, kw_only=True, rename="camel"):
    """What one of the four events leads to."""

    duration: int = 0
    """Milliseconds until the event; unused for a plain failure."""
    action: StepErrorAction = StepErrorAction.FAIL
    retry_count: int = 0
    """n retries = n + 1 executions in all, counted over all four events of one context."""
    retry_interval: int = 1_000
    """Milliseconds."""
    retry_backoff_exponential: bool = False
    run_request: ProcessRequest | None = None


class ErrorPolicy(Record, frozen=True, kw_only=True, rename="camel"):
    id: int = 0
    """Given by the store, a new one for each version: a step execution keeps the policy it was scheduled under."""
    version: int = 1
    namespace: str = DEFAULT_NAMESPACE
    name: str = ""
    start_timeout: Reaction | None = None
    completion_timeout: Reaction | None = None
    response_timeout: Reaction | None = None
    failure: Reaction | None = None
    created: int = 0
    updated: int = 0
    created_by: str | None = None
    updated_by: str | None = None
