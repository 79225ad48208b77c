"""The audit: who did what, to what, and why."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from stepwell.model.audit import Audit
from stepwell.model.client import Permission
from stepwell.model.codec import Raw, Record, raw
from stepwell.server.asks import Ask, answer, desk_of, query_of
from stepwell.server.declare import declare
from stepwell.server.query import identifier

PAGE = 100
LARGEST_PAGE = 1_000


class AuditData(Record, frozen=True, kw_only=True, rename="camel"):
    id: int
    at: int
    who: str
    what: str
    process_id: int | None
    target: str
    why: str
    detail: Raw


class AuditAnswer(Record, frozen=True, kw_only=True, rename="camel"):
    """`AuditData` as the documentation describes it."""

    id: int
    at: int
    who: str
    what: str
    process_id: int | None
    target: str
    why: str
    detail: dict[str, Any]


@get(
    "/api/audit",
    opt=declare(
        Permission.ADMIN,
        "What was done to anything, or to one process, newest first.",
        answer=list[AuditAnswer],
        query={"processId": int, "limit": int, "before": int},
        tag="audit",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    text = query_of(request).text("processId")
    return await _lines(request, None if text is None else identifier(text, "process"))


@get(
    "/api/process/{process_id:str}/audit",
    opt=declare(
        Permission.READ,
        "What was done to a process, newest first.",
        answer=list[AuditAnswer],
        query={"limit": int, "before": int},
        tag="audit",
    ),
)
async def of_process(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    return await _lines(request, identifier(process_id, "process"))


async def _lines(request: Ask, process_id: int | None) -> Response[bytes]:
    query = query_of(request)
    asked = query.number("limit", PAGE)
    limit = min(max(PAGE if asked is None else asked, 0), LARGEST_PAGE)
    before = query.number("before", 0) or 0
    found = await desk_of(request).runtime.read(lambda reads: reads.audit(process_id, limit, before))
    return answer([_data(line) for line in found])


def _data(line: Audit) -> AuditData:
    return AuditData(
        id=line.id,
        at=line.at,
        who=line.who,
        what=line.what,
        process_id=line.process_id or None,
        target=line.target,
        why=line.why,
        detail=raw(line.detail),
    )


HANDLERS = (listed, of_process)
