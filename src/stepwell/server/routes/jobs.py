"""Jobs: one operation on every process that a search finds, or on given ids, durably."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.codec import Record, change, encode
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessStatus
from stepwell.model.search import ProcessSearch
from stepwell.runtime.jobs import Job, JobItem, JobOperation, JobStatus, read_items, read_job, read_jobs
from stepwell.server import wire
from stepwell.server.asks import LONGEST_REASON, Ask, answer, caller_of, desk_of, json_of, query_of
from stepwell.server.declare import declare
from stepwell.server.hot import Desk
from stepwell.server.problems import BadRequest
from stepwell.server.query import Query, identifier
from stepwell.server.routes.processes import definitions_with

PAGE = 50
LARGEST_PAGE = 1_000
MOST_ITEMS = 1_000
"""Items that one answer shows."""

_OPEN = (ProcessStatus.RUNNING.value,)
_BAD = tuple(status.value for status in ProcessStatus if status.is_resumable)
STATUSES = {
    JobOperation.TERMINATE: _OPEN,
    JobOperation.CANCEL: _OPEN,
    JobOperation.PAUSE: _OPEN,
    JobOperation.UNPAUSE: _OPEN,
    JobOperation.RESUME: _BAD,
    JobOperation.REVIEW: _BAD,
}
"""What a search looks for when it names no statuses: what the operation can be done to."""


class JobRequest(Record, frozen=True):
    operation: JobOperation
    ids: list[int] | None = None
    search: dict[str, Any] | None = None
    """The parameters of the search for processes, without limit and offset."""
    reason: str = ""
    version: int | None = None
    """RERUN and RESUME: of the definition; 0 = the newest, absent = each process's own."""


class JobData(Record, frozen=True, kw_only=True, rename="camel"):
    id: int
    operation: JobOperation
    status: JobStatus
    reason: str
    version: int | None
    total: int | None
    """Of a search it is known at the end."""
    done: int
    failed: int
    created: int
    created_by: str
    updated: int
    ended: int
    items: list["JobItemData"] | None = None
    """When they were asked for: up to 1,000, newest process first."""


class JobItemData(Record, frozen=True, rename="camel"):
    process_id: int
    error: str | None
    code: str | None
    started_process_id: int | None
    """RERUN: the new process."""


@post(
    "/api/jobs",
    status_code=200,
    opt=declare(
        Permission.OPERATE,
        "Do one operation to every process that a search finds, or to given ids. Answers at once.",
        body=JobRequest,
        answer=JobData,
        tag="jobs",
    ),
)
async def create(request: Ask) -> Response[bytes]:
    desk, given = desk_of(request), await json_of(request)
    if not isinstance(given, dict):
        raise BadRequest("an object is expected")
    operation, version = _operation(given.get("operation")), given.get("version")
    if version is not None and (type(version) is not int or version < 0):
        raise BadRequest("version must be a whole number")
    if version is not None and operation not in (JobOperation.RERUN, JobOperation.RESUME):
        raise BadRequest(f"a version is for RERUN and RESUME; {operation} takes none")
    if (given.get("ids") is None) == (given.get("search") is None):
        raise BadRequest("say which processes: either ids or a search")
    job = Job(
        id=0,
        operation=operation,
        reason=str(given.get("reason") or "")[:LONGEST_REASON].replace("\0", ""),
        version=version,
        created_by=caller_of(request).client_id,
    )
    ids = None if given.get("ids") is None else _ids(given["ids"])
    if ids is None:
        job = await _searching(desk, job, given["search"])
    return answer(_data(await desk.runtime.jobs.create(job, ids)))


@get(
    "/api/jobs",
    opt=declare(
        Permission.READ,
        "Jobs, newest first. They are kept for 30 days after their end.",
        answer=list[JobData],
        query={"limit": int},
        tag="jobs",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    limit = min(max(query_of(request).number("limit", PAGE) or 0, 0), LARGEST_PAGE)
    jobs = await desk_of(request).runtime.read(read_jobs)
    return answer([_data(job) for job in jobs[:limit]])


@get(
    "/api/jobs/{job_id:str}",
    opt=declare(
        Permission.READ,
        "A job and its progress; with includeItems what became of each process, with failedOnly of those refused.",
        answer=JobData,
        query={"includeItems": bool, "failedOnly": bool, "offset": int},
        tag="jobs",
    ),
)
async def one(request: Ask, job_id: FromPath[str]) -> Response[bytes]:
    desk, query, id = desk_of(request), query_of(request), identifier(job_id, "job")
    job = await desk.runtime.read(lambda reads: read_job(reads, id))
    if not (query.flag("includeItems") or query.flag("failedOnly")):
        return answer(_data(job))
    items = await desk.runtime.read(lambda reads: read_items(reads, id))
    shown = [item for item in items if item.error or not query.flag("failedOnly")]
    offset = max(query.number("offset", 0) or 0, 0)
    return answer(_data(job, shown[offset : offset + MOST_ITEMS]))


def _operation(text: object) -> JobOperation:
    try:
        return JobOperation(str(text).upper())
    except ValueError:
        raise BadRequest(f"operation must be one of {', '.join(JobOperation)}") from None


def _ids(given: object) -> list[int]:
    if not isinstance(given, list) or not given:
        raise BadRequest("ids must be a list of process ids")
    try:
        return [identifier(id, "process") for id in given]
    except NotFound as error:
        raise BadRequest(error.message) from error


async def _searching(desk: Desk, job: Job, given: object) -> Job:
    """The same words as the search for processes; one condition at least, or it would be every process there is."""
    if not isinstance(given, dict) or not given:
        raise BadRequest("search must be an object with at least one condition")
    try:
        query = Query(urlencode({str(key): _text(value) for key, value in given.items()}).encode())
    except UnicodeEncodeError as error:
        raise BadRequest("search holds half of a surrogate pair") from error
    now = desk.runtime.clock.now()
    search = wire.read_search(query, now)
    search = change(
        search,
        end_ms=min(search.end_ms or now, now),
        statuses=search.statuses or STATUSES.get(job.operation, ()),
    )
    return change(job, search=search, definition_ids=await _definition_ids(desk, search))


async def _definition_ids(desk: Desk, search: ProcessSearch) -> tuple[int, ...] | None:
    if not (search.step_names or search.step_refs):
        return None
    return tuple(await definitions_with(desk, search.step_names, search.step_refs))


def _text(value: object) -> str:
    """As it would stand in a query string."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ",".join(str(item) for item in value)
    return encode(value).decode()


def _data(job: Job, items: Sequence[JobItem] | None = None) -> JobData:
    return JobData(
        id=job.id,
        operation=job.operation,
        status=job.status,
        reason=job.reason,
        version=job.version,
        total=job.total,
        done=job.done,
        failed=job.failed,
        created=job.created,
        created_by=job.created_by,
        updated=job.updated,
        ended=job.ended,
        items=None if items is None else [_item(item) for item in items],
    )


def _item(item: JobItem) -> JobItemData:
    return JobItemData(item.process_id, item.error or None, item.code or None, item.started or None)


HANDLERS = (create, listed, one)
