"""What operators ask of a process: end it, resume it, repair it. Every answer is a Refusal or None.

All of them are idempotent in effect: asked again, they find the process as they wanted it and refuse with the reason.
Running again from a step is in `rerun`, holding in `pause`.
"""

from stepwell.definition.compile import WORK
from stepwell.engine.draft import Draft
from stepwell.engine.effects import Refusal, Reply, Write
from stepwell.engine.events import (
    CancelRequested,
    ResumeRequested,
    ReviewRequested,
    StateEdited,
    StepOrder,
    StepOrdered,
    StepRemoved,
    TerminateRequested,
)
from stepwell.engine.process import end_early, run_top, settle, start_clock
from stepwell.engine.state import BadState, StateChange, apply, apply_sealed, split
from stepwell.engine.steps import (
    cancel_below,
    close,
    close_unreported,
    end_child,
    is_held,
    offer,
    set_timer,
    skip,
    skip_anew,
)
from stepwell.model.codec import EMPTY, change, decode
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import Children, Phase, StepContext, StepPath, StepStatus, parse_path, render_path

# -- ending


def terminate_requested(draft: Draft, event: TerminateRequested) -> Reply:
    if not draft.process.status.is_open:
        return conflict(draft, "only a RUNNING one can be terminated")
    end_early(draft, ProcessStatus.TERMINATED, EMPTY, event.reason)
    return None


def cancel_requested(draft: Draft, event: CancelRequested) -> Reply:
    if not draft.process.status.is_open:
        return conflict(draft, "only a RUNNING one can be cancelled")
    if draft.process.compensating:
        return conflict(draft, "it is undoing its steps already")
    end_early(draft, ProcessStatus.CANCELLED, EMPTY, event.reason)
    return None


def review_requested(draft: Draft, event: ReviewRequested) -> Reply:
    if not draft.process.status.is_resumable:
        return conflict(draft, "only one that ended badly can be reviewed")
    draft.put_process(status=ProcessStatus.REVIEWED, reason=event.reason)
    return None


# -- going on


def resume_requested(draft: Draft, event: ResumeRequested) -> Reply:
    """Failed, timed-out and cancelled steps run again; what went well stays. The time limit starts anew."""
    if not draft.process.status.is_resumable:
        return conflict(draft, "it cannot be resumed")
    refused = _cannot_follow(draft, event) or reopen_process(draft)
    if refused is not None:
        return refused
    if event.definition_id:
        draft.put_process(definition_id=event.definition_id, version=event.version, numbering=event.numbering)
    run_top(draft, 0)
    return None


def _cannot_follow(draft: Draft, event: ResumeRequested) -> Refusal | None:
    """Why it cannot go on by the plan in the snapshot: what has begun has no place there."""
    obstacles = draft.plan.unless_begun if event.definition_id else ()
    draft.want(draft.process.id + each.number for each in obstacles)
    for each in obstacles:
        step = draft.find(draft.process.id + each.number)
        if step is not None and not (each.counted and step.children is None):
            return Refusal("CONFLICT", f"it cannot follow version {event.version}: {each.message}")
    return None


def reopen_process(draft: Draft) -> Refusal | None:
    """RUNNING again, with a new time limit. Refused while its end still closes steps."""
    if draft.process.compensating:
        return conflict(draft, "its steps have been undone; run it again as a new process")
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


# -- repairing


def state_edited(draft: Draft, event: StateEdited) -> Reply:
    if not (draft.process.status.is_open or draft.process.status.is_resumable):
        return conflict(draft, "its state can only be edited while it may still go on")
    asked = StateChange(decode(event.put), event.remove)
    draft.put_process(state=apply(draft.process.state, asked))
    return None


def step_ordered(draft: Draft, event: StepOrdered) -> Reply:
    """Complete, fail or hurry one open step. A worker that holds it hears at its report that it came too late."""
    step = step_at(draft, event.ref) if draft.process.status.is_open else None
    if step is None or not step.status.is_open:
        return Refusal("CONFLICT", f"there is no open step {event.ref}")
    if draft.process.compensating and draft.plan_of(step).undoes is None:
        return Refusal("CONFLICT", f"{event.ref} is about to be cancelled")
    if draft.plan_of(step).children:
        return Refusal("CONFLICT", f"{event.ref} ends with its children; order one of them")
    if event.order is StepOrder.RETRY_NOW:
        return _retry_now(draft, step)
    try:
        output, asked = split(event.output)
    except BadState as error:
        return Refusal("CONFLICT", str(error))
    if event.order is StepOrder.FAIL:
        end_child(draft, step)
        settle(draft, close_unreported(draft, step, StepStatus.FAILED, output))
        return None
    if asked is not None:
        draft.put_process(state=apply(draft.process.state, asked))
    if event.sealed is not None:
        draft.put_process(secret_state=apply_sealed(draft.process.secret_state, event.sealed))
    end_child(draft, step)
    settle(draft, close_unreported(draft, step, StepStatus.COMPLETED, output))
    return None


def _retry_now(draft: Draft, step: StepContext) -> Reply:
    if is_held(draft, str(step.path[0])) or step.phase is Phase.HELD:
        held = "its process is paused" if draft.process.paused else "clear the mark instead"
        return Refusal("CONFLICT", f"{step.ref} is held; {held}")
    if step.phase in (Phase.GATED, Phase.CROWDED):
        return Refusal("CONFLICT", f"{step.ref} waits for room under a limit")
    if step.phase is Phase.DELAYED:
        set_timer(draft, change(step, schedule=draft.now), DueKind.READY, draft.now)
        return None
    works = draft.plan_of(step).type in WORK or step.phase is not Phase.WORK
    if not step.queue or not works:
        return Refusal("CONFLICT", f"{step.ref} waits for no worker")
    if step.hand_out.ready is None:
        offer(draft, change(step, schedule=draft.now), draft.now)
    else:
        # As a cached row says, perhaps: who writes a step is shown its hand-out as it is now, and decides again.
        draft.put(step, Write.OFFER)
    return None


def step_removed(draft: Draft, event: StepRemoved) -> Reply:
    """SKIPPED in this process: at once when it is open, else when its turn comes."""
    if not draft.process.goes_on:
        return conflict(draft, "only from a RUNNING one can a step be removed")
    path = path_of(draft, event.ref)
    if path is None:
        return Refusal(
            "NOT_FOUND", f"there can be no step {event.ref} now; is there one around it to remove?"
        )
    step = draft.find(draft.id_at(path))
    if step is None or not step.status.is_open:
        return _leave_out(draft, path, step)
    if draft.plan_of(step).children:
        cancel_below(draft, step)
    end_child(draft, step)
    settle(draft, close(draft, draft.step(step.id), StepStatus.SKIPPED, EMPTY))
    return None


def _leave_out(draft: Draft, path: StepPath, before: StepContext | None) -> Reply:
    """It has not begun in this pass: its record comes first, so that its turn finds it SKIPPED."""
    plan, parent = draft.plan.steps[str(path[0])], None
    ref = render_path(path)
    if plan.undoes is not None or plan.removed:
        return Refusal("CONFLICT", f"{ref} is no step that this process comes to by itself")
    if plan.parent is not None:
        around = draft.plan.steps[plan.parent]
        parent = draft.find(draft.id_at((plan.parent, *path[1 : 1 + len(around.loops)])))
        if parent is None or not parent.status.is_open:
            return Refusal("CONFLICT", f"{plan.parent}, which {ref} stands in, is not open: remove that one")
    elif draft.plan.edges:
        return Refusal("CONFLICT", f"{ref} stands in a graph: remove it when it is open, or mark it SKIP")
    if before is not None and before.parent_execution_id == (1 if parent is None else parent.execution):
        return Refusal("CONFLICT", f"step {ref} is {before.status} already")
    if before is None:
        skip(draft, plan, path, parent)
    else:
        skip_anew(draft, before, parent)
    # From now on a step that opens may have a record.
    draft.put_process(resumed=max(draft.process.resumed, 1))
    return None


def step_at(draft: Draft, ref: str) -> StepContext | None:
    """The step that a ref with all its indexes names, if it has a record."""
    path = path_of(draft, ref)
    return None if path is None else draft.find(draft.id_at(path))


def path_of(draft: Draft, ref: str) -> StepPath | None:
    """The path that a ref with all its indexes names, if the FOREACH steps around it have that many items."""
    try:
        path = parse_path(ref)
    except ValueError:
        return None
    plan = draft.plan.steps.get(str(path[0]))
    if plan is None or plan.removed or len(plan.loops) != len(path) - 1:
        return None
    for depth, loop in enumerate(plan.loops):
        around = draft.find(draft.id_at((loop, *path[1 : 1 + depth])))
        index = path[1 + depth]
        if around is None or not isinstance(around.children, Children) or not isinstance(index, int):
            return None
        if not 0 <= index < around.children.total:
            return None
    return path


def conflict(draft: Draft, message: str) -> Refusal:
    """Refused because of the status that the process is in."""
    return Refusal("CONFLICT", f"process is {draft.process.status}: {message}")
