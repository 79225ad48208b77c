"""NOOP: does nothing and completes at once; its output is its input.

    {"type": "NOOP", "name": "mark", "ref": "paid", "input": {"order": "{{ input.order }}"}}

A place to shape data or to set state (`__statePut` in its input works like in any output).
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import Control, Draft
from stepwell.engine.state import BadState, apply, split
from stepwell.engine.steps import begin, close, error_output, run_again
from stepwell.model.step import StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    try:
        output, asked = split(step.input)
    except BadState as error:
        return close(draft, step, StepStatus.FAILED, error_output(str(error)))
    if asked is not None:
        draft.put_process(state=apply(draft.process.state, asked))
    return close(draft, step, StepStatus.COMPLETED, output)


NOOP = Control(open=begin_step, resume=run_again)
