"""Persisted state: values that outlive processes, kept by PERSISTED_STATE steps and mended by people."""

from typing import Any
from urllib.parse import unquote

from litestar import Response, delete, get, put
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import NotFound
from stepwell.runtime.entries import delete_entry, put_state
from stepwell.server.asks import Ask, answer, caller_of, desk_of, query_of
from stepwell.server.declare import declare
from stepwell.server.routes.variables import (
    VariableAnswer,
    VariableRequest,
    data_of,
    value_of,
    why_of,
)

PAGE = 100
LARGEST_PAGE = 1_000
_ONE = "/api/persistedState/{namespace:str}/{name:path}"
"""Names come from processes and may hold slashes."""


@get(
    "/api/persistedState/{namespace:str}",
    opt=declare(
        Permission.READ,
        "A page of the persisted values of a namespace, by name; `after` is the last name known already.",
        answer=list[VariableAnswer],
        query={"prefix": str, "after": str, "limit": int},
        tag="persisted state",
    ),
)
async def listed(request: Ask, namespace: FromPath[str]) -> Response[bytes]:
    query = query_of(request)
    prefix, after = query.text("prefix") or "", query.text("after") or ""
    asked = query.number("limit", PAGE)
    limit = min(max(PAGE if asked is None else asked, 0), LARGEST_PAGE)

    def page(found: list[Entry]) -> list[Entry]:
        return [entry for entry in found if entry.name > after][:limit]

    runtime = desk_of(request).runtime
    found = await runtime.read(lambda reads: page(reads.entries(EntryKind.STATE, namespace, prefix)))
    return answer([data_of(entry) for entry in found])


@get(_ONE, opt=declare(Permission.READ, "One persisted value.", answer=VariableAnswer, tag="persisted state"))
async def one(request: Ask, namespace: FromPath[str]) -> Response[bytes]:
    name = _name_in(request, namespace)
    found = await desk_of(request).runtime.read(lambda reads: reads.entry(EntryKind.STATE, namespace, name))
    if found is None:
        raise NotFound(f"there is no persisted value {namespace}/{name}")
    return answer(data_of(found))


@put(
    _ONE,
    opt=declare(
        Permission.OPERATE,
        "Create or replace a persisted value: any JSON value.",
        body=VariableRequest,
        answer=VariableAnswer,
        tag="persisted state",
    ),
)
async def write(request: Ask, namespace: FromPath[str]) -> Response[bytes]:
    value, why = await value_of(request)
    name, by = _name_in(request, namespace), caller_of(request).client_id
    stored = await desk_of(request).runtime.write(
        lambda turn, now: put_state(turn, now, namespace, name, value, by, why)
    )
    return answer(data_of(stored))


@delete(
    _ONE,
    status_code=200,
    opt=declare(
        Permission.OPERATE,
        "Delete a persisted value. Processes that read it find nothing from now on.",
        answer=dict[str, Any],
        query={"why": str},
        tag="persisted state",
    ),
)
async def remove(request: Ask, namespace: FromPath[str]) -> Response[bytes]:
    name, by = _name_in(request, namespace), caller_of(request).client_id
    why = why_of(query_of(request).text("why"))
    await desk_of(request).runtime.write(
        lambda turn, now: delete_entry(turn, now, EntryKind.STATE, namespace, name, by, why)
    )
    return answer({"namespace": namespace, "name": name, "deleted": True})


def _name_in(request: Ask, namespace: str) -> str:
    """Everything after the namespace as it was sent: the framework drops slashes at the end and doubled ones."""
    sent, before = unquote(request.scope["raw_path"]), f"/api/persistedState/{namespace}/"
    if not sent.startswith(before):
        raise NotFound(f"there is no persisted value {sent[:300]!r}")
    return sent.removeprefix(before)


HANDLERS = (listed, one, write, remove)
