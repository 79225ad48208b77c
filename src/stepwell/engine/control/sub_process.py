"""SUB_PROCESS: another process, as a step of this one.

    {"type": "SUB_PROCESS", "name": "ship", "ref": "ship", "input": {"processName": "shipping", "input": {"id": 7}}}

Input: `processName`, `processVersion` (newest), `namespace` (this process's), `waitForCompletion` (true), `requestId`,
`correlationId`, `input`. Waiting, it ends as the child does; else it completes at once, whatever becomes of the child.
Output: `subProcessOutput`, `subProcessId`, `subProcessRequestId`, `subProcessCorrelationId`, `error`. Terminating goes
down, failure comes up, and a resume resumes the same child; a retry of its error policy starts a new one.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.control.outcome import refuse, shown, whole
from stepwell.engine.draft import ID_RUN, Control, Draft
from stepwell.engine.error_policy import Trouble
from stepwell.engine.hooks import ChildEnded, StartBody
from stepwell.engine.signals import as_text
from stepwell.engine.steps import begin, close, reopen, run_again, trouble
from stepwell.model.codec import Json, change, decode_as, encode
from stepwell.model.definition import ProcessRequest
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus, TriggerType
from stepwell.model.step import Children, StepContext, StepStatus

DEEPEST = 100


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    problem = _problem(draft, given)
    if problem:
        return refuse(draft, step, problem)
    namespace = given.get("namespace") or draft.process.namespace
    version = whole(given.get("processVersion"))
    found = draft.definition_named(namespace, given["processName"], version)
    if found is None:
        which = "" if version is None else f" version {version}"
        return refuse(draft, step, f"no process definition {namespace}/{given['processName']}{which}")
    child_id = draft.new_ids(f"child:{step.id}:{step.execution}", max(found.size, ID_RUN))
    waits = given.get("waitForCompletion") is not False
    request = ProcessRequest(
        namespace=namespace,
        name=given["processName"],
        version=found.version,
        request_id=_text(given, "requestId"),
        correlation_id=_text(given, "correlationId") or draft.process.correlation_id,
        input=given.get("input") or {},
        priority=draft.process.priority,
    )
    body = StartBody(
        request=request,
        source_id=draft.process.id,
        trigger=TriggerType.SUB_PROCESS,
        definition_id=found.id,
        parent_step_id=step.id if waits else None,
        depth=draft.process.depth + 1,
    )
    draft.set_due(DueKind.START_PROCESS, draft.now, process_id=child_id, body=encode(body))
    output = _ids(child_id, request)
    if not waits:
        return close(draft, step, StepStatus.COMPLETED, encode(output))
    return draft.put(change(step, output=encode(output), children=Children(total=1, open=1, base=child_id)))


def _problem(draft: Draft, given: dict[str, Any]) -> str:
    if not isinstance(given.get("processName"), str) or not given["processName"]:
        return "SUB_PROCESS needs the name of a process definition as processName"
    if not isinstance(given.get("namespace") or "", str):
        return f"namespace must be a text, not {shown(given['namespace'])}"
    if not isinstance(given.get("input") or {}, dict):
        return f"the input of a SUB_PROCESS must be an object, not {shown(given['input'])}"
    if not isinstance(given.get("waitForCompletion"), bool | None):
        return f"waitForCompletion must be true or false, not {shown(given['waitForCompletion'])}"
    version = given.get("processVersion")
    if version is not None and (whole(version) or 0) < 1:
        return f"processVersion must be a whole number from 1, not {shown(version)}"
    if draft.process.depth >= DEEPEST:
        return f"processes are nested {DEEPEST} deep"
    return ""


def _text(given: dict[str, Any], key: str) -> str | None:
    value = given.get(key)
    return None if value is None else as_text(value)


def _ids(child_id: int, request: ProcessRequest) -> dict[str, Any]:
    return {
        "subProcessId": child_id,
        "subProcessRequestId": request.request_id,
        "subProcessCorrelationId": request.correlation_id,
    }


def told(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    """The child has ended."""
    news = decode_as(body, ChildEnded)
    if step.children is None:
        return step
    if step.children.base != news.process_id:
        # News of an earlier child, resumed by hand. Its row may have taken the place of the present one's.
        draft.set_due(DueKind.ORDER, draft.now, process_id=step.children.base, body=b'"TELL"')
        return step
    output = {**draft.decoded(step, "output"), "subProcessOutput": news.output}
    if news.status is ProcessStatus.COMPLETED:
        return close(draft, step, StepStatus.COMPLETED, encode(output))
    status = StepStatus.TIMED_OUT if news.status is ProcessStatus.TIMED_OUT else StepStatus.FAILED
    output["error"] = _error(news)
    # Of a child that never began nothing is left to be resumed.
    step = step if news.began else change(step, children=None)
    return trouble(draft, step, Trouble.FAILURE, encode(output), status)


def _error(news: ChildEnded) -> str:
    said = news.output.get("error") if isinstance(news.output, dict) else None
    return said if isinstance(said, str) else f"process {news.process_id} ended {news.status}"


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """The same child goes on; when there never was one, the step begins again."""
    if step.children is None or not step.children.base:
        return run_again(draft, plan, step)
    child_id = step.children.base
    draft.set_due(DueKind.ORDER, draft.now, process_id=child_id, body=b'"RESUME"')
    return reopen(draft, step, Children(total=1, open=1, base=child_id))


SUB_PROCESS = Control(
    open=begin_step,
    resume=resume,
    told=told,
    keeps=("subProcessId", "subProcessRequestId", "subProcessCorrelationId"),
)
