"""Processes and steps under their documented names, as scripts and archives show them."""

from collections.abc import Collection, Sequence
from typing import Any

from stepwell.definition.plan import Plan
from stepwell.model.codec import decode
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext, StepExecution

PAYLOADS = ("input", "output", "state")


def documented_process(process: ProcessContext, payloads: Collection[str] = PAYLOADS) -> dict[str, Any]:
    """A process context with these of its payloads."""
    texts = {"input": process.input, "output": process.output, "state": process.state}
    return {
        "id": process.id,
        "processId": process.id,
        "namespace": process.namespace,
        "name": process.name,
        "version": process.version,
        "processType": process.type.value,
        "triggerType": process.trigger.value,
        "status": process.status.value,
        "requestId": process.request_id,
        "correlationId": process.correlation_id,
        "created": process.created,
        "createdBy": process.created_by,
        "tags": [{"name": tag.name, "value": tag.value} for tag in process.tags],
    } | {name: decode(texts[name]) for name in payloads}


def documented_step(step: StepContext, plan: Plan, finished: Sequence[StepExecution]) -> dict[str, Any]:
    """A step context with its executions, oldest first; the last of them is the current one."""
    definition = plan.steps[str(step.path[0])].definition
    executions = [_execution(step, execution) for execution in finished]
    executions.append(
        {
            "id": step.execution,
            "scheduled": step.scheduled,
            "polled": step.hand_out.polled,
            "start": step.hand_out.start,
            "updated": step.updated,
            "executor": step.hand_out.executor,
            "ref": step.ref,
            "runs": step.hand_out.runs + step.container_runs,
            "output": {},
        }
    )
    return {
        "id": step.id,
        "processId": step.process_id,
        "ref": step.ref,
        "parentId": step.parent_id,
        "parentExecutionId": step.parent_execution_id,
        "namespace": definition.namespace,
        "name": definition.name,
        "type": definition.type.value,
        "status": step.shown_status.value,
        "workerId": step.hand_out.worker,
        "priority": step.priority,
        "optional": definition.optional,
        "start": step.hand_out.first_start,
        "schedule": step.schedule,
        "updated": step.updated,
        "input": decode(step.input),
        "output": decode(step.output),
        "executions": executions,
    }


def _execution(step: StepContext, execution: StepExecution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "scheduled": execution.scheduled,
        "polled": execution.polled,
        "start": execution.start,
        "updated": execution.updated,
        "executor": execution.executor,
        "ref": step.ref,
        "runs": execution.runs,
        "output": decode(execution.output),
    }
