"""Denied acts are in the audit, counted, and can never fill it."""

from typing import Any

import pytest

from stepwell.model.audit import Audit
from stepwell.model.client import Permission
from stepwell.model.codec import decode
from stepwell.model.errors import Busy
from stepwell.server import denials as room
from stepwell.server.denials import NOBODY, Denial
from tests.server.conftest import Site, bearer

pytestmark = pytest.mark.anyio


def denied(site: Site) -> list[Audit]:
    return [line for line in site.runtime.store.reads.audit() if line.what == "DENIED"]


async def test_who_was_denied_what_and_how_often(site: Site) -> None:
    await site.create_client("reader", "t", Permission.READ)
    for _ in range(3):
        await site.raw("POST", "/api/process/77/pause", headers=bearer("reader", "t"))
    await site.raw("POST", "/api/clients/poll", [], headers=bearer("reader", "t"))
    await site.raw("POST", "/api/process/78/pause", headers={"Authorization": ""})
    assert denied(site) == []
    await site.app.desk.doorkeeper.denials.write()
    lines = {(line.who, line.target): line for line in denied(site)}
    assert set(lines) == {
        ("reader", "POST /api/process/{process_id}/pause"),
        ("reader", "POST /api/clients/poll"),
        (NOBODY, "POST /api/process/{process_id}/pause"),
    }
    pause = lines["reader", "POST /api/process/{process_id}/pause"]
    assert pause.why == "client reader does not have the permission operate"
    assert decode(pause.detail) == {"times": 3}
    await site.app.desk.doorkeeper.denials.write()
    assert len(denied(site)) == 3


async def test_what_is_allowed_is_no_denial(site: Site) -> None:
    await site.call("GET", "/api/namespaces")
    await site.raw("GET", "/health", headers={"Authorization": ""})
    await site.app.desk.doorkeeper.denials.write()
    assert denied(site) == []


async def test_a_flood_is_a_bounded_number_of_lines(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_LINES", 5)
    denials = site.app.desk.doorkeeper.denials
    for number in range(1_000):
        denials.note(Denial("c", f"GET /{number}", "no"))
    await denials.write()
    lines = denied(site)
    assert len(lines) == 6
    assert sum(decode(line.detail)["times"] for line in lines) == 1_000


async def test_what_cannot_be_written_is_counted_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    denials = site.app.desk.doorkeeper.denials
    denials.note(Denial("c", "GET /x", "no"))
    right = site.runtime.write

    async def busy(*given: Any, **more: Any) -> Any:
        raise Busy("not now")

    monkeypatch.setattr(site.runtime, "write", busy)
    await denials.write()
    denials.note(Denial("c", "GET /x", "no"))
    monkeypatch.setattr(site.runtime, "write", right)
    await denials.write()
    assert [decode(line.detail)["times"] for line in denied(site)] == [2]
