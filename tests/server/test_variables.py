"""Variables, secrets, the audit and idempotent starts over HTTP."""

import pytest

from stepwell.model.client import Permission
from tests.server.conftest import ONE_STEP, Site, bearer

pytestmark = pytest.mark.anyio


async def test_a_variable_comes_and_goes(site: Site) -> None:
    path = "/api/variables/default/limits"
    made = await site.call("PUT", path, {"value": {"n": [1, None]}})
    assert made | {"created": 0, "updated": 0} == {
        "namespace": "default",
        "name": "limits",
        "value": {"n": [1, None]},
        "version": 1,
        "created": 0,
        "updated": 0,
        "updatedBy": "admin",
    }
    assert (await site.call("PUT", path, {"value": None}))["version"] == 2
    assert (await site.call("GET", path))["value"] is None
    await site.call("PUT", "/api/variables/other/limits", {"value": 1})
    assert [v["namespace"] for v in await site.call("GET", "/api/variables")] == ["default", "other"]
    assert [v["value"] for v in await site.call("GET", "/api/variables?namespace=other")] == [1]
    assert (await site.call("DELETE", path))["deleted"] is True
    for method in ("GET", "DELETE"):
        answer = await site.raw(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_no_answer_about_a_secret_holds_its_value(site: Site) -> None:
    path = "/api/secrets/default/token"
    said = [
        await site.raw("PUT", path, {"value": "hunter2-hunter2"}),
        await site.raw("PUT", path, {"value": "hunter2-hunter2", "why": "again"}),
        await site.raw("GET", path),
        await site.raw("GET", "/api/secrets"),
        await site.raw("PUT", path, {"value": ["hunter2-hunter2"]}),
        await site.raw("PUT", path, {"hunter2-hunter2": 1}),
        await site.raw("PUT", path, b'{"value": "hunter2-hunter2'),
        await site.raw("PUT", path, b'"hunter2-hunter2"'),
        await site.raw("PUT", "/api/secrets/default/a.b", {"value": "hunter2-hunter2"}),
        await site.raw("PUT", path, {"value": "hunter2-hunter2" * 5_000}),
        await site.raw("GET", "/api/audit"),
    ]
    assert [answer.status_code for answer in said] == [200, 200, 200, 200, 422, 400, 400, 400, 422, 422, 200]
    assert not [answer.text for answer in said if "hunter2" in answer.text]
    assert said[2].json()["version"] == 2
    assert set(said[2].json()) == {"namespace", "name", "version", "created", "updated", "updatedBy"}
    assert "hunter2" not in repr(site.runtime.store.reads.dump())


async def test_who_may_write_what(site: Site) -> None:
    await site.create_client("definer", "t", Permission.DEFINE, Permission.READ)
    definer = bearer("definer", "t")
    for path, status in (("/api/variables/default/v", 200), ("/api/secrets/default/s", 403)):
        answer = await site.raw("PUT", path, {"value": "x"}, headers=definer)
        assert answer.status_code == status
    assert (await site.raw("GET", "/api/secrets", headers=definer)).status_code == 200


async def test_the_audit_in_pages(site: Site) -> None:
    for number in range(5):
        await site.call("PUT", "/api/variables/default/v", {"value": number, "why": f"w{number}"})
    lines = await site.call("GET", "/api/audit?limit=2")
    assert [(line["what"], line["who"], line["target"], line["why"]) for line in lines] == [
        ("PUT_VARIABLE", "admin", "default/v", "w4"),
        ("PUT_VARIABLE", "admin", "default/v", "w3"),
    ]
    older = await site.call("GET", f"/api/audit?limit=2&before={lines[-1]['id']}")
    assert [line["why"] for line in older] == ["w2", "w1"]
    assert lines[0]["detail"] == {"version": 5} and lines[0]["processId"] is None
    assert (await site.raw("GET", "/api/audit?limit=x")).status_code == 400


async def test_what_was_done_to_a_process_is_for_its_readers(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    process = await site.run()
    other = await site.run()
    await site.call("POST", "/api/process/bulkTerminate?reason=enough", [process["processId"]])
    await site.create_client("reader", "t", Permission.READ)
    reader = bearer("reader", "t")
    (line,) = await site.call("GET", f"/api/process/{process['processId']}/audit", headers=reader)
    assert (line["what"], line["who"], line["why"]) == ("TERMINATE", "admin", "enough")
    assert line["processId"] == process["processId"]
    assert await site.call("GET", f"/api/process/{other['processId']}/audit", headers=reader) == []
    assert (await site.raw("GET", "/api/audit", headers=reader)).status_code == 403
    assert await site.call("GET", f"/api/audit?processId={process['processId']}") == [line]


@pytest.mark.parametrize("route", ["runAsync", "runSync?timeout=1"])
async def test_an_idempotent_start(site: Site, route: str) -> None:
    await site.call("POST", "/api/processDefinitions", {**ONE_STEP, "steps": []})
    path, key = f"/api/process/{route}", {"Idempotency-Key": " order 7 "}
    one = await site.call("POST", path, {"name": "one", "input": {"a": 1, "b": 2}}, headers=key)
    two = await site.call("POST", path, b'{"input": {"b":2,"a":1}, "name":"one"}', headers=key)
    assert one["processId"] == two["processId"]
    answer = await site.raw("POST", path, {"name": "one", "input": {"a": 2}}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "é"])
async def test_what_is_no_key(site: Site, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await site.raw("POST", "/api/process/runAsync", {"name": "one"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
