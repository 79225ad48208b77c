"""Processes that this one starts beside itself: hooks at its end, and a policy's `runRequest`.

Each is a START_PROCESS row for now. The turn that takes the row starts the process in the same transaction, so it is
started once, whatever happens in between.
"""

from typing import Any

from stepwell.engine.draft import ID_RUN, Draft
from stepwell.model.codec import Json, Record, decode, encode
from stepwell.model.definition import ProcessRequest
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus, TriggerType
from stepwell.model.step import StepContext


class StartBody(Record, frozen=True, kw_only=True):
    """The body of a START_PROCESS row."""

    request: ProcessRequest
    source_id: int
    """The process that asked."""
    trigger: TriggerType = TriggerType.STEP
    definition_id: int = 0
    """Which stored definition, when the engine has looked it up; 0 = by name when the row is taken."""
    parent_step_id: int | None = None
    """The SUB_PROCESS step that waits for its end."""
    depth: int = 0


class ChildEnded(Record, frozen=True, kw_only=True):
    """The body of a NEWS row from a process to the step that waits for it."""

    process_id: int
    status: ProcessStatus
    output: Any
    began: bool = True
    """False: it could not even be started, so there is nothing to resume."""


def tell_parent(draft: Draft) -> None:
    """The process has ended: the step that waits for it hears of it in its own process's next turn."""
    process = draft.process
    if process.parent_id is None or process.parent_step_id is None:
        return
    news = ChildEnded(process_id=process.id, status=process.status, output=decode(process.output))
    draft.set_due(
        DueKind.NEWS,
        draft.now,
        process_id=process.parent_id,
        step_id=process.parent_step_id,
        body=encode(news),
    )


def run_request(draft: Draft, step: StepContext, request: ProcessRequest, event: str, output: Json) -> None:
    """A policy's `runRequest`, once per error event, before the policy's action."""
    source = {
        **_source(draft),
        "stepId": step.id,
        "ref": step.ref,
        "event": event,
        "output": decode(output),
    }
    _start(draft, request, source, f"{step.id}:{event}:{step.execution}:{step.hand_out.token}")


def on_end(draft: Draft) -> None:
    """The hook for the status the process has just ended in. A process that a hook started runs none."""
    if draft.process.trigger is TriggerType.STEP:
        return
    hooks = draft.plan.definition.configuration
    request = {
        ProcessStatus.COMPLETED: hooks.on_complete_process,
        ProcessStatus.FAILED: hooks.on_fail_process,
        ProcessStatus.TIMED_OUT: hooks.on_timeout_process,
        ProcessStatus.CANCELLED: hooks.on_cancel_process,
    }.get(draft.process.status)
    if request is not None and request.name:
        output = decode(draft.process.output)
        source = {**_source(draft), "output": output}
        if isinstance(output, dict) and "error" in output:
            source["error"] = output["error"]
        _start(draft, request, source, f"end:{draft.process.resumed}:{draft.process.status}")


def _source(draft: Draft) -> dict[str, object]:
    return {
        "processId": draft.process.id,
        "name": draft.process.name,
        "namespace": draft.process.namespace,
        "status": draft.process.status.value,
    }


def _start(draft: Draft, request: ProcessRequest, source: dict[str, object], purpose: str) -> None:
    namespace = request.namespace or draft.process.namespace
    filled = ProcessRequest(
        namespace=namespace,
        name=request.name,
        version=request.version,
        request_id=request.request_id,
        correlation_id=request.correlation_id or draft.process.correlation_id,
        input={**request.input, "__source": source},
        priority=request.priority,
    )
    id = draft.new_ids(purpose, ID_RUN)
    body = encode(StartBody(request=filled, source_id=draft.process.id))
    draft.set_due(DueKind.START_PROCESS, draft.now, process_id=id, body=body)
