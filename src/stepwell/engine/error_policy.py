"""What an error policy says to one of its four events. Small, pure, no draft."""

from enum import Enum

from stepwell.model.codec import Record
from stepwell.model.error_policy import ErrorPolicy, Reaction, StepErrorAction

LONGEST_DELAY_MS = 3_600_000
DEFAULT_INTERVAL_MS = 1_000


class Trouble(Enum):
    """The four error events, named like the policy's fields."""

    FAILURE = "failure"
    START_TIMEOUT = "start_timeout"
    COMPLETION_TIMEOUT = "completion_timeout"
    RESPONSE_TIMEOUT = "response_timeout"


class Verdict(Record, frozen=True):
    """What to do: `delay_ms` is the wait before a RETRY."""

    action: StepErrorAction
    delay_ms: int = 0
    reaction: Reaction | None = None


def reaction_to(policy: ErrorPolicy | None, trouble: Trouble) -> Reaction | None:
    if policy is None:
        return None
    match trouble:
        case Trouble.FAILURE:
            return policy.failure
        case Trouble.START_TIMEOUT:
            return policy.start_timeout
        case Trouble.COMPLETION_TIMEOUT:
            return policy.completion_timeout
        case Trouble.RESPONSE_TIMEOUT:
            return policy.response_timeout


def judge(policy: ErrorPolicy | None, trouble: Trouble, retries: int, step_id: int) -> Verdict:
    """`retries` is how many the context had already, over all events."""
    reaction = reaction_to(policy, trouble)
    if reaction is None:
        return Verdict(StepErrorAction.FAIL)
    if reaction.action is not StepErrorAction.RETRY:
        return Verdict(reaction.action, reaction=reaction)
    if retries >= reaction.retry_count:
        return Verdict(StepErrorAction.FAIL, reaction=reaction)
    return Verdict(StepErrorAction.RETRY, delay_before(reaction, retries + 1, step_id), reaction)


def delay_before(reaction: Reaction, nth: int, step_id: int) -> int:
    """Milliseconds to wait before the nth retry. Constant intervals are exact; only exponential ones get jitter."""
    interval = reaction.retry_interval
    if not reaction.retry_backoff_exponential:
        return min(interval, LONGEST_DELAY_MS)
    delay = min(interval << min(nth - 1, 40), LONGEST_DELAY_MS)
    return min(delay + delay * _spread(step_id, nth) // 10_000, LONGEST_DELAY_MS)


def _spread(step_id: int, nth: int) -> int:
    """0 … 1,000 (ten thousandths, so up to 10 %), even over ids: chance without a generator."""
    mixed = (step_id * 0x9E3779B97F4A7C15 + nth * 0xC2B2AE3D27D4EB4F) & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 29
    return (mixed * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF) % 1_001
