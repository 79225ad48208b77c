"""WAIT: until a moment, for a while, or for a signal.

    {"type": "WAIT", "name": "cool_down", "ref": "cool_down", "input": {"durationMs": 60000}}

Input, one of: `script` (returns `{waitUntil: <epoch ms>}`), `durationMs`, `until` (an ISO date and time, with
`timeZone` when it names none), or `forSignal` (with `correlation`, `timeoutMs`, `onTimeout` FAIL or CONTINUE): outside
input, such as a person's answer. A moment in the past completes at once. A local time that a clock change skips is
read with the offset from before the change (02:30 becomes 03:30); one that comes twice means the first. Output:
`{result: {waitUntil}, logs}`, or the signal's payload.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stepwell.definition.plan import StepPlan
from stepwell.engine.control.outcome import refuse, shown, whole
from stepwell.engine.draft import Control, Draft
from stepwell.engine.scripts import evaluate, read_answer
from stepwell.engine.signals import take_early
from stepwell.engine.steps import begin, close, error_output, run_again, set_timer
from stepwell.model.codec import Json, change, encode
from stepwell.model.due import DueKind
from stepwell.model.step import Phase, StepContext, StepStatus

LONGEST_MS = 100 * 366 * 86_400_000
FAIL, CONTINUE = "FAIL", "CONTINUE"


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    if given.get("forSignal") is not None:
        return _for_signal(draft, step, given)
    if given.get("durationMs") is not None:
        return _for_duration(draft, step, given["durationMs"])
    if given.get("until") is not None:
        return _until(draft, step, given["until"], given.get("timeZone"))
    return evaluate(draft, step)


def _for_signal(draft: Draft, step: StepContext, given: dict[str, Any]) -> StepContext:
    name, timeout = given["forSignal"], given.get("timeoutMs")
    if not isinstance(name, str) or not name:
        return refuse(draft, step, f"forSignal must be the name of a signal, not {shown(name)}")
    if given.get("onTimeout") not in (None, FAIL, CONTINUE):
        return refuse(draft, step, f"onTimeout must be {FAIL} or {CONTINUE}, not {shown(given['onTimeout'])}")
    wait = None if timeout is None else whole(timeout)
    if timeout is not None and (wait is None or not 0 < wait <= LONGEST_MS):
        return refuse(draft, step, f"timeoutMs must be a number of milliseconds, not {shown(timeout)}")
    early = take_early(draft, name, given.get("correlation"))
    if early is not None:
        return close(draft, step, StepStatus.COMPLETED, early)
    return step if wait is None else set_timer(draft, step, DueKind.WAKE, draft.now + wait)


def _for_duration(draft: Draft, step: StepContext, given: Any) -> StepContext:
    duration = whole(given)
    if duration is None or duration < 0:
        return refuse(draft, step, f"durationMs must be a number of milliseconds, not {shown(given)}")
    return _sleep(draft, step, draft.now + duration, [])


def _until(draft: Draft, step: StepContext, until: Any, zone: Any) -> StepContext:
    if not isinstance(until, str):
        return refuse(draft, step, f"until must be a date and a time as text, not {shown(until)}")
    try:
        moment = datetime.fromisoformat(until)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(str(zone or "UTC")))
        at = int(moment.timestamp() * 1000)
    except (ValueError, OverflowError, KeyError, OSError) as error:
        # An unknown zone is a KeyError, whose own text is its text in quotes.
        said = error.args[0] if error.args else error
        return refuse(draft, step, f"until is no moment in time: {said}")
    return _sleep(draft, step, at, [])


def evaluated(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    answer = read_answer(output)
    until = whole(answer.result.get("waitUntil")) if isinstance(answer.result, dict) else None
    if until is None:
        return refuse(
            draft, step, f"the script must return {{waitUntil: <epoch ms>}}, not {shown(answer.result)}"
        )
    return _sleep(draft, step, until, answer.logs)


def _sleep(draft: Draft, step: StepContext, until: int, logs: list[str]) -> StepContext:
    if until > draft.now + LONGEST_MS:
        return refuse(draft, step, f"a step waits for 100 years at most, not until {until}")
    step = draft.put(
        change(step, phase=Phase.WORK, output=encode({"result": {"waitUntil": until}, "logs": logs}))
    )
    if until <= draft.now:
        return close(draft, step, StepStatus.COMPLETED, step.output)
    return set_timer(draft, step, DueKind.WAKE, until)


def woken(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    given = draft.decoded(step, "input")
    if given.get("forSignal") is None:
        return close(draft, step, StepStatus.COMPLETED, step.output)
    if given.get("onTimeout") == CONTINUE:
        return close(draft, step, StepStatus.COMPLETED, encode({"timedOut": True}))
    message = f"no signal {given['forSignal']} within {given['timeoutMs']} ms"
    return close(draft, step, StepStatus.TIMED_OUT, error_output(message))


WAIT = Control(open=begin_step, resume=run_again, evaluated=evaluated, woken=woken)
