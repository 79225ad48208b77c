"""PARALLEL: its children at once.

    {"type": "PARALLEL", "name": "prepare", "ref": "prepare", "children": [{…}, {…}]}

A child that fails does not stop its siblings: all run to their end, then the step fails if one failed that is not
optional. Input: `joinPolicy` ALL (default), ANY or N with `joinCount`: as soon as that many children ended well (an
optional one always does) the step completes and what is still open is CANCELLED. When so many cannot be had any more,
the rest still run to their end, then the step fails. No output of its own; the children's are read by their refs.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import look_ahead, open_child, opening
from stepwell.engine.control.outcome import count_failed, refuse, shown, whole
from stepwell.engine.draft import MAX_TRANSITIONS, Control, Draft
from stepwell.engine.steps import begin, cancel_below, close, reopen
from stepwell.model.codec import EMPTY, Json, change
from stepwell.model.due import DueKind
from stepwell.model.step import Children, StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = draft.put(change(begin(draft, step), children=Children(total=len(plan.children))))
    problem = _problem(draft, plan, step)
    return refuse(draft, step, problem) if problem else _open_rest(draft, plan, step)


def _problem(draft: Draft, plan: StepPlan, step: StepContext) -> str:
    given = draft.decoded(step, "input")
    policy, count = given.get("joinPolicy"), whole(given.get("joinCount"))
    if policy not in (None, "ALL", "ANY", "N"):
        return f"joinPolicy must be ALL, ANY or N, not {shown(policy)}"
    if policy == "N" and not 1 <= (count or 0) <= len(plan.children):
        return f"joinCount must be from 1 to the number of children, not {shown(given.get('joinCount'))}"
    return ""


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    problem = _problem(draft, plan, step)
    if problem:
        return refuse(draft, begin(draft, change(step, retries=0)), problem)
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
        counters = change(counters, next=counters.next + 1, open=counters.open + child.status.is_open)
        if not draft.process.goes_on:
            # It has ended the process. What stands here is CANCELLED by now, or soon will be.
            return draft.put(count_failed(draft, draft.step(step.id), child, counters))
        step = count_failed(draft, step, child, counters)
        assert step.children is not None
        counters = step.children
        if _is_reached(draft, step):
            break
    step = draft.put(step)
    finished = _finish_if_done(draft, step)
    if finished.status.is_open and counters.next < counters.total:
        draft.set_due(DueKind.GO_ON, draft.now, step_id=step.id)
    return finished


def _finish_if_done(draft: Draft, step: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    if _is_reached(draft, step):
        cancel_below(draft, step)
        return close(draft, draft.step(step.id), StepStatus.COMPLETED, EMPTY)
    if counters.open or counters.next < counters.total:
        return step
    if counters.failed:
        return close(draft, step, StepStatus.FAILED, step.output)
    return close(draft, step, StepStatus.COMPLETED, EMPTY)


def _is_reached(draft: Draft, step: StepContext) -> bool:
    """Have as many children ended well as the join policy wants? Never under ALL, which waits for the rest anyway."""
    counters = step.children
    assert counters is not None
    given = draft.decoded(step, "input")
    match given.get("joinPolicy"):
        case "ANY":
            needed = 1
        case "N":
            needed = whole(given.get("joinCount")) or 0
        case _:
            return False
    return counters.next - counters.open - counters.failed >= needed


PARALLEL = Control(open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on)
