"""How a container ends because of its children."""

from stepwell.engine.draft import Draft
from stepwell.engine.steps import close, error_output, explanation, fails_parent
from stepwell.model.codec import change, encode
from stepwell.model.step import Children, StepContext, StepStatus


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
    """FAILED at once: its input asks for what cannot be."""
    return close(draft, step, StepStatus.FAILED, error_output(message))
