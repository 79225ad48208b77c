"""What operators do to one process or one of its steps, and why it is waiting."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from stepwell.engine.events import (
    AnyEvent,
    PauseRequested,
    RerunFromRequested,
    ResumeRequested,
    SignalReceived,
    StateEdited,
    StepOrder,
    StepOrdered,
    StepRemoved,
    UnpauseRequested,
)
from stepwell.model.client import Permission
from stepwell.model.codec import EMPTY, Json, Record, encode
from stepwell.model.errors import Conflict
from stepwell.runtime.waiting import Wait, explain, look
from stepwell.server import wire
from stepwell.server.asks import (
    Ask,
    actor_of,
    answer,
    body_of,
    desk_of,
    json_of,
    process_of,
    query_of,
    ref_of,
)
from stepwell.server.declare import declare
from stepwell.server.hot import Desk
from stepwell.server.problems import BadRequest
from stepwell.server.query import identifier

PAGE = 100
LARGEST_PAGE = 1_000


class RerunFromRequest(Record, frozen=True):
    ref: str
    input: dict[str, Any] | None = None
    """Instead of what the definition gives."""


class StateRequest(Record, frozen=True):
    put: dict[str, Any] = {}
    remove: tuple[str, ...] = ()


class WaitingAnswer(Record, frozen=True, rename="camel"):
    process_id: int
    status: str
    paused: bool
    now: int
    """The server's clock: what every time below is to be compared with."""
    steps: list[Wait]
    more: bool
    """There are further open steps: ask again with `stepAfter`."""


# -- one process


@post(
    "/api/process/{process_id:str}/pause",
    opt=declare(
        Permission.OPERATE,
        "Begin nothing new in a process; what workers hold goes on. Paused already: nothing changes.",
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def pause(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    return await _paused_or_not(request, process_id, True)


@post(
    "/api/process/{process_id:str}/resume",
    opt=declare(
        Permission.OPERATE,
        "Go on with a process that is paused, or that ended badly. One that goes on already: nothing changes.",
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def resume(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    desk = desk_of(request)
    process = await process_of(desk, identifier(process_id, "process"))
    if process.status.is_open:
        return await _paused_or_not(request, process_id, False)
    await desk.runtime.tell(process.id, ResumeRequested(), actor_of(request))
    return await _shown(desk, process.id)


async def _paused_or_not(request: Ask, process_id: str, wanted: bool) -> Response[bytes]:
    desk, id = desk_of(request), identifier(process_id, "process")
    event = PauseRequested() if wanted else UnpauseRequested()
    try:
        await desk.runtime.tell(id, event, actor_of(request))
    except Conflict:
        process = await process_of(desk, id)
        if not process.status.is_open or process.paused is not wanted:
            raise
    return await _shown(desk, id)


@post(
    "/api/process/{process_id:str}/rerunFrom",
    opt=declare(
        Permission.OPERATE,
        "Run a step of an ended process again, and what follows it, in place.",
        body=RerunFromRequest,
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def rerun_from(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    given = _object(await json_of(request))
    ref, input = given.get("ref"), given.get("input")
    if not isinstance(ref, str) or not ref:
        raise BadRequest("ref, the step to run again, is missing")
    if input is not None and not isinstance(input, dict):
        raise BadRequest("input must be an object")
    edited = None if input is None else encode(input)
    return await _tell(request, process_id, RerunFromRequested(ref=ref, input=edited))


@post(
    "/api/process/{process_id:str}/state",
    opt=declare(
        Permission.OPERATE,
        "Edit the state of a process that may still go on.",
        body=StateRequest,
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def state(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    given = _object(await json_of(request))
    put, remove = _object(given.get("put") or {}), given.get("remove") or []
    if not isinstance(remove, list) or not all(isinstance(key, str) for key in remove):
        raise BadRequest("remove must be a list of keys")
    if not put and not remove:
        raise BadRequest("say what to put, or which keys to remove")
    return await _tell(request, process_id, StateEdited(put=encode(put), remove=tuple(remove)))


@post(
    "/api/process/{process_id:str}/signal/{name:str}",
    opt=declare(
        Permission.RUN,
        "Give a process what a WAIT step waits for, now or later. The body is the step's output.",
        body=dict[str, Any],
        answer=wire.ProcessData,
        query={"correlation": str, "reason": str},
        tag="operations",
    ),
)
async def signal(request: Ask, process_id: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    payload = await _output(request)
    correlation = query_of(request).text("correlation")
    event = SignalReceived(name=name, payload=payload, correlation=correlation)
    return await _tell(request, process_id, event)


# -- one step


@post(
    "/api/process/{process_id:str}/steps/{ref:str}/complete",
    opt=declare(
        Permission.OPERATE,
        "End an open step COMPLETED; the body is its output.",
        body=dict[str, Any],
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def complete(request: Ask, process_id: FromPath[str], ref: FromPath[str]) -> Response[bytes]:
    return await _order(request, process_id, ref, StepOrder.COMPLETE)


@post(
    "/api/process/{process_id:str}/steps/{ref:str}/fail",
    opt=declare(
        Permission.OPERATE,
        "End an open step FAILED, without retries; the body is its output.",
        body=dict[str, Any],
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def fail(request: Ask, process_id: FromPath[str], ref: FromPath[str]) -> Response[bytes]:
    return await _order(request, process_id, ref, StepOrder.FAIL)


@post(
    "/api/process/{process_id:str}/steps/{ref:str}/retryNow",
    opt=declare(
        Permission.OPERATE,
        "Offer a delayed step, or one that a worker does not give back, to the workers now.",
        answer=wire.ProcessData,
        query={"reason": str},
        tag="operations",
    ),
)
async def retry_now(request: Ask, process_id: FromPath[str], ref: FromPath[str]) -> Response[bytes]:
    return await _order(request, process_id, ref, StepOrder.RETRY_NOW)


async def _order(request: Ask, process_id: str, ref: str, order: StepOrder) -> Response[bytes]:
    output = EMPTY if order is StepOrder.RETRY_NOW else await _output(request)
    named = await ref_of(desk_of(request), identifier(process_id, "process"), ref)
    return await _tell(request, process_id, StepOrdered(ref=named, order=order, output=output))


@post(
    "/api/process/removeStepIdFromProcess",
    opt=declare(
        Permission.OPERATE,
        "Leave a step out of a process: one that is open, or has not begun. `step` is its id or its ref.",
        answer=wire.ProcessData,
        query={"processId": int, "step": str, "reason": str},
        tag="operations",
    ),
)
async def remove_step(request: Ask) -> Response[bytes]:
    query = query_of(request)
    process_id, step = query.text("processId"), query.text("step")
    if process_id is None or step is None:
        raise BadRequest("the parameters processId and step are needed")
    ref = await ref_of(desk_of(request), identifier(process_id, "process"), step)
    return await _tell(request, process_id, StepRemoved(ref=ref))


# -- why is it waiting?


@get(
    "/api/process/{process_id:str}/waiting",
    opt=declare(
        Permission.READ,
        "Every open step of a process with the reason why it is open, for machines and in words.",
        answer=WaitingAnswer,
        query={"stepAfter": int, "stepLimit": int},
        tag="operations",
    ),
)
async def waiting(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    desk, query = desk_of(request), query_of(request)
    runtime = desk.runtime
    after = max(query.number("stepAfter", 0) or 0, 0)
    limit = min(max(query.number("stepLimit", PAGE) or 0, 1), LARGEST_PAGE)
    process, plan, found = await runtime.read_process(
        identifier(process_id, "process"),
        lambda reads, process, plan: look(reads, process, plan, runtime.polls, after, limit + 1),
    )
    now = runtime.clock.now()
    steps = [explain(process, plan, step, facts, now) for step, facts in found[:limit]]
    more = len(found) > limit
    return answer(WaitingAnswer(process.id, process.status.value, process.paused, now, steps, more))


# -- what they share


async def _tell(request: Ask, process_id: str, event: AnyEvent) -> Response[bytes]:
    desk, id = desk_of(request), identifier(process_id, "process")
    await desk.runtime.tell(id, event, actor_of(request))
    return await _shown(desk, id)


async def _shown(desk: Desk, process_id: int) -> Response[bytes]:
    return answer(wire.process_data(await process_of(desk, process_id)))


async def _output(request: Ask) -> Json:
    """The body as a step's output; none at all is an empty object."""
    settings = desk_of(request).settings
    return wire.check_output(
        (await body_of(request)).strip(), wire.Limits(settings.item_limit, settings.depth_limit)
    )


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("an object is expected")
    return value


HANDLERS = (pause, resume, rerun_from, state, signal, complete, fail, retry_now, remove_step, waiting)
