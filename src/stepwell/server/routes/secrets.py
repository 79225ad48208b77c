"""Secrets: written, replaced, deleted; never read back, by anybody."""

from typing import Any

from litestar import Response, delete, get, put
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.codec import Record
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import NotFound
from stepwell.runtime.entries import delete_entry, put_secret
from stepwell.server.asks import Ask, answer, caller_of, desk_of, query_of
from stepwell.server.declare import declare
from stepwell.server.routes.variables import value_of, why_of


class SecretRequest(Record, frozen=True):
    value: str
    why: str = ""


class SecretData(Record, frozen=True, kw_only=True, rename="camel"):
    """All that is ever said of a secret."""

    namespace: str
    name: str
    version: int
    created: int
    updated: int
    updated_by: str


@put(
    "/api/secrets/{namespace:str}/{name:str}",
    opt=declare(
        Permission.ADMIN,
        "Create or replace a secret: a text of at most 64 KiB.",
        body=SecretRequest,
        answer=SecretData,
        tag="secrets",
    ),
)
async def write(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    value, why = await value_of(request)
    by, runtime = caller_of(request).client_id, desk_of(request).runtime
    stored = await runtime.write(
        lambda turn, now: put_secret(turn, now, runtime.vault, namespace, name, value, by, why)
    )
    return answer(_data(stored))


@get(
    "/api/secrets",
    opt=declare(
        Permission.READ,
        "Names and versions of all secrets, or of those of a namespace. Never a value.",
        answer=list[SecretData],
        query={"namespace": str},
        tag="secrets",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    found = await desk_of(request).runtime.read(lambda reads: reads.entries(EntryKind.SECRET, namespace))
    return answer([_data(entry) for entry in found])


@get(
    "/api/secrets/{namespace:str}/{name:str}",
    opt=declare(
        Permission.READ, "Name and version of one secret. Never its value.", answer=SecretData, tag="secrets"
    ),
)
async def one(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    found = await desk_of(request).runtime.read(lambda reads: reads.entry(EntryKind.SECRET, namespace, name))
    if found is None:
        raise NotFound(f"there is no secret {namespace}/{name}")
    return answer(_data(found))


@delete(
    "/api/secrets/{namespace:str}/{name:str}",
    status_code=200,
    opt=declare(
        Permission.ADMIN,
        "Delete a secret. Steps that name it fail before they are handed out.",
        answer=dict[str, Any],
        query={"why": str},
        tag="secrets",
    ),
)
async def remove(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    by, why = caller_of(request).client_id, why_of(query_of(request).text("why"))
    await desk_of(request).runtime.write(
        lambda turn, now: delete_entry(turn, now, EntryKind.SECRET, namespace, name, by, why)
    )
    return answer({"namespace": namespace, "name": name, "deleted": True})


def _data(entry: Entry) -> SecretData:
    return SecretData(
        namespace=entry.namespace,
        name=entry.name,
        version=entry.version,
        created=entry.created,
        updated=entry.updated,
        updated_by=entry.updated_by,
    )


HANDLERS = (write, listed, one, remove)
