"""SUB_PROCESS: another process, as a step of this one.

    {"type": "SUB_PROCESS", "name": "ship", "ref": "ship", "input": {"processName": "shipping", "input": {"id": 7}}}

Input: `processName`, `processVersion` (newest), `namespace` (this process's), `waitForCompletion` (true), `requestId`,
`correlationId`, `input`. Waiting, it ends as the child does; else it completes at once, whatever becomes of the child.
Output: `subProcessOutput`, `subProcessId`, `subProcessRequestId`, `subProcessCorrelationId`, `error`. Terminating goes
down, failure comes up, and a resume resumes the same child.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import ID_RUN, Control, Draft
from stepwell.engine.hooks import ChildEnded, StartBody
from stepwell.engine.steps import begin, close, error_output, reopen, run_again
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
        return close(draft, step, StepStatus.FAILED, error_output(problem))
    namespace = given.get("namespace") or draft.process.namespace
    found = draft.definition_named(namespace, given["processName"], given.get("processVersion"))
    if found is None:
        version = given.get("processVersion")
        which = "" if version is None else f" version {version}"
        message = f"no process definition {namespace}/{given['processName']}{which}"
        return close(draft, step, StepStatus.FAILED, error_output(message))
    child_id = draft.new_ids(f"child:{step.id}:{step.execution}", max(found.size, ID_RUN))
    waits = given.get("waitForCompletion") is not False
    request = ProcessRequest(
        namespace=namespace,
        name=given["processName"],
        version=found.version,
        request_id=given.get("requestId"),
        correlation_id=given.get("correlationId") or draft.process.correlation_id,
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
    if not isinstance(given.get("input") or {}, dict):
        return "the input of a SUB_PROCESS must be an object"
    version = given.get("processVersion")
    if version is not None and type(version) is not int:
        return f"processVersion must be a whole number, not {encode(version).decode()}"
    if draft.process.depth >= DEEPEST:
        return f"processes are nested {DEEPEST} deep"
    return ""


def _ids(child_id: int, request: ProcessRequest) -> dict[str, Any]:
    return {
        "subProcessId": child_id,
        "subProcessRequestId": request.request_id,
        "subProcessCorrelationId": request.correlation_id,
    }


def told(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    """The child has ended."""
    news = decode_as(body, ChildEnded)
    if step.children is None or step.children.base != news.process_id:
        return step
    output = {**draft.decoded(step, "output"), "subProcessOutput": news.output}
    if news.status is ProcessStatus.COMPLETED:
        return close(draft, step, StepStatus.COMPLETED, encode(output))
    status = StepStatus.TIMED_OUT if news.status is ProcessStatus.TIMED_OUT else StepStatus.FAILED
    output["error"] = _error(news)
    return close(draft, step, status, encode(output))


def _error(news: ChildEnded) -> str:
    said = news.output.get("error") if isinstance(news.output, dict) else None
    return said if isinstance(said, str) else f"process {news.process_id} ended {news.status}"


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """The same child goes on; when there never was one, the step begins again."""
    if step.children is None or not step.children.base:
        return run_again(draft, plan, step)
    child_id = step.children.base
    draft.set_due(DueKind.ORDER, draft.now, process_id=child_id, body=b'"RESUME"')
    kept = {k: v for k, v in draft.decoded(step, "output").items() if k not in ("error", "subProcessOutput")}
    again = reopen(draft, step, Children(total=1, open=1, base=child_id))
    return draft.put(change(again, output=encode(kept)))


SUB_PROCESS = Control(open=begin_step, resume=resume, told=told)
