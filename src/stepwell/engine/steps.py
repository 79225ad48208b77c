"""One step: opened, offered, retried, closed. What every type has in common."""

from stepwell.definition.compile import WORK
from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import HEAVY, Draft
from stepwell.engine.effects import Mark, Write
from stepwell.engine.error_policy import LONGEST_DELAY_MS, Trouble, judge
from stepwell.engine.hooks import run_request
from stepwell.engine.inputs import lacking_secret, resolve, secret_places
from stepwell.engine.limits import leave, look_ahead
from stepwell.model.codec import EMPTY, Json, change, encode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.error_policy import ErrorPolicy, StepErrorAction
from stepwell.model.step import (
    NOT_HANDED_OUT,
    UNREPORTED,
    Children,
    HandOut,
    Phase,
    StepContext,
    StepExecution,
    StepPath,
    StepStatus,
)

PRIORITY_WEIGHT_MS = 60_000
HIGHEST_PRIORITY = 1_000


def rank(available_at: int, priority: int) -> int:
    """Lower goes first. A minute of waiting outweighs one priority: order and a bound on starvation in one number."""
    bounded = max(-HIGHEST_PRIORITY, min(HIGHEST_PRIORITY, priority))
    return available_at - PRIORITY_WEIGHT_MS * bounded


def create(draft: Draft, plan: StepPlan, path: StepPath, parent: StepContext | None) -> StepContext:
    """The step context at a path that has none yet, with its input as templates give it now."""
    text, warning = resolve(draft, plan.input, path)
    draft.transitions += 1
    priority = plan.definition.configuration.priority
    step = StepContext(
        id=draft.id_at(path),
        process_id=draft.process.id,
        path=path,
        status=StepStatus.SCHEDULED,
        parent_id=None if parent is None else parent.id,
        parent_execution_id=1 if parent is None else parent.execution,
        priority=draft.process.priority if priority is None else priority,
        schedule=draft.now,
        updated=draft.now,
        scheduled=draft.now,
        input=text,
        secrets=secret_places(draft, plan.input, path),
        warning=warning,
    )
    return draft.put(step, Write.NEW)


def next_execution(draft: Draft, step: StepContext, due: int) -> StepContext:
    """A further execution: the finished one keeps its output, the context's own becomes empty until the next answer."""
    draft.transitions += 1
    hand_out = step.hand_out
    draft.keep_execution(
        StepExecution(
            process_id=step.process_id,
            step_id=step.id,
            id=step.execution,
            scheduled=step.scheduled,
            polled=hand_out.polled,
            start=hand_out.start,
            updated=step.updated,
            executor=hand_out.executor,
            runs=hand_out.runs + step.container_runs,
            output=step.output,
        )
    )
    ended = step.status in (StepStatus.COMPLETED, StepStatus.FAILED)
    given_up = hand_out.deliveries == UNREPORTED or (hand_out.deliveries > 0 and not ended)
    # The token stays until the next claim: whoever still reports under it must hear that this comes too late.
    fresh = HandOut(token=hand_out.token, deliveries=int(given_up), first_start=hand_out.first_start)
    return draft.put(
        change(
            step,
            execution=step.execution + 1,
            scheduled=draft.now,
            schedule=due,
            updated=draft.now,
            output=EMPTY,
            children=_places(draft, step),
            phase=Phase.WORK,
            container_runs=0,
            hand_out=fresh,
        ),
        Write.OFFER,
    )


def begin_anew(draft: Draft, plan: StepPlan, before: StepContext, parent: StepContext | None) -> StepContext:
    """A further execution of a step that has a record from an earlier pass, its input made as templates give it now."""
    text, warning = resolve(draft, plan.input, before.path)
    step = change(
        next_execution(draft, before, draft.now),
        status=StepStatus.SCHEDULED,
        parent_execution_id=1 if parent is None else parent.execution,
        retries=0,
        input=text,
        secrets=secret_places(draft, plan.input, before.path),
        warning=warning,
    )
    return draft.replace_input(step)


def _places(draft: Draft, before: StepContext) -> Children | None:
    """The iterations of a further execution of a FOREACH take the places of the earlier ones."""
    if before.children is None or draft.plan_of(before).type is not StepType.FOREACH:
        return None
    return Children(base=before.children.base, room=before.children.room)


def renew_input(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Its input as the version gives it that its process follows now."""
    text, warning = resolve(draft, plan.input, step.path)
    secrets = secret_places(draft, plan.input, step.path)
    return draft.replace_input(change(step, input=text, secrets=secrets, warning=warning))


def begin(draft: Draft, step: StepContext) -> StepContext:
    """A step that no worker polls starts the moment it is scheduled."""
    first = step.hand_out.first_start or draft.now
    hand_out = change(step.hand_out, start=draft.now, polled=draft.now, first_start=first)
    step = draft.put(
        change(step, status=StepStatus.RUNNING, container_runs=step.container_runs + 1, hand_out=hand_out),
        Write.OFFER,
    )
    return _under_policy(draft, step) if draft.plan_of(step).policy else step


def _under_policy(draft: Draft, step: StepContext) -> StepContext:
    """What a policy says to a step that begins at once: its failure and the time it may take in all."""
    policy = draft.policy_named(draft.plan_of(step).policy or "")
    step = draft.put(change(step, policy_id=policy.id if policy else 0))
    if policy is None or policy.completion_timeout is None or step.timers & DueKind.COMPLETION_TIMEOUT:
        return step
    return set_timer(draft, step, DueKind.COMPLETION_TIMEOUT, draft.now + policy.completion_timeout.duration)


def run_again(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Resume a leaf: a new execution, its retries counted from 0."""
    again = change(next_execution(draft, step, draft.now), status=StepStatus.SCHEDULED, retries=0)
    if is_held(draft, plan.ref):
        return hold(draft, again)
    if plan.preparation is not None:
        return begin_later(draft, again, draft.now)
    return draft.controls[plan.type].open(draft, plan, again)


def reopen(draft: Draft, step: StepContext, children: Children | None) -> StepContext:
    """Resume a container on the path: the same execution runs once more, what went well stays, retries count from 0."""
    draft.transitions += HEAVY
    return draft.put(
        change(
            step,
            status=StepStatus.RUNNING,
            phase=Phase.WORK if step.phase is Phase.HELD else step.phase,
            retries=0,
            container_runs=step.container_runs + 1,
            output=_kept(draft, step),
            updated=draft.now,
            children=children,
        )
    )


def _kept(draft: Draft, step: StepContext) -> Json:
    keeps = draft.controls[draft.plan_of(step).type].keeps
    if not keeps:
        return EMPTY
    output = draft.decoded(step, "output")
    return encode({key: output[key] for key in keeps if key in output})


# -- steps that workers poll


def schedule(draft: Draft, plan: StepPlan, step: StepContext, delay_ms: int = 0) -> StepContext:
    """Offer a new execution to the workers of its queue, now or after a delay, with the clocks its policy sets."""
    lacking = lacking_secret(draft, step) if step.secrets else None
    if lacking is not None:
        return close(draft, step, StepStatus.FAILED, error_output(f"there is no secret {lacking!r}"))
    policy = draft.policy_named(plan.policy) if plan.policy else None
    due = draft.now + delay_ms
    step = change(
        step,
        status=StepStatus.SCHEDULED,
        schedule=due,
        policy_id=policy.id if policy else 0,
        lease_ms=policy.response_timeout.duration if policy and policy.response_timeout else 0,
    )
    if policy is not None:
        step = _start_clocks(draft, step, policy, due)
    return offer(draft, step, due)


def _start_clocks(draft: Draft, step: StepContext, policy: ErrorPolicy, due: int) -> StepContext:
    if policy.start_timeout is not None:
        step = set_timer(draft, step, DueKind.START_TIMEOUT, due + policy.start_timeout.duration)
    if policy.completion_timeout is not None and not (
        step.retries or step.timers & DueKind.COMPLETION_TIMEOUT
    ):
        # One clock for all executions of this pass: neither a retry nor a hold must set it back.
        at = due + policy.completion_timeout.duration
        step = set_timer(draft, step, DueKind.COMPLETION_TIMEOUT, at, pass_of(step))
    return step


def pass_of(step: StepContext) -> Json:
    """What tells the passes of a step apart: the execution with which this one began."""
    return encode(step.execution - step.retries)


def offer(draft: Draft, step: StepContext, due: int) -> StepContext:
    """Ready for its queue at `due`: at once, or by a due row (a delayed step stands in `due`, not in the queue)."""
    if step.phase is Phase.HELD:
        step = change(step, status=StepStatus.SCHEDULED, phase=Phase.WORK)
    if due > draft.now:
        step = set_timer(draft, change(step, schedule=due), DueKind.READY, due)
        return draft.put(change(step, hand_out=step.hand_out.released()), Write.OFFER)
    step = drop_timer(draft, step, DueKind.READY)
    if step.phase is Phase.WORK and is_held(draft, str(step.path[0])):
        return hold(draft, step)
    ready = rank(due, step.priority)
    return draft.put(
        change(step, hand_out=change(step.hand_out, ready=ready, claim=None, deadline=0)), Write.OFFER
    )


def trouble(
    draft: Draft,
    step: StepContext,
    kind: Trouble,
    output: Json,
    failed: StepStatus = StepStatus.FAILED,
) -> StepContext:
    """One of the four error events: what the policy of this execution says happens. Answers the step afterwards.

    `failed` is its status when a FAILURE is not tried again."""
    policy = draft.policy_by_id(step.policy_id)
    verdict = judge(policy, kind, step.retries, step.id)
    if verdict.reaction is not None and verdict.reaction.run_request is not None:
        run_request(draft, step, verdict.reaction.run_request, kind.value, output)
    if verdict.action is StepErrorAction.RETRY:
        return retry(draft, change(step, output=output, updated=draft.now), verdict.delay_ms)
    if verdict.action is StepErrorAction.NONE and kind is not Trouble.FAILURE:
        return leave_alone(draft, step, kind)
    if kind is Trouble.FAILURE:
        return close(draft, step, failed, output)
    if draft.plan_of(step).children:
        cancel_below(draft, step)
    end_child(draft, step)
    return close(draft, draft.step(step.id), StepStatus.TIMED_OUT, output)


def retry(draft: Draft, step: StepContext, delay_ms: int) -> StepContext:
    step = drop_timer(draft, step, DueKind.READY)
    step = drop_timer(draft, step, DueKind.START_TIMEOUT)
    # A WHILE whose script failed stays before the pass that it asked for.
    stays = step.children if step.phase is Phase.EVALUATING else None
    step = next_execution(draft, step, draft.now + delay_ms)
    step = change(step, retries=step.retries + 1, children=stays or step.children)
    plan, delay_ms = draft.plan_of(step), min(delay_ms, LONGEST_DELAY_MS)
    if plan.preparation is not None or plan.type not in WORK:
        return begin_later(draft, step, draft.now + delay_ms)
    return schedule(draft, plan, step, delay_ms)


def begin_later(draft: Draft, step: StepContext, at: int) -> StepContext:
    """It begins at its time, in a decision of its own, and everything that goes before its work with it."""
    later = change(step, status=StepStatus.SCHEDULED, phase=Phase.DELAYED, schedule=at)
    later = draft.put(change(later, hand_out=later.hand_out.released()), Write.OFFER)
    return set_timer(draft, later, DueKind.READY, at)


def leave_alone(draft: Draft, step: StepContext, kind: Trouble) -> StepContext:
    """NONE: the event passes. A hand-out whose lease ended is offered again, or nobody would ever end the step."""
    if kind is Trouble.RESPONSE_TIMEOUT:
        return offer(draft, step, draft.now)
    return step


# -- held by an operator


HOLD_LOOK_MS = 15_000
"""How often a held step looks whether it is still held."""


def is_held(draft: Draft, ref: str) -> bool:
    return draft.process.paused or draft.snapshot.marks.get(ref) is Mark.HOLD


def hold(draft: Draft, step: StepContext) -> StepContext:
    """PAUSED, in no queue, until the mark is gone or the process goes on. Its start timeout does not run meanwhile."""
    step = drop_timer(draft, step, DueKind.START_TIMEOUT)
    held = change(step, status=StepStatus.PAUSED, phase=Phase.HELD, hand_out=step.hand_out.released())
    held = draft.put(held, Write.OFFER)
    if draft.snapshot.marks.get(str(step.path[0])) is Mark.HOLD:
        # Nobody tells it when the mark goes. A process that goes on tells its steps.
        return set_timer(draft, held, DueKind.READY, draft.now + HOLD_LOOK_MS)
    return drop_timer(draft, held, DueKind.READY)


def let_go(draft: Draft, step: StepContext) -> StepContext:
    """It begins, or goes back to its queue; or it is skipped, when that is what the operator wants by now."""
    plan = draft.plan_of(step)
    step = drop_timer(draft, step, DueKind.READY)
    free = draft.put(change(step, status=StepStatus.SCHEDULED, phase=Phase.WORK))
    if draft.snapshot.marks.get(plan.ref) is Mark.SKIP:
        return close(draft, free, StepStatus.SKIPPED, EMPTY)
    if free.hand_out.runs:
        return offer(draft, free, draft.now)
    if plan.preparation is not None:
        return begin_later(draft, free, draft.now)
    return draft.controls[plan.type].open(draft, plan, free)


# -- the end of a step


def close(draft: Draft, step: StepContext, status: StepStatus, output: Json) -> StepContext:
    """The context's outcome. Its timers go with it; nobody may hold it any more."""
    draft.transitions += 1
    preparation = (plan := draft.plan_of(step)).preparation
    if preparation is not None and preparation.concurrency:
        leave(draft, plan, step)
    if step.timers:
        for kind in DueKind:
            if step.timers & kind:
                draft.drop_due(kind, step.id)
    return draft.put(
        change(
            step, status=status, output=output, updated=draft.now, timers=0, hand_out=step.hand_out.released()
        ),
        Write.WITHDRAW,
    )


def close_unreported(draft: Draft, step: StepContext, status: StepStatus, output: Json) -> StepContext:
    """An outcome that somebody else decided while a worker may hold it: what that one still says comes too late, also
    when the step runs again."""
    if step.queue and step.hand_out.deliveries:
        step = change(step, hand_out=change(step.hand_out, deliveries=UNREPORTED))
        draft.put(step, Write.OFFER)
    return close(draft, step, status, output)


def cancel(draft: Draft, step: StepContext) -> StepContext:
    """It ends because something around it ended. A process that it waits for is told to end too."""
    end_child(draft, step)
    # While its jq program runs, the output is a note of the engine's own.
    output = EMPTY if step.phase is Phase.TRANSFORMING else step.output
    return close(draft, step, StepStatus.CANCELLED, output)


def end_child(draft: Draft, step: StepContext) -> None:
    """The process that a SUB_PROCESS step waits for is told to end: nobody waits for it any more."""
    if step.children is not None and draft.plan_of(step).type is StepType.SUB_PROCESS:
        draft.set_due(DueKind.ORDER, draft.now, process_id=step.children.base, body=b'"TERMINATE"')


MOST_CANCELLED = 10_000


def cancel_below(draft: Draft, container: StepContext) -> None:
    """Cancel every open step inside a container; the container itself stays."""
    steps, _ = draft.open_steps(MOST_CANCELLED)
    below = [step for step in steps if _is_below(draft, step, container)]
    look_ahead(draft, below)
    for step in below:
        cancel(draft, step)


def _is_below(draft: Draft, step: StepContext, container: StepContext) -> bool:
    indices = container.path[1:]
    parent = draft.plan_of(step).parent
    while parent is not None:
        if parent == container.path[0]:
            return step.path[1 : 1 + len(indices)] == indices
        parent = draft.plan.steps[parent].parent
    return False


def skip(draft: Draft, plan: StepPlan, path: StepPath, parent: StepContext | None) -> StepContext:
    """A step that will not run gets its record all the same, without input."""
    draft.transitions += 1
    step = StepContext(
        id=draft.id_at(path),
        process_id=draft.process.id,
        path=path,
        status=StepStatus.SKIPPED,
        parent_id=None if parent is None else parent.id,
        parent_execution_id=1 if parent is None else parent.execution,
        schedule=draft.now,
        scheduled=draft.now,
        updated=draft.now,
        hand_out=NOT_HANDED_OUT,
    )
    return draft.put(step, Write.NEW)


def skip_anew(draft: Draft, before: StepContext, parent: StepContext | None) -> StepContext:
    """A step that has run in an earlier pass and will not run in this one: a further execution, SKIPPED."""
    step = change(
        next_execution(draft, before, draft.now),
        status=StepStatus.SKIPPED,
        parent_execution_id=1 if parent is None else parent.execution,
    )
    return draft.put(step, Write.WITHDRAW)


def error_output(message: str) -> Json:
    return encode({"error": message})


def explanation(draft: Draft, step: StepContext) -> dict[str, object]:
    """Why a step failed: its own words and the leaf that is the cause. A container's output names that leaf already;
    what a worker writes under the same keys means nothing here."""
    said = draft.decoded(step, "output") if draft.plan_of(step).children else {}
    ref, id = said.get("failedStepRef", step.ref), said.get("failedStepId", step.id)
    return {"error": error_text(step, draft), "failedStepRef": ref, "failedStepId": id}


def error_text(step: StepContext, draft: Draft) -> str:
    """What a failed step says of itself; workers write it under `error` or `lastError`."""
    output = draft.decoded(step, "output")
    if isinstance(output, dict):
        for key in ("error", "lastError"):
            if output.get(key) is not None:
                text = output[key]
                return text if isinstance(text, str) else encode(text).decode()
    return f"step {step.ref} ended {step.status}"


# -- timers of a step


def set_timer(draft: Draft, step: StepContext, kind: DueKind, at: int, body: Json = b"") -> StepContext:
    draft.set_due(kind, at, step_id=step.id, body=body)
    return draft.put(change(step, timers=step.timers | kind))


def drop_timer(draft: Draft, step: StepContext, kind: DueKind) -> StepContext:
    if not step.timers & kind:
        return step
    draft.drop_due(kind, step.id)
    return forget_timer(draft, step, kind)


def forget_timer(draft: Draft, step: StepContext, kind: DueKind) -> StepContext:
    """The row is gone already (it fired)."""
    return draft.put(change(step, timers=step.timers & ~kind))


def fails_parent(plan: StepPlan, step: StepContext) -> bool:
    """Did it end in a way that stops what comes after it? An optional step never does."""
    return step.status.is_failed and not (plan.optional and step.status is not StepStatus.CANCELLED)
