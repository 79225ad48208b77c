"""Variables: values that the processes of a namespace share, in clear."""

from typing import Any

from litestar import Response, delete, get, put
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.codec import Raw, Record, raw
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import NotFound
from stepwell.runtime.entries import delete_entry, put_variable
from stepwell.server.asks import Ask, answer, caller_of, desk_of, json_of, query_of
from stepwell.server.declare import declare
from stepwell.server.problems import BadRequest

LONGEST_WHY = 1_000


class VariableRequest(Record, frozen=True):
    value: Any
    why: str = ""


class VariableData(Record, frozen=True, kw_only=True, rename="camel"):
    namespace: str
    name: str
    value: Raw
    version: int
    created: int
    updated: int
    updated_by: str


class VariableAnswer(Record, frozen=True, kw_only=True, rename="camel"):
    """`VariableData` as the documentation describes it."""

    namespace: str
    name: str
    value: Any
    version: int
    created: int
    updated: int
    updated_by: str


@put(
    "/api/variables/{namespace:str}/{name:str}",
    opt=declare(
        Permission.DEFINE,
        "Create or replace a variable: any JSON value.",
        body=VariableRequest,
        answer=VariableAnswer,
        tag="variables",
    ),
)
async def write(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    value, why = await value_of(request)
    by = caller_of(request).client_id
    stored = await desk_of(request).runtime.write(
        lambda turn, now: put_variable(turn, now, namespace, name, value, by, why)
    )
    return answer(data_of(stored))


@get(
    "/api/variables",
    opt=declare(
        Permission.READ,
        "All variables, or those of a namespace.",
        answer=list[VariableAnswer],
        query={"namespace": str},
        tag="variables",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    found = await desk_of(request).runtime.read(lambda reads: reads.entries(EntryKind.VARIABLE, namespace))
    return answer([data_of(entry) for entry in found])


@get(
    "/api/variables/{namespace:str}/{name:str}",
    opt=declare(Permission.READ, "One variable.", answer=VariableAnswer, tag="variables"),
)
async def one(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    found = await desk_of(request).runtime.read(
        lambda reads: reads.entry(EntryKind.VARIABLE, namespace, name)
    )
    if found is None:
        raise NotFound(f"there is no variable {namespace}/{name}")
    return answer(data_of(found))


@delete(
    "/api/variables/{namespace:str}/{name:str}",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Delete a variable. Templates that name it find nothing from now on.",
        answer=dict[str, Any],
        query={"why": str},
        tag="variables",
    ),
)
async def remove(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    by, why = caller_of(request).client_id, why_of(query_of(request).text("why"))
    await desk_of(request).runtime.write(
        lambda turn, now: delete_entry(turn, now, EntryKind.VARIABLE, namespace, name, by, why)
    )
    return answer({"namespace": namespace, "name": name, "deleted": True})


async def value_of(request: Ask) -> tuple[Any, str]:
    """`{"value": …, "why": …}`. What is wrong with it is told without showing it."""
    body = await json_of(request)
    if not isinstance(body, dict) or "value" not in body:
        raise BadRequest('the body must be {"value": …}')
    return body["value"], why_of(body.get("why"))


def why_of(text: object) -> str:
    return str(text or "")[:LONGEST_WHY].replace("\0", "")


def data_of(entry: Entry) -> VariableData:
    return VariableData(
        namespace=entry.namespace,
        name=entry.name,
        value=raw(entry.body),
        version=entry.version,
        created=entry.created,
        updated=entry.updated,
        updated_by=entry.updated_by,
    )


HANDLERS = (write, listed, one, remove)
