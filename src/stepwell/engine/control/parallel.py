"""PARALLEL: its children at once.

    {"type": "PARALLEL", "name": "prepare", "ref": "prepare", "children": [{…}, {…}]}

A child that fails does not stop its siblings: all run to their end, then the step fails if one failed that is not
optional. Input: `joinPolicy` ALL (default), ANY or N with `joinCount`: as soon as that many children ended well the
step completes and what is still open is CANCELLED. No output of its own; the children's are read by their refs.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import look_ahead, open_child, opening
from stepwell.engine.control.outcome import count_failed
from stepwell.engine.draft import MAX_TRANSITIONS, Control, Draft
from stepwell.engine.steps import begin, cancel_below, close, error_output, reopen
from stepwell.model.codec import EMPTY, Json, change
from stepwell.model.due import DueKind
from stepwell.model.step import Children, StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = draft.put(change(begin(draft, step), children=Children(total=len(plan.children))))
    return _open_rest(draft, plan, step)


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    return _open_rest(draft, plan, reopen(draft, step, Children(total=len(plan.children))))


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    step = draft.put(count_failed(draft, step, child, change(counters, open=counters.open - 1)))
    return _finish_if_done(draft, step)


def go_on(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    return _open_rest(draft, plan, step)


def _open_rest(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    indices = step.path[1:]
    ahead = plan.children[counters.next : counters.next + MAX_TRANSITIONS]
    if draft.may_have_children(step):
        draft.want(draft.id_at((ref, *indices)) for ref in ahead)
    look_ahead(draft, (path for ref in ahead for path in opening(draft, ref, indices)))
    while counters.next < counters.total and not draft.exhausted:
        child = open_child(draft, plan.children[counters.next], indices, step)
        if not draft.process.status.is_open:
            return draft.step(step.id)
        counters = change(counters, next=counters.next + 1, open=counters.open + child.status.is_open)
        step = count_failed(draft, step, child, counters)
        assert step.children is not None
        counters = step.children
        if _needed(draft, step) is not None and not child.status.is_open:
            break
    step = draft.put(step)
    finished = _finish_if_done(draft, step)
    if finished.status.is_open and counters.next < counters.total:
        draft.set_due(DueKind.GO_ON, draft.now, step_id=step.id)
    return finished


def _finish_if_done(draft: Draft, step: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    needed = _needed(draft, step)
    if needed is not None and counters.next - counters.open - counters.failed >= needed:
        cancel_below(draft, step)
        return close(draft, draft.step(step.id), StepStatus.COMPLETED, EMPTY)
    if counters.open or counters.next < counters.total:
        return step
    if needed is not None and not counters.failed:
        return close(
            draft, step, StepStatus.FAILED, error_output(f"only {counters.total} of {needed} children")
        )
    if counters.failed:
        return close(draft, step, StepStatus.FAILED, step.output)
    return close(draft, step, StepStatus.COMPLETED, EMPTY)


def _needed(draft: Draft, step: StepContext) -> int | None:
    """How many children must end well for the step to go on; None: all of them."""
    given = draft.decoded(step, "input")
    match given.get("joinPolicy"):
        case "ANY":
            return 1
        case "N":
            count = given.get("joinCount")
            return count if type(count) is int and count > 0 else None
    return None


PARALLEL = Control(open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on)
