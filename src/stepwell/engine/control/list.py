"""LIST: its children one after the other.

    {"type": "LIST", "name": "ship", "ref": "ship", "children": [{…}, {…}]}

Stops at the first child that fails and is not optional, and fails with it. Output: its last completed child's output.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import Sequel, following, last_output, run_sequence
from stepwell.engine.control.outcome import failed_by
from stepwell.engine.draft import Control, Draft
from stepwell.engine.steps import begin, close, fails_parent, reopen
from stepwell.model.codec import Json, decode
from stepwell.model.step import StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    return _run(draft, plan, begin(draft, step), 0)


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    return _run(draft, plan, reopen(draft, step, None), 0)


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    child_plan = draft.plan_of(child)
    if fails_parent(child_plan, child):
        return failed_by(draft, step, child)
    return _run(draft, plan, step, following(child_plan, child))


def go_on(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    return _run(draft, plan, step, decode(body))


def _run(draft: Draft, plan: StepPlan, step: StepContext, position: int) -> StepContext:
    sequel, failed = run_sequence(draft, plan.children, position, step.path[1:], step)
    if sequel is Sequel.WAITING:
        return draft.step(step.id)
    if sequel is Sequel.STOPPED:
        assert failed is not None
        return failed_by(draft, step, failed)
    return close(draft, step, StepStatus.COMPLETED, last_output(draft, plan.children, step.path[1:]))


LIST = Control(in_order=True, open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on)
