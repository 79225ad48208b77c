"""Client applications: create, list, revoke."""

import re
import secrets

from litestar import Response, delete, get, post
from litestar.params import FromPath

from stepwell.model.client import GRANTABLE, ClientApplication, Permission
from stepwell.model.codec import Record, decode_as
from stepwell.model.errors import Invalid, Problem
from stepwell.runtime.catalog import create_client, revoke_client
from stepwell.server.asks import Ask, answer, body_of, caller_of, desk_of
from stepwell.server.declare import declare
from stepwell.server.door import check_json
from stepwell.server.query import LARGEST_ID

USUAL = (Permission.WORK, Permission.RUN, Permission.READ)
"""What a client application may do unless its creator says otherwise."""


class ClientRequest(Record, frozen=True, rename="camel"):
    client_id: str | None = None
    permissions: list[str] | None = None
    """Absent: work, run and read."""
    expires: int | None = None
    """Epoch ms; 0 or absent = never."""


class ClientData(Record, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    client_id: str
    permissions: list[str]
    created: int
    expires: int | None
    revoked: int | None
    token: str | None = None
    """Only in the answer that created it: it cannot be shown again."""


@post(
    "/api/clients",
    status_code=200,
    opt=declare(
        Permission.ADMIN,
        "Create a client application. Its token is shown in this answer only.",
        body=ClientRequest,
        answer=ClientData,
        tag="clients",
    ),
)
async def create(request: Ask) -> Response[bytes]:
    desk = desk_of(request)
    body = await body_of(request) or b"{}"
    check_json(body, desk.settings.depth_limit)
    asked = decode_as(body, ClientRequest)
    problems = _problems(asked)
    if problems:
        raise Invalid(problems=tuple(problems))
    client_id = asked.client_id or f"client-{secrets.token_hex(6)}"
    granted = USUAL if asked.permissions is None else tuple(Permission(p) for p in asked.permissions)
    token = secrets.token_urlsafe(32)
    by, expires = caller_of(request).client_id, asked.expires or 0
    made = await desk.runtime.write(
        lambda turn, now: create_client(turn, now, client_id, token, granted, expires, by)
    )
    desk.doorkeeper.forget()
    return answer(client_data(made, token))


@get(
    "/api/clients",
    opt=declare(Permission.ADMIN, "All client applications.", answer=list[ClientData], tag="clients"),
)
async def listed(request: Ask) -> Response[bytes]:
    found = await desk_of(request).runtime.read(lambda reads: reads.clients())
    return answer([client_data(client) for client in found])


@delete(
    "/api/clients/{client_id:str}",
    status_code=200,
    opt=declare(
        Permission.ADMIN,
        "Revoke a client application: its credentials stop working at once.",
        answer=ClientData,
        tag="clients",
    ),
)
async def revoke(request: Ask, client_id: FromPath[str]) -> Response[bytes]:
    desk = desk_of(request)
    by = caller_of(request).client_id
    revoked = await desk.runtime.write(lambda turn, now: revoke_client(turn, now, client_id, by))
    desk.doorkeeper.forget()
    return answer(client_data(revoked))


def client_data(client: ClientApplication, token: str | None = None) -> ClientData:
    return ClientData(
        client_id=client.client_id,
        permissions=sorted(permission.value for permission in client.permissions),
        created=client.created,
        expires=client.expires or None,
        revoked=client.revoked or None,
        token=token,
    )


def _problems(asked: ClientRequest) -> list[Problem]:
    problems = []
    if asked.client_id is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", asked.client_id):
        problems.append(Problem("clientId", "must be 1 to 128 letters, digits, '.', '_' or '-'"))
    if asked.expires is not None and not 0 <= asked.expires <= LARGEST_ID:
        problems.append(Problem("expires", "must be a time in epoch milliseconds, or 0 for never"))
    for index, name in enumerate(asked.permissions or ()):
        if name not in [permission.value for permission in GRANTABLE]:
            known = ", ".join(permission.value for permission in GRANTABLE)
            problems.append(Problem(f"permissions[{index}]", f"must be one of {known}"))
    return problems


HANDLERS = (create, listed, revoke)
