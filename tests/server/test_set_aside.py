"""Events that were set aside, over HTTP: listed, played again, on record."""

import pytest

from stepwell.engine.events import SignalReceived
from stepwell.model.client import Permission
from stepwell.model.codec import encode
from stepwell.store.port import Changes, SetAside
from tests.server.conftest import Site, bearer

pytestmark = pytest.mark.anyio

WAITS = {
    "namespace": "default",
    "name": "waits",
    "type": "STANDARD",
    "steps": [{"type": "WAIT", "name": "s", "ref": "s", "input": {"forSignal": "paid"}}],
}


async def set_aside(site: Site, process_id: int) -> None:
    event = SignalReceived(name="paid", payload=encode({"by": "card"}))
    row = SetAside(process_id=process_id, event=encode(event), error="KeyError: 'x'", created=7)
    await site.runtime.write(lambda turn, now: turn.save(Changes(set_aside=[row])))


async def test_it_is_listed_and_played_again(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", WAITS)
    id = (await site.run("waits"))["processId"]
    assert await site.call("GET", "/api/setAside") == []
    await set_aside(site, id)
    assert await site.call("GET", "/api/setAside") == [
        {"id": 1, "processId": id, "event": "SignalReceived", "error": "KeyError: 'x'", "created": 7}
    ]
    path = f"/api/process/{id}/retrySetAside?reason=mended"
    event = {"id": 1, "event": "SignalReceived", "created": 7, "outcome": "DONE", "message": ""}
    assert await site.call("POST", path) == {"processId": id, "events": [event], "left": 0}
    assert (await site.call("GET", f"/api/process/context/{id}"))["output"] == {"by": "card"}
    (line,) = (await site.call("GET", f"/api/process/{id}/audit"))[:1]
    assert (line["what"], line["who"], line["why"]) == ("RETRY_SET_ASIDE", "admin", "mended")
    assert await site.call("POST", path) == {"processId": id, "events": [], "left": 0}


async def test_what_cannot_be_is_refused(site: Site) -> None:
    await site.create_client("reader", "r", Permission.READ)
    reader = bearer("reader", "r")
    assert (await site.raw("GET", "/api/setAside", headers=reader)).status_code == 200
    assert (await site.raw("POST", "/api/process/64/retrySetAside", headers=reader)).status_code == 403
    for id in ("64", "x"):
        assert (await site.raw("POST", f"/api/process/{id}/retrySetAside")).status_code == 404
