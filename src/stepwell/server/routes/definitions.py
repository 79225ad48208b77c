"""Process definitions: store, read, hide."""

from typing import Any

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.codec import Record
from stepwell.model.definition import DEFAULT_NAMESPACE, ProcessDefinition, StoredDefinition
from stepwell.model.errors import Invalid, NotFound, Problem, StepwellError
from stepwell.runtime.catalog import delete_definitions, put_definition
from stepwell.server import wire
from stepwell.server.asks import Ask, answer, caller_of, desk_of, query_of, written_of
from stepwell.server.declare import declare
from stepwell.server.definitions import checked_definition
from stepwell.server.hot import Desk
from stepwell.server.query import whole_number


class UpsertAnswer(Record, frozen=True, kw_only=True):
    """What became of one definition of a bulk request."""

    namespace: str
    name: str
    version: int | None = None
    error: str | None = None
    code: str | None = None
    problems: tuple[Problem, ...] = ()


@post(
    "/api/processDefinitions",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Store a definition (JSON or YAML). Without a version: the latest plus one.",
        body=ProcessDefinition,
        answer=ProcessDefinition,
        tag="definitions",
    ),
)
async def create(request: Ask) -> Response[bytes]:
    return answer(wire.definition_data(await _store(request, await written_of(request), update=False)))


@put(
    "/api/processDefinitions",
    opt=declare(
        Permission.DEFINE,
        "Store a new version of a definition. A version once stored never changes.",
        body=ProcessDefinition,
        answer=ProcessDefinition,
        tag="definitions",
    ),
)
async def update(request: Ask) -> Response[bytes]:
    return answer(wire.definition_data(await _store(request, await written_of(request), update=True)))


@post(
    "/api/processDefinitions/bulk/upsert",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Store many definitions. Each is answered by itself; one that is refused harms no other.",
        body=list[ProcessDefinition],
        answer=list[UpsertAnswer],
        tag="definitions",
    ),
)
async def upsert(request: Ask) -> Response[bytes]:
    values = await written_of(request)
    if not isinstance(values, list):
        raise Invalid(problems=(Problem("", "must be a list of definitions", "WRONG_KIND"),))
    return answer([await _upsert_one(request, value, f"[{i}]") for i, value in enumerate(values)])


@delete(
    "/api/processDefinitions",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Delete definitions, or with versionOnly just the versions named. Running processes keep theirs.",
        body=list[ProcessDefinition],
        answer=dict[str, Any],
        query={"versionOnly": bool},
        tag="definitions",
    ),
)
async def remove(request: Ask) -> Response[bytes]:
    values = await written_of(request)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise Invalid(problems=(Problem("", "must be a list of definitions", "WRONG_KIND"),))
    version_only = query_of(request).flag("versionOnly")
    by = caller_of(request).client_id
    details = [await _remove_one(desk_of(request), value, version_only, by) for value in values]
    return answer({"count": sum(detail["deleted"] for detail in details), "details": details})


@get(
    "/api/processDefinitions",
    opt=declare(
        Permission.READ,
        "The latest version of every definition.",
        answer=list[ProcessDefinition],
        query={"namespace": str},
        tag="definitions",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    found = await desk_of(request).runtime.read(lambda reads: reads.definitions(namespace))
    return answer([wire.definition_data(stored) for stored in found])


@get(
    "/api/processDefinitions/{namespace:str}/{name:str}",
    opt=declare(
        Permission.READ,
        "One definition: the version asked for, else the latest.",
        answer=ProcessDefinition,
        query={"version": int},
        tag="definitions",
    ),
)
async def one(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    version = query_of(request).number("version") or None
    stored = await desk_of(request).runtime.read(
        lambda reads: reads.find_definition(namespace, name, version)
    )
    if stored is None:
        raise NotFound(_unknown(namespace, name, version))
    return answer(wire.definition_data(stored))


@get(
    "/api/processDefinitions/{namespace:str}/{name:str}/versions",
    opt=declare(Permission.READ, "All versions, ascending.", answer=list[int], tag="definitions"),
)
async def versions(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    found = await desk_of(request).runtime.read(lambda reads: reads.versions(namespace, name))
    if not found:
        raise NotFound(_unknown(namespace, name, None))
    return answer(found)


async def _store(request: Ask, value: Any, *, update: bool, at: str = "") -> StoredDefinition:
    desk = desk_of(request)
    definition = await checked_definition(desk.runtime, value, at, desk.work)
    by = caller_of(request).client_id
    return await desk.runtime.write(
        lambda turn, now: put_definition(turn, now, definition, by, update=update)
    )


async def _upsert_one(request: Ask, value: Any, at: str) -> UpsertAnswer:
    given = value if isinstance(value, dict) else {}
    namespace, name = str(given.get("namespace") or DEFAULT_NAMESPACE), str(given.get("name") or "")
    try:
        stored = await _store(request, value, update=False, at=at)
    except StepwellError as error:
        problems = error.problems if isinstance(error, Invalid) else ()
        return UpsertAnswer(
            namespace=namespace, name=name, error=error.message, code=error.code, problems=problems
        )
    return UpsertAnswer(namespace=stored.namespace, name=stored.name, version=stored.version)


async def _remove_one(desk: Desk, value: dict[str, Any], version_only: bool, by: str) -> dict[str, Any]:
    namespace, name = str(value.get("namespace") or DEFAULT_NAMESPACE), str(value.get("name") or "")
    version = whole_number(str(value.get("version") or "")) if version_only else None
    told: dict[str, Any] = {"namespace": namespace, "name": name, "version": version, "deleted": 0}
    if version_only and version is None:
        return told | {"error": "names no version"}
    try:
        deleted = await desk.runtime.write(
            lambda turn, now: delete_definitions(turn, now, namespace, name, version, by)
        )
    except NotFound as error:
        return told | {"error": error.message}
    return told | {"deleted": deleted, "error": None}


def _unknown(namespace: str, name: str, version: int | None) -> str:
    which = f" version {version}" if version else ""
    return f"there is no definition {name!r}{which} in namespace {namespace!r}"


HANDLERS = (create, update, upsert, remove, listed, one, versions)
