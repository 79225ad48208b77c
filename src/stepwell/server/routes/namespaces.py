"""Namespaces: made by the first definition in them, or here."""

from litestar import Response, get, post

from stepwell.definition.names import namespace_problems
from stepwell.model.client import Permission
from stepwell.model.codec import Record
from stepwell.model.errors import Invalid
from stepwell.model.namespace import Namespace
from stepwell.runtime.catalog import put_namespace
from stepwell.server.asks import Ask, answer, caller_of, desk_of, json_of
from stepwell.server.declare import declare
from stepwell.server.problems import BadRequest


class NamespaceRequest(Record, frozen=True):
    name: str
    description: str = ""


@get(
    "/api/namespaces",
    opt=declare(Permission.READ, "All namespaces.", answer=list[Namespace], tag="namespaces"),
)
async def listed(request: Ask) -> Response[bytes]:
    return answer(await desk_of(request).runtime.read(lambda reads: reads.namespaces()))


@post(
    "/api/namespaces",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Make a namespace; one that exists stays as it is.",
        body=NamespaceRequest,
        answer=Namespace,
        tag="namespaces",
    ),
)
async def create(request: Ask) -> Response[bytes]:
    body = await json_of(request)
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequest("the body must be an object with a name")
    problems = namespace_problems(name, "name")
    if problems:
        raise Invalid(problems=tuple(problems))
    description, by = str(body.get("description") or ""), caller_of(request).client_id
    made = await desk_of(request).runtime.write(
        lambda turn, now: put_namespace(turn, now, name, description, by)
    )
    return answer(made)


HANDLERS = (listed, create)
