"""FAIL: fails on purpose.

    {"type": "FAIL", "name": "reject", "ref": "reject", "input": {"message": "order {{ input.id }} is empty"}}

Input: `message` (text), `output` (object, optional). Output: `output`'s fields and `error`, the message.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import Control, Draft
from stepwell.engine.steps import begin, close, run_again
from stepwell.model.codec import encode
from stepwell.model.step import StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    message = given.get("message")
    extra = given.get("output")
    output = {**(extra if isinstance(extra, dict) else {}), "error": _text(message)}
    return close(draft, step, StepStatus.FAILED, encode(output))


def _text(message: object) -> str:
    if message is None:
        return "failed on purpose"
    return message if isinstance(message, str) else encode(message).decode()


FAIL = Control(open=begin_step, resume=run_again)
