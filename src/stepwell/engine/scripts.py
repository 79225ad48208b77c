"""Scripts are work: a control step that needs one is offered to the server's own script runner.

The runner claims it like any worker and reports `{result, logs}`, or FAILED with `{error, logs}`. The report comes back
as any report does, fenced by the same token, and the step's control says what follows (`evaluated`).
"""

from typing import Any

from stepwell.engine.draft import Draft
from stepwell.engine.steps import offer
from stepwell.model.codec import Json, Record, change, decode
from stepwell.model.step import Phase, StepContext


class Evaluated(Record, frozen=True):
    """What a script gave."""

    result: Any
    logs: list[str]


def evaluate(draft: Draft, step: StepContext) -> StepContext:
    """Offer the step's script (its input's `script`) to the runner, now. That hand-out is the run of the step."""
    runs = max(0, step.container_runs - 1)
    if step.hand_out.runs:
        # Asked before in this execution: what that hand-out came to has nothing to do with this one.
        step = change(step, hand_out=change(step.hand_out, deliveries=0))
    return offer(draft, change(step, phase=Phase.EVALUATING, container_runs=runs), draft.now)


def read_answer(output: Json) -> Evaluated:
    """The runner's report, taken apart."""
    given = decode(output)
    fields = given if isinstance(given, dict) else {}
    logs = fields.get("logs")
    return Evaluated(fields.get("result"), logs if isinstance(logs, list) else [])
