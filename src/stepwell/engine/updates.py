"""What an UPDATE_STEP does to another step, of its own process or of another one."""

from enum import StrEnum

from stepwell.engine.draft import Draft
from stepwell.engine.operate import step_at
from stepwell.engine.process import settle
from stepwell.engine.state import BadState, apply, split, stripped
from stepwell.engine.steps import close_unreported
from stepwell.model.codec import Json, Record, change, decode, decode_as, encode
from stepwell.model.definition import StepType
from stepwell.model.step import Phase, StepContext, StepStatus


class UpdateAction(StrEnum):
    COMPLETE = "COMPLETE"
    """It ends COMPLETED with the output given."""
    FAIL = "FAIL"
    """It ends FAILED, without retries."""
    FEED = "FEED"
    """Input from outside: a WAIT for a signal takes it as the signal, a work step has it as its output so far."""


class Update(Record, frozen=True):
    """The body of an UPDATE row."""

    ref: str
    action: UpdateAction
    output: Json


def take_update(draft: Draft, body: Json) -> None:
    """An update from another process. By now the step may have ended: then it is too late, and no error."""
    update(draft, decode_as(body, Update))


def update(draft: Draft, wish: Update) -> str:
    """Carry it out, and whatever follows from it. Answers why not; empty when it was done."""
    step = step_at(draft, wish.ref)
    problem = refusal(draft, wish, step)
    if problem or step is None:
        return problem
    if wish.action is UpdateAction.FAIL:
        settle(draft, close_unreported(draft, step, StepStatus.FAILED, _with_error(stripped(wish.output))))
        return ""
    try:
        output, asked = split(wish.output)
    except BadState as error:
        return str(error)
    if asked is not None:
        draft.put_process(state=apply(draft.process.state, asked))
    if wish.action is UpdateAction.COMPLETE or _waits_for_signal(draft, step):
        settle(draft, close_unreported(draft, step, StepStatus.COMPLETED, output))
    else:
        draft.put(change(step, output=output, updated=draft.now))
    return ""


def refusal(draft: Draft, wish: Update, step: StepContext | None) -> str:
    """Why a step of this process cannot be updated so; empty when it can."""
    if step is None or not step.status.is_open:
        return f"step {wish.ref} {'has not begun' if step is None else f'is {step.shown_status}'}"
    plan = draft.plan_of(step)
    if plan.children or plan.type is StepType.SUB_PROCESS:
        return f"step {wish.ref} ends with what is below it"
    if wish.action is UpdateAction.FEED and not (_waits_for_signal(draft, step) or _works(draft, step)):
        return f"step {wish.ref} waits for no input"
    return ""


def _waits_for_signal(draft: Draft, step: StepContext) -> bool:
    return draft.plan_of(step).type is StepType.WAIT and bool(draft.decoded(step, "input").get("forSignal"))


def _works(draft: Draft, step: StepContext) -> bool:
    """Is it handed out to somebody who reports on it? While its jq program runs, its output is that one's input."""
    plan = draft.plan_of(step)
    return (
        step.phase is not Phase.TRANSFORMING
        and plan.queue is not None
        and draft.controls[plan.type].evaluated is None
    )


def _with_error(output: Json) -> Json:
    given = decode(output)
    return output if given.get("error") is not None else encode({**given, "error": "failed by UPDATE_STEP"})
