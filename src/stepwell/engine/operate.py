"""What operators ask of a process: end it, resume it, pause it, repair it. Every answer is a Refusal or None.

All of them are idempotent in effect: asked again, they find the process as they wanted it and refuse with the reason.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import enter
from stepwell.engine.draft import Draft
from stepwell.engine.effects import Refusal, Reply
from stepwell.engine.events import (
    CancelRequested,
    PauseRequested,
    RerunFromRequested,
    ResumeRequested,
    ReviewRequested,
    StateEdited,
    StepOrder,
    StepOrdered,
    TerminateRequested,
    UnpauseRequested,
)
from stepwell.engine.graph import downstream
from stepwell.engine.process import end_early, run_top, settle, start_clock
from stepwell.engine.state import StateChange, apply, apply_sealed
from stepwell.engine.steps import begin_anew, close, drop_timer, fails_parent, hold, let_go, offer, reopen
from stepwell.model.codec import EMPTY, change, decode
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import Children, Phase, StepContext, StepPath, StepStatus, parse_path

MOST_HELD_AT_ONCE = 1_000


# -- ending


def terminate_requested(draft: Draft, event: TerminateRequested) -> Reply:
    if not draft.process.status.is_open:
        return _conflict(draft, "only a RUNNING one can be terminated")
    end_early(draft, ProcessStatus.TERMINATED, EMPTY, event.reason)
    return None


def cancel_requested(draft: Draft, event: CancelRequested) -> Reply:
    if not draft.process.status.is_open:
        return _conflict(draft, "only a RUNNING one can be cancelled")
    end_early(draft, ProcessStatus.CANCELLED, EMPTY, event.reason)
    return None


def review_requested(draft: Draft, event: ReviewRequested) -> Reply:
    if not draft.process.status.is_resumable:
        return _conflict(draft, "only one that ended badly can be reviewed")
    draft.put_process(status=ProcessStatus.REVIEWED, reason=event.reason)
    return None


# -- going on


def resume_requested(draft: Draft, event: ResumeRequested) -> Reply:
    """Failed, timed-out and cancelled steps run again; what went well stays. The time limit starts anew."""
    if not draft.process.status.is_resumable:
        return _conflict(draft, "it cannot be resumed")
    refused = _reopen_process(draft)
    if refused is None:
        run_top(draft, 0)
    return refused


def _reopen_process(draft: Draft) -> Refusal | None:
    if draft.open_steps(1)[0]:
        return Refusal("CONFLICT", "its open steps are still being cancelled, try again in a moment")
    timeout = draft.plan.definition.configuration.completion_timeout
    draft.put_process(
        status=ProcessStatus.RUNNING,
        output=EMPTY,
        ended=0,
        reason="",
        paused=False,
        resumed=draft.process.resumed + 1,
        deadline=draft.now + timeout if timeout else 0,
    )
    # A row that closes open steps may be left, although none is open any more.
    draft.drop_due(DueKind.GO_ON)
    start_clock(draft)
    return None


# -- running again from a step


def rerun_from_requested(draft: Draft, event: RerunFromRequested) -> Reply:
    """In place: that step and what follows it begin anew, its siblings in loops and branches stay as they are."""
    if draft.process.status.is_open:
        return _conflict(draft, "end it before a step is run again")
    step = step_at(draft, event.ref)
    if step is None or step.status.is_open:
        return Refusal("NOT_FOUND", f"no step {event.ref} that has run")
    draft.want_around(step.path)
    ancestors = _ancestors(draft, step)
    refused = _reopen_process(draft)
    if refused is not None:
        return refused
    below = step
    for container in ancestors:
        _mark_later_siblings(draft, below)
        _reopen_container(draft, container, below)
        below = container
    _mark_later_siblings(draft, below)
    again = begin_anew(draft, draft.plan_of(step), step, draft.parent_of(step))
    if event.input is not None:
        again = draft.put(change(again, input=event.input, warning=""))
    settle(draft, enter(draft, draft.plan_of(step), again))
    return None


def _ancestors(draft: Draft, step: StepContext) -> list[StepContext]:
    """The containers around a step, innermost first."""
    found = []
    parent = draft.parent_of(step)
    while parent is not None:
        found.append(parent)
        parent = draft.parent_of(parent)
    return found


def _mark_later_siblings(draft: Draft, step: StepContext) -> None:
    """What comes after a step in a sequence belongs to no execution of its parent now: it begins anew in its turn."""
    plan = draft.plan_of(step)
    for path in _following(draft, plan, step.path):
        later = draft.find(draft.id_at(path))
        if later is not None:
            draft.put(change(later, parent_execution_id=0))


def _following(draft: Draft, plan: StepPlan, path: StepPath) -> list[StepPath]:
    if plan.parent is None:
        if draft.plan.edges:
            later: list[StepPath] = [(ref,) for ref in downstream(draft, plan.ref)]
            draft.want(draft.id_at(each) for each in later)
            return later
        refs = draft.plan.top
    else:
        container = draft.plan.steps[plan.parent]
        refs = container.children if draft.controls[container.type].in_order else ()
    paths = [(ref, *path[1:]) for ref in refs[plan.position + 1 :]] if refs else []
    draft.want(draft.id_at(each) for each in paths)
    return paths


def _reopen_container(draft: Draft, container: StepContext, child: StepContext) -> None:
    """Its counters as they are while this one child is open again."""
    counters = container.children
    if counters is not None and not draft.controls[draft.plan_of(container).type].in_order:
        was_bad = fails_parent(draft.plan_of(child), child)
        counters = change(counters, open=1, failed=max(0, counters.failed - was_bad))
    again = reopen(draft, container, counters)
    if counters is not None and counters.failed:
        # The first failure is named in the output: another one than this child's may have been the second.
        draft.put(change(again, output=container.output))


# -- pausing


def pause_requested(draft: Draft, event: PauseRequested) -> Reply:
    """Nothing new begins; what waits in a queue is taken out of it; what workers hold goes on."""
    if not draft.process.status.is_open or draft.process.paused:
        return _conflict(draft, "only a RUNNING one that is not paused can be paused")
    steps, _ = draft.open_steps(MOST_HELD_AT_ONCE)
    draft.put_process(paused=True)
    for step in steps:
        if step.hand_out.ready is not None and step.phase is Phase.WORK:
            hold(draft, step)
    return None


def unpause_requested(draft: Draft, event: UnpauseRequested) -> Reply:
    if not draft.process.status.is_open or not draft.process.paused:
        return _conflict(draft, "only a paused one can go on")
    steps, _ = draft.open_steps(MOST_HELD_AT_ONCE)
    draft.put_process(paused=False)
    for step in steps:
        if step.phase is Phase.HELD and draft.process.status.is_open and draft.step(step.id).status.is_open:
            settle(draft, let_go(draft, draft.step(step.id)))
    return None


# -- repairing


def state_edited(draft: Draft, event: StateEdited) -> Reply:
    if not (draft.process.status.is_open or draft.process.status.is_resumable):
        return _conflict(draft, "its state can only be edited while it may still go on")
    asked = StateChange(decode(event.put), event.remove)
    draft.put_process(state=apply(draft.process.state, asked))
    return None


def step_ordered(draft: Draft, event: StepOrdered) -> Reply:
    """Complete, fail or hurry one open step. A worker that holds it hears at its report that it came too late."""
    step = step_at(draft, event.ref) if draft.process.status.is_open else None
    if step is None or not step.status.is_open:
        return Refusal("CONFLICT", f"there is no open step {event.ref}")
    if draft.plan_of(step).children:
        return Refusal("CONFLICT", f"{event.ref} ends with its children; order one of them")
    if event.sealed is not None:
        draft.put_process(secret_state=apply_sealed(draft.process.secret_state, event.sealed))
    match event.order:
        case StepOrder.COMPLETE:
            settle(draft, close(draft, step, StepStatus.COMPLETED, event.output))
        case StepOrder.FAIL:
            settle(draft, close(draft, step, StepStatus.FAILED, event.output))
        case StepOrder.RETRY_NOW:
            return _retry_now(draft, step)
    return None


def _retry_now(draft: Draft, step: StepContext) -> Reply:
    if step.phase is Phase.HELD:
        return Refusal("CONFLICT", f"{step.ref} is held; clear the mark instead")
    if not step.queue:
        return Refusal("CONFLICT", f"{step.ref} waits for no worker")
    if step.hand_out.ready is None:
        offer(draft, drop_timer(draft, step, DueKind.READY), draft.now)
    return None


def step_at(draft: Draft, ref: str) -> StepContext | None:
    """The step that a ref with all its indexes names, if it has a record."""
    try:
        path = parse_path(ref)
    except ValueError:
        return None
    plan = draft.plan.steps.get(str(path[0]))
    if plan is None or len(plan.loops) != len(path) - 1:
        return None
    for depth, loop in enumerate(plan.loops):
        around = draft.find(draft.id_at((loop, *path[1 : 1 + depth])))
        index = path[1 + depth]
        if around is None or not isinstance(around.children, Children) or not isinstance(index, int):
            return None
        if not 0 <= index < around.children.total:
            return None
    return draft.find(draft.id_at(path))


def _conflict(draft: Draft, message: str) -> Refusal:
    return Refusal("CONFLICT", f"process is {draft.process.status}: {message}")
