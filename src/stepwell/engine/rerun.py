"""Running a step of an ended process again, and what follows it, in place.

Its siblings in loops and branches stay as they are, and so does what came before it. Spec 0.2, the last row.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import enter
from stepwell.engine.draft import Draft
from stepwell.engine.effects import Refusal, Reply
from stepwell.engine.events import RerunFromRequested
from stepwell.engine.graph import downstream
from stepwell.engine.operate import conflict, reopen_process, step_at
from stepwell.engine.process import settle
from stepwell.engine.steps import begin_anew, fails_parent, reopen
from stepwell.model.codec import Json, change, encode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.step import Phase, StepContext, StepPath, StepStatus


def rerun_from_requested(draft: Draft, event: RerunFromRequested) -> Reply:
    if draft.process.status.is_open:
        return conflict(draft, "end it before a step is run again")
    step = step_at(draft, event.ref)
    if step is None or step.status.is_open:
        return Refusal("NOT_FOUND", f"no step {event.ref} that has run")
    draft.want_around(step.path)
    containers = _around(draft, step)
    refused = _not_begun(draft, step, containers) or reopen_process(draft)
    if refused is not None:
        return refused
    below = step
    for container in containers:
        _mark_later_siblings(draft, below)
        _reopen(draft, container, below)
        below = container
    _mark_later_siblings(draft, below)
    again = begin_anew(draft, draft.plan_of(step), step, draft.parent_of(step))
    if event.input is not None:
        again = draft.put(change(again, input=event.input, secrets=b"", warning=""))
    settle(draft, enter(draft, draft.plan_of(step), again))
    return None


def _around(draft: Draft, step: StepContext) -> list[StepContext]:
    """The containers around a step, innermost first."""
    found = []
    parent = draft.parent_of(step)
    while parent is not None:
        found.append(parent)
        parent = draft.parent_of(parent)
    return found


COUNTED = (StepType.PARALLEL, StepType.FOREACH)
LOOPS = (*COUNTED, StepType.WHILE)


def _not_begun(draft: Draft, step: StepContext, containers: list[StepContext]) -> Refusal | None:
    """Why not: in the present execution of what it stands in, it has not run. What earlier ones left is only record."""
    inside = step
    for container in containers:
        # 0: it is to begin anew in its turn, because of an earlier step that was run again.
        of_another = inside.parent_execution_id not in (0, container.execution)
        kind = draft.plan_of(container).type
        if (kind in COUNTED and of_another) or (kind in LOOPS and container.children is None):
            message = f"{inside.ref} has not run since {container.ref} began again: run that one again"
            return Refusal("CONFLICT", message)
        inside = container
    return None


# -- what follows


def _mark_later_siblings(draft: Draft, step: StepContext) -> None:
    """What comes after a step in a sequence belongs to no execution of its parent now: it begins anew in its turn."""
    plan = draft.plan_of(step)
    for path in _following(draft, plan, step.path):
        later = draft.find(draft.id_at(path))
        if later is not None:
            draft.put(change(later, parent_execution_id=0))


def _following(draft: Draft, plan: StepPlan, path: StepPath) -> list[StepPath]:
    paths: list[StepPath] = [(ref, *path[1:]) for ref in _refs_behind(draft, plan)]
    draft.want(draft.id_at(each) for each in paths)
    return paths


def _refs_behind(draft: Draft, plan: StepPlan) -> list[str]:
    if plan.parent is not None:
        around = draft.plan.steps[plan.parent]
        return list(around.children[plan.position + 1 :]) if draft.controls[around.type].in_order else []
    if draft.plan.edges:
        return downstream(draft, plan.ref)
    return list(draft.plan.top[plan.position + 1 :])


# -- the containers around it


def _reopen(draft: Draft, container: StepContext, child: StepContext) -> None:
    """The same execution of it runs once more while this one child is open again. It belongs to the present one of
    its parent, also when it was to begin anew in its turn."""
    plan, parent = draft.plan_of(container), draft.parent_of(container)
    container = change(container, parent_execution_id=1 if parent is None else parent.execution)
    if plan.type in COUNTED:
        _reopen_counted(draft, plan, container, child)
        return
    again = change(reopen(draft, container, container.children), phase=Phase.WORK)
    # What a SWITCH has chosen stands in its output, and is not chosen again.
    chosen = plan.type is StepType.SWITCH and container.status is StepStatus.COMPLETED
    draft.put(change(again, output=container.output) if chosen else again)


def _reopen_counted(draft: Draft, plan: StepPlan, container: StepContext, child: StepContext) -> None:
    """Its counters as they are now: what was open when it ended has been CANCELLED since."""
    counters = container.children
    assert counters is not None
    index = child.path[-1] if plan.type is StepType.FOREACH else draft.plan_of(child).position
    assert isinstance(index, int)
    was_counted = index < counters.next and fails_parent(draft.plan_of(child), child)
    bad = max(0, counters.failed + counters.open - was_counted)
    counters = change(counters, open=1, failed=bad, next=max(counters.next, index + 1))
    again = reopen(draft, container, counters)
    if bad:
        draft.put(change(again, output=_failure_of_others(draft, container, child)))
    if counters.next < counters.total:
        draft.set_due(DueKind.GO_ON, draft.now, step_id=container.id)


def _failure_of_others(draft: Draft, container: StepContext, child: StepContext) -> Json:
    """What a container says while others of its children have ended badly: the first of them, if it is known."""
    said = draft.decoded(container, "output")
    first = said.get("failedStepId") if isinstance(said, dict) else None
    if isinstance(first, int) and not _is_inside(draft, first, child):
        return container.output
    message = f"other children of {container.ref} ended badly before; a resume runs them again"
    return encode({"error": message, "failedStepRef": container.ref, "failedStepId": container.id})


def _is_inside(draft: Draft, step_id: int, container: StepContext) -> bool:
    step = draft.find(step_id)
    while step is not None:
        if step.id == container.id:
            return True
        step = draft.parent_of(step)
    return False
