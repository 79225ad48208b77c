"""Retention rules: how long the finished processes of a namespace, or of one definition in it, are kept."""

from typing import Any

from litestar import Response, delete, get, put
from litestar.params import FromPath

from stepwell.definition.names import name_problems, namespace_problems
from stepwell.model.client import Permission
from stepwell.model.codec import Record
from stepwell.model.errors import Conflict, Invalid
from stepwell.model.retention import RetentionRule
from stepwell.runtime.retention import delete_rule, put_rule, read_rules
from stepwell.server.asks import Ask, answer, caller_of, desk_of, json_of, query_of
from stepwell.server.declare import declare
from stepwell.server.problems import BadRequest
from stepwell.server.routes.variables import why_of

WHOLE = ""
"""The name that stands for all of a namespace."""


class RetentionRequest(Record, frozen=True, rename="camel"):
    keep_ms: int
    archive: bool = False
    why: str = ""


@get(
    "/api/retention",
    opt=declare(
        Permission.READ,
        "All retention rules, or those of a namespace; an empty name is the rule of the namespace itself.",
        answer=list[RetentionRule],
        query={"namespace": str},
        tag="retention",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    rules = await desk_of(request).runtime.read(read_rules)
    return answer([rule for rule in rules if namespace in (None, "", rule.namespace)])


@put(
    ["/api/retention/{namespace:str}", "/api/retention/{namespace:str}/{name:str}"],
    opt=declare(
        Permission.ADMIN,
        "How long finished processes are kept: `keepMs` from their ends on, 0 = for ever; `archive` = a copy first.",
        body=RetentionRequest,
        answer=RetentionRule,
        tag="retention",
    ),
)
async def write(request: Ask, namespace: FromPath[str], name: FromPath[str] = WHOLE) -> Response[bytes]:
    problems = namespace_problems(namespace, "namespace") + (name_problems(name, "name") if name else [])
    if problems:
        raise Invalid(problems=tuple(problems))
    desk, (keep_ms, archive, why) = desk_of(request), _read(await json_of(request))
    if archive and not desk.settings.archive:
        raise Conflict("this server has no archive: STEPWELL_ARCHIVE names its folder", code="NO_ARCHIVE")
    rule = RetentionRule(namespace=namespace, name=name, keep_ms=keep_ms, archive=archive)
    by = caller_of(request).client_id
    return answer(await desk.runtime.write(lambda turn, now: put_rule(turn, now, rule, by, why)))


@delete(
    ["/api/retention/{namespace:str}", "/api/retention/{namespace:str}/{name:str}"],
    status_code=200,
    opt=declare(
        Permission.ADMIN,
        "Delete a rule: the next wider one holds from now on.",
        answer=dict[str, Any],
        query={"why": str},
        tag="retention",
    ),
)
async def remove(request: Ask, namespace: FromPath[str], name: FromPath[str] = WHOLE) -> Response[bytes]:
    by, why = caller_of(request).client_id, why_of(query_of(request).text("why"))
    await desk_of(request).runtime.write(lambda turn, now: delete_rule(turn, now, namespace, name, by, why))
    return answer({"namespace": namespace, "name": name, "deleted": True})


def _read(body: Any) -> tuple[int, bool, str]:
    if not isinstance(body, dict):
        raise BadRequest('the body must be {"keepMs": …, "archive": …}')
    keep_ms, archive = body.get("keepMs"), body.get("archive", False)
    if not isinstance(keep_ms, int) or isinstance(keep_ms, bool):
        raise BadRequest("keepMs must be a whole number of milliseconds; 0 = for ever")
    if not isinstance(archive, bool):
        raise BadRequest("archive must be true or false")
    return keep_ms, archive, why_of(body.get("why"))


HANDLERS = (listed, write, remove)
