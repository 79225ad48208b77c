"""EXIT: ends the process here.

    {"type": "EXIT", "name": "stop", "ref": "stop", "input": {"status": "COMPLETED", "output": {"reason": "empty"}}}

Input: `status` COMPLETED (default), FAILED or TERMINATED; `output` (object) becomes the process's output. Siblings that
have not begun end SKIPPED, open steps CANCELLED. With FAILED the step itself is FAILED, so that a resume runs it again.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import Control, Draft
from stepwell.engine.process import end_early, regular_output, with_defaults
from stepwell.engine.steps import begin, close, error_output, run_again, skip
from stepwell.model.codec import EMPTY, Json, encode
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepContext, StepStatus

STATUSES = {
    "COMPLETED": ProcessStatus.COMPLETED,
    "FAILED": ProcessStatus.FAILED,
    "TERMINATED": ProcessStatus.TERMINATED,
}


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    word = given.get("status")
    status = STATUSES.get("COMPLETED" if word is None else word if isinstance(word, str) else "")
    output = given.get("output")
    if status is None or not (output is None or isinstance(output, dict)):
        allowed = ", ".join(STATUSES)
        message = f"EXIT needs a status of {allowed} and an object as output, not {word!r}"
        return close(draft, step, StepStatus.FAILED, error_output(message))
    own = EMPTY if output is None else encode(output)
    failed = status is ProcessStatus.FAILED
    if failed and output is None:
        own = error_output(f"ended by {step.ref}")
    step = close(draft, step, StepStatus.FAILED if failed else StepStatus.COMPLETED, own)
    skip_siblings(draft, plan, step)
    end_early(draft, status, _process_output(draft, status, step, output))
    return step


def _process_output(draft: Draft, status: ProcessStatus, step: StepContext, output: object) -> Json:
    if output is not None:
        return with_defaults(draft, step.output)
    if status is ProcessStatus.FAILED:
        return with_defaults(
            draft,
            encode({"error": f"ended by {step.ref}", "failedStepRef": step.ref, "failedStepId": step.id}),
        )
    return regular_output(draft)


def skip_siblings(draft: Draft, plan: StepPlan, step: StepContext) -> None:
    parent = draft.parent_of(step)
    refs = draft.plan.top if plan.parent is None else draft.plan.steps[plan.parent].children
    indices = step.path[1:]
    in_graph = plan.parent is None and draft.plan.edges
    later = refs if in_graph else refs[plan.position + 1 :]
    draft.want(draft.id_at((ref, *indices)) for ref in later)
    for ref in later:
        path = (ref, *indices)
        if draft.begun(path):
            continue
        skip(draft, draft.plan.steps[ref], path, parent)


EXIT = Control(open=begin_step, resume=run_again)
