"""How a container ends because of its children."""

from typing import Any

from stepwell.engine.draft import Draft
from stepwell.engine.error_policy import Trouble
from stepwell.engine.steps import close, error_output, explanation, fails_parent, trouble
from stepwell.model.codec import change, encode
from stepwell.model.step import Children, StepContext, StepStatus

MAX_NUMBER = 2**53
MOST_SHOWN = 200


def failed_by(draft: Draft, step: StepContext, child: StepContext) -> StepContext:
    """FAILED, with the child's own words and the id of the leaf that is the cause."""
    return close(draft, step, StepStatus.FAILED, encode(explanation(draft, child)))


def count_failed(draft: Draft, step: StepContext, child: StepContext, counters: Children) -> StepContext:
    """The container with new counters, its `failed` raised if this child ended badly.

    The first one that does is named in the container's output at once, so that its end need not look at all of them."""
    if not fails_parent(draft.plan_of(child), child):
        return change(step, children=counters)
    if not counters.failed:
        step = change(step, output=encode(explanation(draft, child)))
    return change(step, children=change(counters, failed=counters.failed + 1))


def refuse(draft: Draft, step: StepContext, message: str) -> StepContext:
    """Its input or its script asks for what cannot be: a failure of its own, so its policy is asked."""
    return trouble(draft, step, Trouble.FAILURE, error_output(message))


def whole(value: Any) -> int | None:
    """A whole number, also one that a script or a division has written as 5.0; None when it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and abs(value) < MAX_NUMBER else None


def shown(value: Any) -> str:
    """A value in a message: not more of it than a person reads."""
    text = encode(value).decode()
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
