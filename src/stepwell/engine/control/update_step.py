"""UPDATE_STEP: completes, fails or feeds a waiting step, of this process or of another one.

    {"type": "UPDATE_STEP", "name": "approve", "ref": "approve",
     "input": {"processId": "{{ input.processId }}", "targetRef": "wait_for_boss", "action": "FEED",
               "output": {"approved": true}}}

Input: `processId` (this process's own), `targetRef` (with indexes inside a FOREACH: `child[3]`), `action` COMPLETE
(default), FAIL or FEED, `output` (object). The step must be open when it is looked at; in another process the update
follows in that process's next turn and does nothing if the step has ended by then. Output: `{processId, targetRef,
action}`.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import HEAVY, Control, Draft
from stepwell.engine.effects import ProcessById
from stepwell.engine.steps import begin, close, run_again, set_timer
from stepwell.engine.updates import Update, UpdateAction, update
from stepwell.model.codec import encode
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    problem = _problem(given)
    if problem:
        return refuse(draft, step, problem)
    if _target(draft, given) == draft.process.id:
        # What follows from it may reach the containers that are opening this step right now: not before they have.
        return set_timer(draft, step, DueKind.WAKE, draft.now)
    return _in_another(draft, step, given)


def _problem(given: dict[str, Any]) -> str:
    if not isinstance(given.get("targetRef"), str) or not given["targetRef"]:
        return "UPDATE_STEP needs the ref of a step as targetRef"
    if given.get("action") not in (None, *UpdateAction):
        return f"action must be one of {', '.join(UpdateAction)}, not {given['action']!r}"
    if not isinstance(given.get("output") or {}, dict):
        return "output must be an object"
    if given.get("processId") is not None and type(given["processId"]) is not int:
        return f"processId must be a whole number, not {encode(given['processId']).decode()}"
    return ""


def _target(draft: Draft, given: dict[str, Any]) -> int:
    return draft.process.id if given.get("processId") is None else int(given["processId"])


def _wish(given: dict[str, Any]) -> Update:
    action = UpdateAction(given.get("action") or UpdateAction.COMPLETE)
    return Update(given["targetRef"], action, encode(given.get("output") or {}))


def _in_another(draft: Draft, step: StepContext, given: dict[str, Any]) -> StepContext:
    draft.transitions += HEAVY
    wish = _wish(given)
    id = _target(draft, given)
    process = draft.others(ProcessById(id, (wish.ref,)))[0]
    if process is None:
        return refuse(draft, step, f"there is no process {id}")
    if not process.status.is_open:
        return refuse(draft, step, f"process {id} is {process.status}")
    status = process.steps.get(wish.ref)
    if status is None or not status.is_open:
        return refuse(draft, step, f"step {wish.ref} of process {id} {_shown(status)}")
    draft.set_due(DueKind.UPDATE, draft.now, process_id=id, step_id=step.id, body=encode(wish))
    return close(draft, step, StepStatus.COMPLETED, _output(id, wish))


def _shown(status: StepStatus | None) -> str:
    return "has not begun" if status is None else f"is {status}"


def woken(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """The update of a step of this process."""
    wish = _wish(draft.decoded(step, "input"))
    problem = f"{step.ref} cannot update itself" if wish.ref == step.ref else update(draft, wish)
    step = draft.step(step.id)
    if not step.status.is_open or not draft.process.goes_on:
        # It ended by what followed from its own update.
        return step
    if problem:
        return refuse(draft, step, problem)
    return close(draft, step, StepStatus.COMPLETED, _output(draft.process.id, wish))


def _output(process_id: int, wish: Update) -> bytes:
    return encode({"processId": process_id, "targetRef": wish.ref, "action": wish.action})


UPDATE_STEP = Control(open=begin_step, resume=run_again, woken=woken)
