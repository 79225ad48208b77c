"""Marks on steps of a definition: held or left out in every process that comes to them."""

from typing import Any

from litestar import Response, delete, get, put
from litestar.params import FromPath

from stepwell.engine.effects import Mark
from stepwell.model.client import Permission
from stepwell.model.codec import Record, decode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import NotFound
from stepwell.runtime.catalog import drop_mark, put_mark
from stepwell.server.asks import LONGEST_REASON, Ask, actor_of, answer, caller_of, desk_of, json_of, query_of
from stepwell.server.declare import declare
from stepwell.server.hot import Desk
from stepwell.server.problems import BadRequest


class HoldRequest(Record, frozen=True):
    mark: Mark = Mark.HOLD
    reason: str = ""


class HoldData(Record, frozen=True, kw_only=True, rename="camel"):
    namespace: str
    process: str
    """Of the definition."""
    ref: str
    mark: Mark
    reason: str
    at: int
    by: str


@get(
    "/api/holds",
    opt=declare(
        Permission.READ,
        "All marks, or those of a namespace.",
        answer=list[HoldData],
        query={"namespace": str},
        tag="holds",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    rows = await desk_of(request).runtime.read(lambda reads: reads.entries(EntryKind.HOLD, namespace))
    return answer([_data(row) for row in rows])


@get(
    "/api/holds/{namespace:str}/{process:str}/{ref:path}",
    opt=declare(Permission.READ, "The mark on one step.", answer=HoldData, tag="holds"),
)
async def one(
    request: Ask, namespace: FromPath[str], process: FromPath[str], ref: FromPath[str]
) -> Response[bytes]:
    return answer(await _mark(desk_of(request), namespace, process, _bare(ref)))


@put(
    "/api/holds/{namespace:str}/{process:str}/{ref:path}",
    opt=declare(
        Permission.OPERATE,
        "Hold a step of a definition, or leave it out, in every process that comes to it from now on.",
        body=HoldRequest,
        answer=HoldData,
        tag="holds",
    ),
)
async def update(
    request: Ask, namespace: FromPath[str], process: FromPath[str], ref: FromPath[str]
) -> Response[bytes]:
    desk, step = desk_of(request), _bare(ref)
    given = await json_of(request)
    mark, reason = _read(given)
    await _must_exist(desk, namespace, process, step)
    by = caller_of(request).client_id
    await desk.runtime.write(
        lambda turn, now: put_mark(turn, now, namespace, process, step, mark, by, reason)
    )
    return answer(await _mark(desk, namespace, process, step))


@delete(
    "/api/holds/{namespace:str}/{process:str}/{ref:path}",
    status_code=200,
    opt=declare(
        Permission.OPERATE,
        "Clear the mark; held steps go on within 15 seconds. Without a mark nothing changes.",
        answer=dict[str, Any],
        query={"reason": str},
        tag="holds",
    ),
)
async def remove(
    request: Ask, namespace: FromPath[str], process: FromPath[str], ref: FromPath[str]
) -> Response[bytes]:
    step, actor = _bare(ref), actor_of(request)
    cleared = await desk_of(request).runtime.write(
        lambda turn, now: drop_mark(turn, now, namespace, process, step, actor.who, actor.why)
    )
    return answer({"namespace": namespace, "process": process, "ref": step, "cleared": cleared})


def _bare(ref: str) -> str:
    """A ref may hold slashes, so it is the rest of the path; that begins with one."""
    return ref.removeprefix("/")


def _read(given: Any) -> tuple[Mark, str]:
    if not isinstance(given, dict):
        raise BadRequest("an object is expected")
    try:
        mark = Mark(given.get("mark") or Mark.HOLD)
    except ValueError:
        raise BadRequest(f"mark must be {Mark.HOLD} or {Mark.SKIP}") from None
    return mark, str(given.get("reason") or "")[:LONGEST_REASON].replace("\0", "")


async def _must_exist(desk: Desk, namespace: str, process: str, ref: str) -> None:
    """A mark on a step that no version has would hold nothing, and nobody would notice. Raises NotFound."""
    versions = await desk.runtime.read(lambda reads: reads.versions(namespace, process))
    if not versions:
        raise NotFound(f"there is no process definition {namespace}/{process}")
    for version in reversed(versions):
        stored = await desk.runtime.read(
            lambda reads, version=version: reads.find_definition(namespace, process, version)  # type: ignore[misc]
        )
        if stored is not None and ref in (await desk.runtime.plan(stored.id)).steps:
            return
    raise NotFound(f"no version of {namespace}/{process} has a step {ref}")


async def _mark(desk: Desk, namespace: str, process: str, ref: str) -> HoldData:
    name = f"{process}/{ref}"
    row = await desk.runtime.read(lambda reads: reads.entry(EntryKind.HOLD, namespace, name))
    if row is None:
        raise NotFound(f"there is no mark on {namespace}/{name}")
    return _data(row)


def _data(row: Entry) -> HoldData:
    process, _, ref = row.name.partition("/")
    said = decode(row.body)
    return HoldData(
        namespace=row.namespace,
        process=process,
        ref=ref,
        mark=Mark(said["mark"]),
        reason=said.get("why") or "",
        at=row.updated,
        by=row.updated_by,
    )


HANDLERS = (listed, one, update, remove)
