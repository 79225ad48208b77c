"""WAIT: until a moment, for a while, or for a signal.

    {"type": "WAIT", "name": "cool_down", "ref": "cool_down", "input": {"durationMs": 60000}}

Input, one of: `script` (returns `{waitUntil: <epoch ms>}`), `durationMs`, `until` (an ISO date and time, with
`timeZone` when it names none), or `forSignal` (with `correlation`, `timeoutMs`, `onTimeout` FAIL or CONTINUE): outside
input, such as a person's answer. A moment in the past completes at once. Output: `{result: {waitUntil}, logs}`, or the
signal's payload.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import Control, Draft
from stepwell.engine.scripts import evaluate, read_answer
from stepwell.engine.signals import take_early
from stepwell.engine.steps import begin, close, error_output, run_again, set_timer
from stepwell.model.codec import Json, change, encode
from stepwell.model.due import DueKind
from stepwell.model.step import Phase, StepContext, StepStatus

LONGEST_MS = 100 * 366 * 86_400_000


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    if given.get("forSignal"):
        return _for_signal(draft, step, given)
    if given.get("durationMs") is not None:
        return _for_duration(draft, step, given["durationMs"])
    if given.get("until") is not None:
        return _until(draft, step, given["until"], given.get("timeZone"))
    return evaluate(draft, step)


def _for_signal(draft: Draft, step: StepContext, given: dict[str, Any]) -> StepContext:
    early = take_early(draft, str(given["forSignal"]), given.get("correlation"))
    if early is not None:
        return close(draft, step, StepStatus.COMPLETED, early)
    timeout = given.get("timeoutMs")
    if timeout is None:
        return step
    if type(timeout) is not int or not 0 < timeout <= LONGEST_MS:
        return _refuse(
            draft, step, f"timeoutMs must be a number of milliseconds, not {encode(timeout).decode()}"
        )
    return set_timer(draft, step, DueKind.WAKE, draft.now + timeout)


def _for_duration(draft: Draft, step: StepContext, duration: Any) -> StepContext:
    if type(duration) is not int or not 0 <= duration <= LONGEST_MS:
        return _refuse(
            draft, step, f"durationMs must be a number of milliseconds, not {encode(duration).decode()}"
        )
    return _sleep(draft, step, draft.now + duration, [])


def _until(draft: Draft, step: StepContext, until: Any, zone: Any) -> StepContext:
    try:
        moment = datetime.fromisoformat(str(until))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(str(zone or "UTC")))
        at = int(moment.timestamp() * 1000)
    except (ValueError, OverflowError, KeyError, OSError) as error:
        return _refuse(draft, step, f"until is no moment in time: {error}")
    return _sleep(draft, step, at, [])


def evaluated(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    answer = read_answer(output)
    until = answer.result.get("waitUntil") if isinstance(answer.result, dict) else None
    if isinstance(until, float) and until.is_integer():
        until = int(until)
    if type(until) is not int:
        return _refuse(
            draft,
            step,
            f"the script must return {{waitUntil: <epoch ms>}}, not {encode(answer.result).decode()}",
        )
    return _sleep(draft, step, until, answer.logs)


def _sleep(draft: Draft, step: StepContext, until: int, logs: list[str]) -> StepContext:
    step = draft.put(
        change(step, phase=Phase.WORK, output=encode({"result": {"waitUntil": until}, "logs": logs}))
    )
    if until <= draft.now:
        return close(draft, step, StepStatus.COMPLETED, step.output)
    return set_timer(draft, step, DueKind.WAKE, until)


def woken(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    given = draft.decoded(step, "input")
    if not given.get("forSignal"):
        return close(draft, step, StepStatus.COMPLETED, step.output)
    if given.get("onTimeout") == "CONTINUE":
        return close(draft, step, StepStatus.COMPLETED, encode({"timedOut": True}))
    message = f"no signal {given['forSignal']} within {given.get('timeoutMs')} ms"
    return close(draft, step, StepStatus.TIMED_OUT, error_output(message))


def _refuse(draft: Draft, step: StepContext, message: str) -> StepContext:
    return close(draft, step, StepStatus.FAILED, error_output(message))


WAIT = Control(open=begin_step, resume=run_again, evaluated=evaluated, woken=woken)
