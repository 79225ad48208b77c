"""How a container ends because of its children."""

from stepwell.engine.draft import Draft
from stepwell.engine.steps import close, error_text
from stepwell.model.codec import encode
from stepwell.model.step import StepContext, StepStatus


def failed_by(draft: Draft, step: StepContext, child: StepContext) -> StepContext:
    """FAILED, with the child's own words and the id of the leaf that is the cause."""
    cause = draft.decoded(child, "output")
    leaf = cause.get("failedStepId", child.id) if isinstance(cause, dict) else child.id
    ref = cause.get("failedStepRef", child.ref) if isinstance(cause, dict) else child.ref
    output = {"error": error_text(child, draft), "failedStepRef": ref, "failedStepId": leaf}
    return close(draft, step, StepStatus.FAILED, encode(output))
