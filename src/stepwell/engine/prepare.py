"""What goes before a step's work and after it, when its configuration says so: script, cache, limits, jq program.

    script → cache → rate limit → concurrency limit → the step begins → jq program → its output

Each stop where a step may wait is a Phase of its own, so an event that wakes it knows where it goes on.
"""

from collections.abc import Callable, Mapping
from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine import limits, reuse
from stepwell.engine.draft import HEAVY, Draft
from stepwell.engine.effects import Write
from stepwell.engine.error_policy import Trouble
from stepwell.engine.inputs import resolve, secret_places
from stepwell.engine.scripts import read_answer
from stepwell.engine.state import BadState, apply, split, stripped
from stepwell.engine.steps import begin, close, error_output, offer, set_timer, trouble
from stepwell.model.codec import Json, Record, change, decode_as, encode, raw
from stepwell.model.due import DueKind
from stepwell.model.step import HandOut, Phase, StepContext, StepStatus


def prepare(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """A step that has just been opened: the first of what goes before its work."""
    preparation = plan.preparation
    assert preparation is not None
    draft.transitions += HEAVY
    if not preparation.script:
        return _look_for_output(draft, plan, step)
    # A script that fails is a failure of this execution, so its policy must be known by now.
    policy = draft.policy_named(plan.policy) if plan.policy else None
    step = change(step, phase=Phase.PREPARING, policy_id=policy.id if policy else 0, lease_ms=0)
    return offer(draft, step, draft.now)


def prepare_again(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """A further execution, or one that was held: its script shall see the input that the definition gives."""
    if plan.preparation is None:
        return begin_work(draft, plan, step)
    if plan.preparation.script and plan.preparation.makes_input:
        text, warning = resolve(draft, plan.input, step.path)
        secrets = secret_places(draft, plan.input, step.path)
        step = draft.replace_input(change(step, input=text, secrets=secrets, warning=warning))
    return prepare(draft, plan, step)


def prepared(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    """Its script has run. What it returned is the input, if the step says so; reserved keys change the state."""
    assert plan.preparation is not None
    result = read_answer(output).result
    is_object = isinstance(result, dict)
    if plan.preparation.makes_input and not is_object:
        said = f"the preExecutionScript must return an object, the input, not {encode(result).decode()}"
        return trouble(draft, step, Trouble.FAILURE, error_output(said))
    try:
        given, asked = split(encode(result)) if is_object else (b"", None)
    except BadState as error:
        return trouble(draft, step, Trouble.FAILURE, error_output(str(error)))
    if asked is not None:
        draft.put_process(state=apply(draft.process.state, asked))
    step = draft.put(change(step, phase=Phase.WORK, hand_out=_nobody_had_it(step.hand_out)), Write.OFFER)
    if plan.preparation.makes_input:
        step = draft.replace_input(change(step, input=given, secrets=b""))
    return _look_for_output(draft, plan, step)


def _nobody_had_it(hand_out: HandOut) -> HandOut:
    """The runner that took the script was no hand-out of the step's own work."""
    return HandOut(token=hand_out.token, first_start=hand_out.first_start)


def _look_for_output(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    assert plan.preparation is not None
    kept = reuse.kept_output(draft, plan, step) if plan.preparation.cache else None
    if kept is not None:
        return close(draft, begin(draft, step), StepStatus.COMPLETED, kept)
    return book(draft, plan, step)


def book(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Take a place under the rate limit, and wait for its window if it is still to come."""
    preparation = plan.preparation
    assert preparation is not None
    start = limits.book(draft, plan, step) if preparation.rate else draft.now
    if start > draft.now:
        step = draft.put(change(step, phase=Phase.GATED, schedule=start), Write.OFFER)
        return set_timer(draft, step, DueKind.READY, start)
    return _come_in(draft, plan, step)


def window_came(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Its window has begun. One that is over (the server was down) is lost, or the next one would get two crowds."""
    assert plan.preparation is not None
    if draft.now >= step.schedule + plan.preparation.window_ms:
        return book(draft, plan, step)
    return _come_in(draft, plan, step)


def _come_in(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    assert plan.preparation is not None
    if plan.preparation.concurrency and not limits.come_in(draft, plan, step):
        # Whoever calls it in writes the READY row; the bit says that there may be one.
        waits = change(step, phase=Phase.CROWDED, timers=step.timers | DueKind.READY, schedule=draft.now)
        return draft.put(waits, Write.OFFER)
    return begin_work(draft, plan, step)


def begin_work(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Nothing is before it any more."""
    return draft.controls[plan.type].open(draft, plan, change(step, phase=Phase.WORK, policy_id=0))


GOES_ON: Mapping[Phase, Callable[[Draft, StepPlan, StepContext], StepContext]] = {
    Phase.DELAYED: prepare_again,
    Phase.GATED: window_came,
    Phase.CROWDED: begin_work,
}
"""What a step does when the moment has come that it waited for in this phase."""


# -- after its work


class Untransformed(Record, frozen=True, kw_only=True):
    """What a step's output holds while its jq program runs."""

    result: Any
    changed_state: bool
    hand_out: HandOut
    """Who did the work: not the runner that took the program."""


def finish(draft: Draft, plan: StepPlan, step: StepContext, output: Json, changed_state: bool) -> StepContext:
    """A step did its work; reserved keys are off the output. It closes, unless a jq program has the last word."""
    if not plan.transforms:
        return complete(draft, plan, step, output, changed_state)
    hand_out = step.hand_out.released()
    held = Untransformed(result=raw(output), changed_state=changed_state, hand_out=hand_out)
    return offer(draft, change(step, phase=Phase.TRANSFORMING, lease_ms=0, output=encode(held)), draft.now)


def transformed(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    result = read_answer(output).result
    if not isinstance(result, dict):
        result = {"result": result}
    held = decode_as(step.output, Untransformed)
    step = _as_worked(draft, step, held)
    return complete(draft, plan, step, stripped(encode(result)), held.changed_state)


def not_transformed(draft: Draft, step: StepContext, output: Json) -> StepContext:
    """The program failed, and with it this execution."""
    step = _as_worked(draft, step, decode_as(step.output, Untransformed))
    return trouble(draft, step, Trouble.FAILURE, stripped(output))


def _as_worked(draft: Draft, step: StepContext, held: Untransformed) -> StepContext:
    hand_out = change(held.hand_out, token=step.hand_out.token)
    return draft.put(change(step, phase=Phase.WORK, hand_out=hand_out), Write.OFFER)


def complete(
    draft: Draft, plan: StepPlan, step: StepContext, output: Json, changed_state: bool
) -> StepContext:
    """COMPLETED, and kept for the next time if the step says so and nothing else came of it."""
    if plan.preparation is not None and plan.preparation.cache and not changed_state:
        reuse.keep(draft, plan, step, output)
    return close(draft, step, StepStatus.COMPLETED, output)
