"""PARALLEL: its children at once.

    {"type": "PARALLEL", "name": "prepare", "ref": "prepare", "children": [{…}, {…}]}

A child that fails does not stop its siblings: all run to their end, then the step fails if one failed that is not
optional. No output of its own; the children's are read by their refs.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import open_child
from stepwell.engine.control.outcome import failed_by
from stepwell.engine.draft import Control, Draft
from stepwell.engine.steps import begin, close, fails_parent, reopen
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
    failed = counters.failed + fails_parent(draft.plan_of(child), child)
    step = draft.put(change(step, children=change(counters, open=counters.open - 1, failed=failed)))
    return _finish_if_done(draft, plan, step)


def go_on(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    return _open_rest(draft, plan, step)


def _open_rest(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    indices = step.path[1:]
    if draft.process.resumed:
        draft.want(draft.id_at((ref, *indices)) for ref in plan.children[counters.next :])
    at, running, failed = counters.next, counters.open, counters.failed
    while at < counters.total and not draft.exhausted:
        child = open_child(draft, plan.children[at], indices, step)
        if not draft.process.status.is_open:
            return draft.step(step.id)
        at += 1
        running += child.status.is_open
        failed += fails_parent(draft.plan_of(child), child)
    step = draft.put(change(step, children=change(counters, next=at, open=running, failed=failed)))
    if at < counters.total:
        draft.set_due(DueKind.GO_ON, draft.now, step_id=step.id)
        return step
    return _finish_if_done(draft, plan, step)


def _finish_if_done(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    if counters.open or counters.next < counters.total:
        return step
    if not counters.failed:
        return close(draft, step, StepStatus.COMPLETED, EMPTY)
    return failed_by(draft, step, _first_failed(draft, plan, step))


def _first_failed(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    ids = [draft.id_at((ref, *step.path[1:])) for ref in plan.children]
    draft.want(ids)
    children = (draft.step(id) for id in ids)
    return next(child for child in children if fails_parent(draft.plan_of(child), child))


PARALLEL = Control(open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on)
