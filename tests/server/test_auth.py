"""Who may call what: every route says it, and nobody gets past."""

from typing import Any

import pytest
from litestar import Response, get

from stepwell.model.client import GRANTABLE, Permission, token_digest
from stepwell.runtime.catalog import revoke_client
from stepwell.runtime.runtime import Runtime
from stepwell.server.app import App
from stepwell.server.asks import Ask
from stepwell.server.auth import TRUST_S
from stepwell.server.declare import Declared, Undeclared
from stepwell.server.hot import HOT_ROUTES, HotRoute, poll
from stepwell.settings import Settings
from stepwell.store.memory import MemoryStore
from tests.server.conftest import Site, bearer

pytestmark = pytest.mark.anyio

GOOD = "client.sdk.admin." + token_digest("secret")


def test_the_known_answer_of_the_published_clients() -> None:
    digest = "65dcf16ea3dfa49069628089eb4a75483070f5584b2a21ee64912b5f621f12da"
    assert bearer("cid-1", "tok-1") == {"Authorization": f"Bearer client.sdk.cid-1.{digest}"}


async def test_no_route_but_the_public_ones_answers_without_credentials(site: Site) -> None:
    assert len(site.app.routes) > 30
    public = set()
    for route in site.app.routes:
        path = route.path.replace("{process_id}", "1").replace("{", "").replace("}", "")
        answer = await site.http.request(route.method, path, headers={"Authorization": ""})
        if route.declared.permission is Permission.PUBLIC:
            public.add(path)
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401, route
            assert answer.json()["code"] == "UNAUTHENTICATED" and answer.json()["errorMessage"]
    assert public == {"/health", "/docs", "/docs/openapi.json"}


async def test_every_route_asks_for_its_own_permission(site: Site) -> None:
    for permission in GRANTABLE:
        await site.create_client(f"only-{permission}", "t", permission)
    for route in site.app.routes:
        if route.declared.permission is Permission.PUBLIC:
            continue
        path = route.path.replace("{", "").replace("}", "")
        for permission in GRANTABLE:
            answer = await site.http.request(route.method, path, headers=bearer(f"only-{permission}", "t"))
            refused = answer.status_code == 403
            assert refused is (permission is not route.declared.permission), (route, permission, answer.text)
            assert answer.status_code < 500


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Basic abc",
        GOOD,
        "Bearer client.sdk.admin." + "0" * 64,
        "Bearer client.sdk.nobody." + token_digest("secret"),
        "Bearer client.sdk." + token_digest("secret"),
        "Bearer " + GOOD.upper(),
        "Bearer " + GOOD + "0",
        "Bearer " + GOOD[:-1],
        "Bearer client.sdk.admin\u00ff." + token_digest("secret"),
    ],
)
async def test_wrong_credentials(site: Site, header: str) -> None:
    for path in ("/api/clients/poll", "/api/process/bulkTerminate"):
        answer = await site.raw("POST", path, [], headers={"Authorization": header.encode("latin-1")})
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


async def test_a_client_id_may_hold_dots_and_the_scheme_any_case(site: Site) -> None:
    await site.create_client("a.b.c", "t", Permission.READ)
    headers = {"Authorization": "bearer client.sdk.a.b.c." + token_digest("t")}
    assert (await site.raw("GET", "/api/namespaces", headers=headers)).status_code == 200


async def test_revocation_through_the_server_counts_at_once(site: Site) -> None:
    made = await site.call("POST", "/api/clients", {"clientId": "w", "permissions": ["read"]})
    headers = bearer("w", made["token"])
    assert (await site.raw("GET", "/api/namespaces", headers=headers)).status_code == 200
    assert (await site.call("DELETE", "/api/clients/w"))["revoked"] > 0
    assert (await site.raw("GET", "/api/namespaces", headers=headers)).status_code == 401
    assert (await site.raw("DELETE", "/api/clients/nobody")).status_code == 404
    listed = {client["clientId"]: client for client in await site.call("GET", "/api/clients")}
    assert listed["w"]["revoked"] and listed["admin"]["revoked"] is None and "token" not in listed["w"]
    assert (await site.raw("POST", "/api/clients", {"clientId": "w"})).status_code == 409


async def test_what_a_created_client_may_do(site: Site) -> None:
    usual = await site.call("POST", "/api/clients")
    assert usual["permissions"] == ["read", "run", "work"] and usual["clientId"] and usual["expires"] is None
    bad = {"clientId": "a b", "permissions": ["read", "fly", "public"], "expires": -1}
    answer = await site.raw("POST", "/api/clients", bad)
    assert answer.status_code == 422
    paths = [problem["path"] for problem in answer.json()["problems"]]
    assert paths == ["clientId", "expires", "permissions[1]", "permissions[2]"]
    assert (await site.raw("POST", "/api/clients", {"permissions": []})).status_code == 422
    assert (await site.raw("POST", "/api/clients", {"permissions": 7})).status_code == 400


class SteppedClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at_ms = 1_000_000

    def now(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1000


async def test_expiry_and_a_revocation_elsewhere() -> None:
    clock, store = SteppedClock(), MemoryStore()
    runtime = Runtime(store, clock=clock)
    await runtime.start_up()
    site = Site(runtime, Settings())
    await site.create_client("admin", "secret", *GRANTABLE)
    await site.create_client("brief", "t", Permission.READ, expires=clock.now() + 1_000)

    async def status(client: str, token: str) -> int:
        return (await site.raw("GET", "/api/namespaces", headers=bearer(client, token))).status_code

    assert await status("brief", "t") == 200
    clock.at_ms += 1_000
    assert await status("brief", "t") == 401
    assert await status("admin", "secret") == 200
    await runtime.write(lambda turn, now: revoke_client(turn, now, "admin"))
    clock.at_ms += int(TRUST_S * 1_000) + 1
    assert await status("admin", "secret") == 401
    await runtime.stop()


async def _undeclared(request: Ask) -> Response[bytes]:
    return Response(b"{}")


@pytest.mark.parametrize("opt", [{}, {"declared": None}, {"declared": {"permission": "read"}}])
async def test_a_route_without_a_permission_stops_the_start(opt: dict[str, Any]) -> None:
    handler = get("/api/secret", opt=opt)(_undeclared)
    with pytest.raises(Undeclared, match="GET /api/secret declares no permission"):
        App(Runtime(MemoryStore()), Settings(), more_handlers=[handler])


async def test_a_hot_route_without_a_permission_stops_the_start() -> None:
    nothing: Any = None
    route = HotRoute(poll, Declared(permission=nothing, summary=""), "body_limit")
    with pytest.raises(Undeclared, match="POST /api/x"):
        App(Runtime(MemoryStore()), Settings(), hot={**HOT_ROUTES, ("POST", "/api/x"): route})
