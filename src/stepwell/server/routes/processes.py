"""Processes and their steps: read, search, operate."""

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from stepwell.definition.plan import Plan
from stepwell.engine.events import ResumeRequested
from stepwell.model.client import Permission
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext, StepExecution
from stepwell.runtime.requests import Operation
from stepwell.server import wire
from stepwell.server.asks import Ask, actor_of, answer, desk_of, json_of, process_of, query_of
from stepwell.server.declare import declare
from stepwell.server.hot import Desk
from stepwell.server.problems import BadRequest
from stepwell.server.query import identifier
from stepwell.store.port import Reads

PAGE = 1_000
"""Steps shown in one answer, and finished executions of each."""
LATEST = "latest"

Finished = Mapping[int, Sequence[StepExecution]]


@get(
    "/api/process/context/{process_id:str}",
    opt=declare(
        Permission.READ,
        "A process, with its first 1,000 step ids and, when asked for, its step contexts.",
        answer=wire.ProcessData,
        query={
            "includeSteps": bool,
            "hideLargeValues": bool,
            "includeSnapshots": bool,
            "stepAfter": int,
            "stepLimit": int,
        },
        tag="processes",
    ),
)
async def context(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    desk, query = desk_of(request), query_of(request)
    after = query.number("stepAfter", 0) or 0
    limit = min(max(query.number("stepLimit", PAGE) or 0, 0), PAGE)
    hide, shown = query.flag("hideLargeValues"), query.flag("includeSteps")

    def look(reads: Reads, process: ProcessContext, plan: Plan) -> tuple[list[StepContext], Finished]:
        steps = reads.steps(process, plan.size, after, limit)
        return steps, _finished(reads, steps) if shown else {}

    process, plan, (steps, finished) = await desk.runtime.read_process(
        identifier(process_id, "process"), look
    )
    records: Sequence[wire.StepData] = ()
    if shown:
        records = _records(steps, finished, plan, query.flag("includeSnapshots"), hide)
    return answer(wire.process_data(process, steps, records, hide))


@get(
    "/api/process/stepContext/{step_id:str}",
    opt=declare(
        Permission.READ,
        "One step context with its executions and the definition that it followed.",
        answer=wire.StepData,
        query={"hideLargeValues": bool},
        tag="processes",
    ),
)
async def step_context(request: Ask, step_id: FromPath[str]) -> Response[bytes]:
    desk = desk_of(request)
    wanted = identifier(step_id, "step")
    step = await desk.runtime.read(lambda reads: reads.step(wanted))
    if step is None:
        raise NotFound(f"there is no step {wanted}")

    def look(reads: Reads, process: ProcessContext, plan: Plan) -> tuple[list[StepContext], Finished]:
        now = reads.step(wanted)
        steps = [] if now is None else [now]
        return steps, _finished(reads, steps)

    _, plan, (steps, finished) = await desk.runtime.read_process(step.process_id, look)
    if not steps:
        raise NotFound(f"there is no step {wanted}")
    hide = query_of(request).flag("hideLargeValues")
    return answer(_records(steps, finished, plan, True, hide)[0])


@get(
    "/api/stats/process/search",
    opt=declare(
        Permission.READ,
        "Processes that match, newest first. Without startTimeEpoch: of the last 24 hours.",
        answer=list[wire.ProcessData],
        query={
            "startTimeEpoch": int,
            "endTimeEpoch": int,
            "namespace": str,
            "processTypes": str,
            "triggerTypes": str,
            "statuses": str,
            "names": str,
            "processIds": str,
            "correlationIds": str,
            "requestIds": str,
            "stepNames": str,
            "stepRefs": str,
            "tags": str,
            "fullTextSearchQuery": str,
            "limit": int,
            "offset": int,
        },
        tag="processes",
    ),
)
async def search(request: Ask) -> Response[bytes]:
    desk = desk_of(request)
    wanted = wire.read_search(query_of(request), desk.runtime.clock.now())
    definition_ids: Sequence[int] | None = None
    if wanted.step_names or wanted.step_refs:
        definition_ids = await definitions_with(desk, wanted.step_names, wanted.step_refs)
    found = await desk.runtime.read(lambda reads: reads.find_processes(wanted, definition_ids))
    return answer([wire.process_data(process) for process in found])


@post(
    "/api/process/bulkTerminate",
    opt=declare(
        Permission.OPERATE,
        "End processes. Each id is answered; unknown ones with an error.",
        body=list[int],
        answer=wire.BulkAnswer,
        query={"reason": str},
        tag="processes",
    ),
)
async def bulk_terminate(request: Ask) -> Response[bytes]:
    return await _operate(request, Operation.TERMINATE)


@post(
    "/api/process/bulkCancel",
    opt=declare(
        Permission.OPERATE,
        "End processes CANCELLED; their onCancelProcess runs. Each id is answered; unknown ones with an error.",
        body=list[int],
        answer=wire.BulkAnswer,
        query={"reason": str},
        tag="processes",
    ),
)
async def bulk_cancel(request: Ask) -> Response[bytes]:
    return await _operate(request, Operation.CANCEL)


@post(
    "/api/process/bulkResume",
    opt=declare(
        Permission.OPERATE,
        "Go on with processes that ended without their work done; with version, by that one or the latest.",
        body=list[int],
        answer=wire.BulkAnswer,
        query={"clientId": str, "version": str, "reason": str},
        tag="processes",
    ),
)
async def bulk_resume(request: Ask) -> Response[bytes]:
    version = None if query_of(request).text("version") is None else _version(request)
    return await _operate(request, Operation.RESUME, version)


@post(
    "/api/process/bulkReviewed",
    opt=declare(
        Permission.OPERATE,
        "Mark processes that ended badly as looked at.",
        body=list[int],
        answer=wire.BulkAnswer,
        query={"clientId": str, "reason": str},
        tag="processes",
    ),
)
async def bulk_reviewed(request: Ask) -> Response[bytes]:
    return await _operate(request, Operation.REVIEW)


@post(
    "/api/process/rerun",
    opt=declare(
        Permission.RUN,
        "Run a process again as a new one, with the same input.",
        answer=wire.ProcessData,
        query={"processId": int, "version": str, "clientId": str, "reason": str},
        tag="processes",
    ),
)
async def rerun(request: Ask) -> Response[bytes]:
    query = query_of(request)
    text = query.text("processId")
    if text is None:
        raise BadRequest("the parameter processId is missing")
    version = 0 if query.text("version") == LATEST else query.number("version") or None
    actor = actor_of(request)
    process = await desk_of(request).runtime.rerun(identifier(text, "process"), version, actor.who, actor.why)
    return answer(wire.process_data(process))


@post(
    "/api/process/resumeWithVersion",
    opt=declare(
        Permission.OPERATE,
        "Go on with a process that ended without its work done, by another version of its definition.",
        answer=wire.ProcessData,
        query={"processId": int, "version": str, "clientId": str, "reason": str},
        tag="processes",
    ),
)
async def resume_with_version(request: Ask) -> Response[bytes]:
    query, desk = query_of(request), desk_of(request)
    text = query.text("processId")
    if text is None:
        raise BadRequest("the parameter processId is missing")
    process_id = identifier(text, "process")
    await desk.runtime.tell(process_id, ResumeRequested(follow=_version(request)), actor_of(request))
    return answer(wire.process_data(await process_of(desk, process_id)))


def _version(request: Ask) -> int:
    """The parameter `version`; 0 = the newest."""
    query = query_of(request)
    version = None if query.text("version") == LATEST else query.number("version")
    if version is not None and version < 0:
        raise BadRequest("the parameter version must be a version, or latest")
    return version or 0


async def _operate(request: Ask, operation: Operation, version: int | None = None) -> Response[bytes]:
    ids, misread = _ids(await json_of(request))
    runtime = desk_of(request).runtime
    operated = await runtime.operate(operation, ids, actor_of(request), version) if ids else []
    return answer(wire.bulk_answer(operated, misread))


def _ids(body: Any) -> tuple[list[int], list[str]]:
    """The ids of a request, and the entries that are none."""
    if not isinstance(body, list):
        raise BadRequest("the body must be an array of process ids")
    ids: list[int] = []
    misread: list[str] = []
    for entry in body:
        try:
            ids.append(identifier(entry, "process"))
        except NotFound:
            misread.append(str(entry)[:60])
    return list(dict.fromkeys(ids)), misread


def _finished(reads: Reads, steps: Sequence[StepContext]) -> Finished:
    """The executions before the present one of those steps that have any."""
    several = [step.id for step in steps if step.execution > 1]
    return reads.executions(several, PAGE - 1) if several else {}


def _records(
    steps: Sequence[StepContext], finished: Finished, plan: Plan, snapshots: bool, hide: bool
) -> list[wire.StepData]:
    return [wire.step_data(step, finished.get(step.id, ()), plan, snapshots, hide) for step in steps]


async def definitions_with(desk: Desk, names: Sequence[str], refs: Sequence[str]) -> list[int]:
    """Ids of the definitions that hold a step of one of these names, and one of these refs."""
    stored = await desk.runtime.read(lambda reads: reads.all_definitions())
    found = []
    for definition in stored:
        steps = (await desk.runtime.plan(definition.id)).steps
        has_name = not names or any(step.definition.name in names for step in steps.values())
        if has_name and (not refs or any(ref in steps for ref in refs)):
            found.append(definition.id)
    return found


HANDLERS = (
    context,
    step_context,
    search,
    bulk_terminate,
    bulk_cancel,
    bulk_resume,
    bulk_reviewed,
    rerun,
    resume_with_version,
)
