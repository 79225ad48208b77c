"""Repeat-until: what follows from a try. Nothing is held between tries; the step is simply offered again."""

from collections.abc import Awaitable, Callable
from typing import Any

from stepwell.model.codec import encode
from stepwell.steps.http_.ask import Repeat
from stepwell.steps.step import Again, Completed, Failed, Outcome, StepCall

Evaluate = Callable[[str, StepCall, dict[str, Any]], Awaitable[bool]]
"""Script text, the call, the output of this try (what `steps.__self.output` is to be) → whether the script holds.
Raises ConditionFailed."""


class ConditionFailed(Exception):
    """The script could not be evaluated. The message says why."""


async def after_try(repeat: Repeat, call: StepCall, output: dict[str, Any], evaluate: Evaluate) -> Outcome:
    """Every answer is judged by the condition alone, whatever its status code."""
    try:
        holds = await evaluate(repeat.condition, call, output)
    except ConditionFailed as error:
        return Failed(encode(output | {"error": f"repeatUntilCondition: {error}"}))
    if holds:
        return Completed(encode(output))
    # A hand-out after a crash counts as well: the try it repeats may have reached the other side.
    tries = call.request.run_count
    if tries >= repeat.max_count:
        return Failed(encode(output | {"error": f"the condition did not hold after {tries} tries"}))
    return Again(encode(output), repeat.interval_ms)
