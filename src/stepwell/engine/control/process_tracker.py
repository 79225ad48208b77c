"""PROCESS_TRACKER: how another process is doing, and if wanted, until it has ended.

    {"type": "PROCESS_TRACKER", "name": "follow", "ref": "follow",
     "input": {"processId": "{{ input.processId }}", "waitForCompletion": true}}

Input: `processId`; `waitForCompletion` (false): wait until it is not RUNNING, looking every `intervalSeconds` (10).
Output: `{processId, namespace, name, version, status}` and, once it has ended, its `output`. However it ends, this step
COMPLETES: it only watches. A process that does not exist, also not a second later, fails it.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.control.interval import interval_ms, not_seconds
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import HEAVY, Control, Draft
from stepwell.engine.effects import KnownProcess, ProcessById
from stepwell.engine.steps import begin, close, run_again, set_timer
from stepwell.model.codec import change, encode, raw
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext, StepStatus

GRACE_MS = 1_000
"""How long a process may take to begin after somebody has told its id."""


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    if type(given.get("processId")) is not int:
        return refuse(draft, step, "PROCESS_TRACKER needs the id of a process as processId, a whole number")
    if given["processId"] == draft.process.id:
        return refuse(draft, step, "a process cannot follow itself")
    problem = not_seconds(given, "intervalSeconds")
    if problem:
        return refuse(draft, step, problem)
    process = _process(draft, step)
    if process is None:
        # A SUB_PROCESS step that does not wait has told its id before the process begins.
        return set_timer(draft, step, DueKind.WAKE, draft.now + GRACE_MS)
    return _saw(draft, step, process)


def woken(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    process = _process(draft, step)
    if process is None:
        return refuse(draft, step, f"there is no process {draft.decoded(step, 'input')['processId']}")
    return _saw(draft, step, process)


def _process(draft: Draft, step: StepContext) -> KnownProcess | None:
    draft.transitions += HEAVY
    return draft.others(ProcessById(draft.decoded(step, "input")["processId"]))[0]


def _saw(draft: Draft, step: StepContext, process: KnownProcess) -> StepContext:
    given = draft.decoded(step, "input")
    output = encode(_shown(process))
    if not process.status.is_open or given.get("waitForCompletion") is not True:
        return close(draft, step, StepStatus.COMPLETED, output)
    step = draft.put(change(step, output=output, updated=draft.now))
    return set_timer(draft, step, DueKind.WAKE, draft.now + interval_ms(given))


def _shown(process: KnownProcess) -> dict[str, Any]:
    shown = {
        "processId": process.id,
        "namespace": process.namespace,
        "name": process.name,
        "version": process.version,
        "status": process.status,
    }
    return shown if process.status.is_open else {**shown, "output": raw(process.output)}


PROCESS_TRACKER = Control(open=begin_step, resume=run_again, woken=woken)
