"""One small function for each event: what follows from it."""

from stepwell.engine.compensate import UNDO
from stepwell.engine.draft import Draft
from stepwell.engine.effects import Refusal, Reply, Write
from stepwell.engine.error_policy import Trouble
from stepwell.engine.events import (
    DeliveryExpired,
    ProcessStarted,
    ResumeRequested,
    SignalReceived,
    StepReported,
    TimerFired,
)
from stepwell.engine.hooks import tell_parent
from stepwell.engine.operate import resume_requested
from stepwell.engine.pause import pause_steps
from stepwell.engine.prepare import GOES_ON, finish, not_transformed, prepared, transformed
from stepwell.engine.process import (
    cancel_open_steps,
    closed_up_to,
    end_early,
    is_closing,
    run_top,
    settle,
    start_clock,
    undo,
)
from stepwell.engine.signals import keep
from stepwell.engine.state import BadState, StateChange, apply, apply_sealed, split, stripped
from stepwell.engine.steps import (
    close,
    close_unreported,
    error_output,
    forget_timer,
    hold,
    is_held,
    let_go,
    offer,
    pass_of,
    trouble,
)
from stepwell.engine.updates import take_update
from stepwell.model.codec import EMPTY, Json, change, decode, encode
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.secret import SealedChange
from stepwell.model.step import Phase, StepContext, StepStatus
from stepwell.model.work import Acceptance, WorkStatus

ORDER_AGAIN_MS = 500
"""When an order that could not be carried out yet is looked at again."""


def process_started(draft: Draft, event: ProcessStarted) -> Reply:
    timeout = draft.plan.definition.configuration.completion_timeout
    draft.process = ProcessContext(
        id=event.process_id,
        namespace=event.namespace,
        name=event.name,
        version=event.version,
        definition_id=event.definition_id,
        type=event.type,
        trigger=event.trigger,
        status=ProcessStatus.RUNNING,
        priority=event.priority,
        input=event.input,
        request_id=event.request_id,
        correlation_id=event.correlation_id,
        created=draft.now,
        created_by=event.created_by,
        tags=event.tags,
        rerun_of=event.rerun_of,
        parent_id=event.parent_id,
        parent_step_id=event.parent_step_id,
        depth=event.depth,
        deadline=draft.now + timeout if timeout else 0,
    )
    draft.process_changed = True
    start_clock(draft)
    run_top(draft, 0)
    return None


# -- what workers say


def step_reported(draft: Draft, event: StepReported) -> Reply:
    step = draft.find(event.step_id)
    refused = _refuse(draft, step, event.token)
    if refused is not None:
        return refused
    assert step is not None
    step = change(step, hand_out=change(step.hand_out, deliveries=0))
    match event.status:
        case WorkStatus.COMPLETED:
            settle(draft, _completed(draft, step, event.output, event.sealed))
        case WorkStatus.FAILED:
            settle(draft, _failed(draft, step, event.output, event.sealed))
        case WorkStatus.RUNNING:
            settle(draft, _progressed(draft, step, event))
    return Acceptance.ACCEPTED


def _refuse(draft: Draft, step: StepContext | None, token: int) -> Acceptance | None:
    """Why a report counts for nothing, or None when it counts. Only the last token is good, and only once."""
    if step is None:
        return Acceptance.UNKNOWN
    if step.hand_out.token != token:
        return Acceptance.STALE
    if step.status in (StepStatus.CANCELLED, StepStatus.TIMED_OUT, StepStatus.SKIPPED):
        return Acceptance.STALE
    if not step.status.is_open or not step.hand_out.deliveries:
        return Acceptance.DUPLICATE
    if not step.hand_out.runs:
        # Of an earlier execution, which was given up without it.
        return Acceptance.STALE
    if not _may_act(draft, step):
        # It is about to be CANCELLED.
        return Acceptance.STALE
    return None


def _may_act(draft: Draft, step: StepContext) -> bool:
    """While a process undoes its steps, only those that do so count."""
    process = draft.process
    return process.goes_on or (process.status.is_open and draft.plan_of(step).undoes is not None)


def _completed(
    draft: Draft, step: StepContext, output: Json, sealed: SealedChange | None = None
) -> StepContext:
    plan = draft.plan_of(step)
    if step.phase is Phase.EVALUATING:
        evaluated = draft.controls[plan.type].evaluated
        assert evaluated is not None, f"{plan.type} {step.ref} asked for no script"
        # The step may stay open: this hand-out is over, and its token has had its answer.
        free = draft.put(change(step, hand_out=step.hand_out.released()), Write.OFFER)
        return evaluated(draft, plan, free, output)
    if step.phase is Phase.PREPARING:
        return prepared(draft, plan, step, output)
    if step.phase is Phase.TRANSFORMING:
        return transformed(draft, plan, step, output)
    try:
        output, asked = split(output)
    except BadState as error:
        return trouble(draft, step, Trouble.FAILURE, error_output(str(error)))
    _apply(draft, asked, sealed)
    return finish(draft, plan, step, output, changed_state=asked is not None or sealed is not None)


def _failed(draft: Draft, step: StepContext, output: Json, sealed: SealedChange | None = None) -> StepContext:
    """State keys of a failed attempt apply only if it is the last and the step is optional."""
    if step.phase is Phase.TRANSFORMING:
        return not_transformed(draft, step, output)
    ended = trouble(draft, step, Trouble.FAILURE, stripped(output))
    if not ended.status.is_open and draft.plan_of(step).optional:
        try:
            _apply(draft, split(output)[1], sealed)
        except BadState as error:
            ended = draft.put(change(ended, warning=str(error)))
    return ended


def _progressed(draft: Draft, step: StepContext, event: StepReported) -> StepContext:
    try:
        output, asked = split(event.output)
    except BadState as error:
        return trouble(draft, step, Trouble.FAILURE, error_output(str(error)))
    _apply(draft, asked, event.sealed)
    step = change(step, output=output, updated=draft.now)
    return offer(draft, step, draft.now + event.reschedule_ms)


def _apply(draft: Draft, asked: StateChange | None, sealed: SealedChange | None) -> None:
    if asked is not None:
        draft.put_process(state=apply(draft.process.state, asked))
    if sealed is not None:
        draft.put_process(secret_state=apply_sealed(draft.process.secret_state, sealed))


def delivery_expired(draft: Draft, event: DeliveryExpired) -> Reply:
    """The lease ended. Acts only if that hand-out is still the last one and nothing was reported for it."""
    step = draft.find(event.step_id)
    if step is None or not step.status.is_open or not _may_act(draft, step):
        return None
    hand_out = step.hand_out
    if hand_out.token != event.token or hand_out.claim is None:
        return None
    in_a_row = min(hand_out.deliveries, hand_out.runs)
    if in_a_row >= event.max_deliveries:
        # Whatever its policy says: a step that nobody ever reports on must not go round for ever.
        message = f"handed out {in_a_row} times in a row without any report"
        settle(draft, close_unreported(draft, step, StepStatus.FAILED, error_output(message)))
    elif step.lease_ms and not event.lost:
        message = f"no report within {step.lease_ms} ms of the hand-out to {hand_out.executor or 'a worker'}"
        settle(draft, trouble(draft, step, Trouble.RESPONSE_TIMEOUT, error_output(message)))
    else:
        offer(draft, change(step, updated=draft.now), draft.now)
    return None


# -- timers


def timer_fired(draft: Draft, event: TimerFired) -> Reply:
    if not draft.process.status.is_open:
        if event.kind is DueKind.GO_ON and is_closing(event.body):
            cancel_open_steps(draft, closed_up_to(event.body))
        elif event.kind is DueKind.ORDER:
            _obey(draft, event)
        return None
    if event.kind is DueKind.PROCESS_TIMEOUT:
        _process_timeout(draft)
    elif event.kind is DueKind.ORDER:
        _obey(draft, event)
    elif event.kind is DueKind.PAUSE:
        pause_steps(draft, decode(event.body))
    elif event.kind is DueKind.UPDATE:
        take_update(draft, event.body)
    elif event.kind is DueKind.NEWS:
        _told(draft, event)
    elif event.kind is DueKind.GO_ON:
        _go_on(draft, event)
    else:
        _step_timer(draft, event)
    return None


def _obey(draft: Draft, event: TimerFired) -> None:
    """What another process of the family orders. It may not fit any more: then it is too late, and no error."""
    match decode(event.body):
        case "TERMINATE" if draft.process.status.is_open:
            end_early(draft, ProcessStatus.TERMINATED, EMPTY, "the process that started it ended")
        case "RESUME" if draft.process.status.is_resumable and not draft.process.compensating:
            if resume_requested(draft, ResumeRequested()) is not None:
                # Its open steps are still being closed. Whoever ordered this waits for its end.
                draft.set_due(DueKind.ORDER, draft.now + ORDER_AGAIN_MS, body=event.body)
        case "RESUME" | "TELL" if not draft.process.status.is_open:
            tell_parent(draft)


def _told(draft: Draft, event: TimerFired) -> None:
    step = draft.find(event.step_id)
    if step is None or not step.status.is_open or not _may_act(draft, step):
        return
    plan = draft.plan_of(step)
    told = draft.controls[plan.type].told
    assert told is not None, f"{plan.type} {step.ref} waits for nobody's news"
    settle(draft, told(draft, plan, step, event.body))


def signal_received(draft: Draft, event: SignalReceived) -> Reply:
    """The oldest open step that waits for it takes it; else it is kept until one does."""
    if not draft.process.goes_on:
        return Refusal("CONFLICT", f"process is {draft.process.status}, it takes no signals")
    step = draft.waiting_for(event.name, event.correlation)
    if step is not None:
        settle(draft, close(draft, step, StepStatus.COMPLETED, event.payload))
    elif not keep(draft, event.name, event.correlation, event.payload):
        return Refusal("CONFLICT", "the process keeps too many signals that nobody waits for")
    return None


def _process_timeout(draft: Draft) -> None:
    if draft.now < draft.process.deadline or draft.process.compensating:
        return
    message = f"not done within {draft.plan.definition.configuration.completion_timeout} ms"
    end_early(draft, ProcessStatus.TIMED_OUT, encode({"error": message}))


def _go_on(draft: Draft, event: TimerFired) -> None:
    if draft.process.compensating:
        if event.body == UNDO:
            undo(draft)
        return
    if is_closing(event.body):
        # It was resumed after its last open step was closed, before this row was taken.
        return
    if not event.step_id:
        run_top(draft, decode(event.body))
        return
    step = draft.find(event.step_id)
    if step is None or not step.status.is_open:
        return
    plan = draft.plan_of(step)
    go_on = draft.controls[plan.type].go_on
    assert go_on is not None, f"{plan.type} {step.ref} asked to go on"
    settle(draft, go_on(draft, plan, step, event.body))


def _step_timer(draft: Draft, event: TimerFired) -> None:
    """The condition is looked at again: a timer acts only if what it waited for has not happened."""
    step = draft.find(event.step_id)
    if (
        step is None
        or not step.status.is_open
        or not _may_act(draft, step)
        or not _still_waits(draft, step, event)
    ):
        return
    step = forget_timer(draft, step, event.kind)
    if event.kind is DueKind.READY:
        _ready(draft, step)
    elif event.kind is DueKind.WAKE:
        plan = draft.plan_of(step)
        woken = draft.controls[plan.type].woken
        assert woken is not None, f"{plan.type} {step.ref} waits for no moment"
        settle(draft, woken(draft, plan, step))
    elif event.kind is DueKind.START_TIMEOUT and not step.hand_out.runs:
        settle(draft, trouble(draft, step, Trouble.START_TIMEOUT, error_output("no worker took it in time")))
    elif event.kind is DueKind.COMPLETION_TIMEOUT:
        settle(draft, trouble(draft, step, Trouble.COMPLETION_TIMEOUT, error_output("not completed in time")))


def _ready(draft: Draft, step: StepContext) -> None:
    """Its delay is over: it is offered, or held, or let go because nobody holds it any more."""
    if is_held(draft, str(step.path[0])):
        hold(draft, step)
    elif step.phase is Phase.HELD:
        settle(draft, let_go(draft, step))
    elif step.phase in GOES_ON:
        settle(draft, GOES_ON[step.phase](draft, draft.plan_of(step), step))
    else:
        offer(draft, step, draft.now)


def _still_waits(draft: Draft, step: StepContext, event: TimerFired) -> bool:
    """Is this row the one that the step waits for? What was decided earlier in the same turn may have dropped it, or
    put a later one in its place."""
    if not step.timers & event.kind:
        return False
    if event.kind is DueKind.READY:
        return step.schedule <= draft.now
    if event.kind is DueKind.COMPLETION_TIMEOUT:
        # A step that no worker polls drops its clock when it closes, and a loop keeps it over all passes.
        return event.body in (b"", pass_of(step))
    if event.kind is DueKind.START_TIMEOUT:
        policy = draft.policy_by_id(step.policy_id)
        allowed = policy.start_timeout.duration if policy and policy.start_timeout else 0
        return step.schedule + allowed <= draft.now
    return True
