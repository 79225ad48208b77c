"""The calls of operators: one process, one step, marks, jobs. As in `calls.py`, nothing here sends."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from stepwell.client.asking import Call, JsonObject, Plan, get, post, put, query, segment
from stepwell.client.shapes import (
    ItemResult,
    Job,
    OperationAnswer,
    Process,
    Results,
    Retry,
    SetAside,
    Waiting,
)
from stepwell.model.definition import DEFAULT_NAMESPACE

MarkName = Literal["HOLD", "SKIP"]


# One process


def cancel(process_ids: int | Iterable[int], reason: str | None = None) -> Call[OperationAnswer]:
    """End running processes on purpose: they are CANCELLED and their hook for that runs."""
    ids = [process_ids] if isinstance(process_ids, int) else list(process_ids)
    return post("/api/process/bulkCancel", ids, query(reason=reason))


def pause(process_id: int, reason: str | None = None) -> Call[Process]:
    """Begin nothing new in a process; what workers hold goes on."""
    return _act(f"{process_id}/pause", reason=reason)


def go_on(process_id: int, reason: str | None = None) -> Call[Process]:
    """Go on with a process that is paused, or that ended without its work done."""
    return _act(f"{process_id}/resume", reason=reason)


def rerun_from(
    process_id: int, ref: str, input: Mapping[str, Any] | None = None, reason: str | None = None
) -> Call[Process]:
    """Run a step of an ended process again, and what follows it, in place; with this input instead of its own."""
    body = {"ref": ref} if input is None else {"ref": ref, "input": input}
    return post(f"/api/process/{process_id}/rerunFrom", body, query(reason=reason))


def edit_state(
    process_id: int,
    put: Mapping[str, Any] | None = None,
    remove: Iterable[str] = (),
    reason: str | None = None,
) -> Call[Process]:
    """Change the state of a process that may still go on."""
    body = {"put": put or {}, "remove": list(remove)}
    return post(f"/api/process/{process_id}/state", body, query(reason=reason))


def set_aside() -> Call[list[SetAside]]:
    """Events that made the engine raise and were set aside, oldest first."""
    return get("/api/setAside")


def retry_set_aside(process_id: int, reason: str | None = None) -> Call[Retry]:
    """Play the set-aside events of a process again: what became of each, and how many are left."""
    path = f"/api/process/{process_id}/retrySetAside"
    return Call(method="POST", path=path, query=query(reason=reason))


def signal(
    process_id: int, name: str, payload: Mapping[str, Any] | None = None, correlation: str | None = None
) -> Call[Process]:
    """Give a process what one of its WAIT steps waits for, now or later."""
    path = f"/api/process/{process_id}/signal/{segment(name)}"
    return post(path, payload or {}, query(correlation=correlation))


def waiting(
    process_id: int, *, step_after: int | None = None, step_limit: int | None = None
) -> Call[Waiting]:
    """Why is it waiting? Every open step with its reason."""
    return get(f"/api/process/{process_id}/waiting", query(stepAfter=step_after, stepLimit=step_limit))


def results(
    process_id: int, ref: str | int, *, first: int | None = None, limit: int | None = None
) -> Call[Results]:
    """The outputs of the iterations of a FOREACH by index: at most 1,000 from `first` on."""
    path = f"/api/process/{process_id}/steps/{segment(str(ref))}/results"
    return get(path, query(first=first, limit=limit))


def all_results(process_id: int, ref: str | int) -> Plan[list[ItemResult]]:
    """All of them, page after page."""
    items: list[ItemResult] = []
    first: int | None = 0
    while first is not None:
        page = yield results(process_id, ref, first=first)
        items += page["items"]
        first = page["next"]
    return items


# One step: `ref` with its indexes, or the step's id


def complete_step(
    process_id: int, ref: str | int, output: Mapping[str, Any] | None = None, reason: str | None = None
) -> Call[Process]:
    """End an open step COMPLETED with this output."""
    return _order(process_id, ref, "complete", output, reason)


def fail_step(
    process_id: int, ref: str | int, output: Mapping[str, Any] | None = None, reason: str | None = None
) -> Call[Process]:
    """End an open step FAILED with this output, without retries."""
    return _order(process_id, ref, "fail", output, reason)


def retry_step_now(process_id: int, ref: str | int, reason: str | None = None) -> Call[Process]:
    """Offer a delayed step, or one that its worker does not give back, to the workers now."""
    return _order(process_id, ref, "retryNow", None, reason)


def remove_step(process_id: int, ref: str | int, reason: str | None = None) -> Call[Process]:
    """Leave a step out of one process: it is open, or has not begun."""
    return _act("removeStepIdFromProcess", processId=process_id, step=str(ref), reason=reason)


# Marks on steps of a definition


def hold(
    process: str, ref: str, *, namespace: str = DEFAULT_NAMESPACE, mark: MarkName = "HOLD", reason: str = ""
) -> Call[JsonObject]:
    """Hold a step of a definition, or leave it out, in every process that comes to it."""
    return put(_mark(namespace, process, ref), {"mark": mark, "reason": reason})


def clear_hold(
    process: str, ref: str, *, namespace: str = DEFAULT_NAMESPACE, reason: str | None = None
) -> Call[JsonObject]:
    """Clear the mark; held steps go on within 15 seconds."""
    return Call(method="DELETE", path=_mark(namespace, process, ref), query=query(reason=reason))


def holds(*, namespace: str | None = None) -> Call[list[JsonObject]]:
    """All marks, or those of a namespace."""
    return get("/api/holds", query(namespace=namespace))


# Jobs


def start_job(
    operation: str,
    *,
    ids: Iterable[int] | None = None,
    search: Mapping[str, Any] | None = None,
    reason: str = "",
    version: int | None = None,
) -> Call[Job]:
    """Do one operation to each of these processes, or to each that the search finds; answers at once.

    `operation`: TERMINATE, CANCEL, RESUME, REVIEW, PAUSE, UNPAUSE or RERUN. `search`: the parameters of the search for
    processes. `version`, for RERUN: 0 = the newest, None = each process's own.
    """
    wanted = {
        "operation": operation,
        "ids": None if ids is None else list(ids),
        "search": search,
        "reason": reason,
        "version": version,
    }
    return post("/api/jobs", {key: value for key, value in wanted.items() if value is not None})


def job(job_id: int, *, items: bool = False, failed_only: bool = False, offset: int = 0) -> Call[Job]:
    """A job and its progress; with `items` what became of each process, 1,000 from `offset` on."""
    wanted = query(includeItems=items, failedOnly=failed_only, offset=offset)
    return get(f"/api/jobs/{job_id}", wanted)


def jobs(*, limit: int = 50) -> Call[list[Job]]:
    """Jobs, newest first."""
    return get("/api/jobs", query(limit=limit))


def _act(path: str, **wanted: Any) -> Call[Process]:
    return Call(method="POST", path=f"/api/process/{path}", query=query(**wanted))


def _order(
    process_id: int, ref: str | int, order: str, output: Mapping[str, Any] | None, reason: str | None
) -> Call[Process]:
    path = f"/api/process/{process_id}/steps/{segment(str(ref))}/{order}"
    return post(path, output or {}, query(reason=reason))


def _mark(namespace: str, process: str, ref: str) -> str:
    return f"/api/holds/{segment(namespace)}/{segment(process)}/{segment(ref)}"
