"""The operators' routes over a real runtime: what they answer, what they refuse, what the audit keeps of them."""

from typing import Any

import pytest

from tests.server.conftest import Site

pytestmark = pytest.mark.anyio


def step(type: str, ref: str, *children: Any, **more: Any) -> dict[str, Any]:
    return {"type": type, "name": ref, "ref": ref, "children": list(children), **more}


TWO = {"name": "two", "steps": [step("WORKER", "a"), step("WORKER", "b", input={"x": "{{ state.x }}"})]}


async def begun(site: Site, definition: dict[str, Any] = TWO, **more: Any) -> int:
    await site.call("POST", "/api/processDefinitions", definition)
    process = await site.run(definition["name"], **more)
    return int(process["processId"])


async def work(site: Site, name: str, status: str = "COMPLETED", **output: Any) -> None:
    (item,) = await site.poll(name, size=1)
    await site.report(
        {
            "stepId": item["stepId"],
            "stepExecutionId": item["stepExecutionId"],
            "status": status,
            "output": output,
        }
    )


async def operated(site: Site, path: str, body: Any = None) -> Any:
    return await site.call("POST", f"/api/process/{path}", body)


async def statuses(site: Site, process_id: int) -> dict[str, str]:
    found = await site.call("GET", f"/api/process/context/{process_id}?includeSteps=true")
    return {record["ref"]: record["status"] for record in found["stepRecords"]}


async def refused(site: Site, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = await site.raw(method, path, body)
    return answer.status_code, answer.json()["code"]


async def acts(site: Site, process_id: int) -> list[tuple[str, str, str]]:
    lines = await site.call("GET", f"/api/process/{process_id}/audit")
    return [(line["what"], line["who"], line["why"]) for line in lines]


async def test_pause_and_resume_twice_change_nothing_more(site: Site) -> None:
    id = await begun(site)
    for _ in range(2):
        paused = await operated(site, f"{id}/pause?reason=wait")
        assert paused["status"] == "RUNNING"
        assert await statuses(site, id) == {"a": "PAUSED"}
    assert await site.poll("a") == []
    for _ in range(2):
        await operated(site, f"{id}/resume")
    assert await statuses(site, id) == {"a": "SCHEDULED"}
    assert await acts(site, id) == [("UNPAUSE", "admin", ""), ("PAUSE", "admin", "wait")]


async def test_resume_goes_on_with_one_that_ended_badly(site: Site) -> None:
    id = await begun(site)
    await work(site, "a", "FAILED", error="no")
    assert (await operated(site, f"{id}/resume"))["status"] == "RUNNING"
    await work(site, "a")
    await work(site, "b")
    assert await refused(site, "POST", f"/api/process/{id}/resume") == (409, "CONFLICT")
    assert await refused(site, "POST", f"/api/process/{id}/pause") == (409, "CONFLICT")


async def test_bulk_cancel(site: Site) -> None:
    id = await begun(site)
    done = await operated(site, "bulkCancel?reason=enough", [id, 999_999])
    assert (done["count"], done["failedProcessIds"]) == (1, [999_999])
    found = await site.call("GET", f"/api/process/context/{id}")
    assert (found["status"], found["reason"]) == ("CANCELLED", "enough")


async def test_rerun_from_with_other_input(site: Site) -> None:
    id = await begun(site)
    await work(site, "a")
    await work(site, "b", "FAILED")
    assert (await operated(site, f"{id}/rerunFrom", {"ref": "b", "input": {"x": 9}}))["status"] == "RUNNING"
    (item,) = await site.poll("b")
    assert item["inputParam"] == {"x": 9}
    assert await acts(site, id) == [("RERUN_FROM", "admin", "")]
    for body in ({}, {"ref": 7}, {"ref": "b", "input": 3}, []):
        assert await refused(site, "POST", f"/api/process/{id}/rerunFrom", body) == (400, "BAD_REQUEST")


async def test_state_is_edited(site: Site) -> None:
    id = await begun(site)
    edited = await operated(site, f"{id}/state", {"put": {"x": 5, "y": 6}, "remove": ["y"]})
    assert edited["state"] == {"x": 5}
    await work(site, "a")
    (item,) = await site.poll("b")
    assert item["inputParam"] == {"x": 5}
    for body in ({}, {"put": 3}, {"remove": "x"}, {"remove": [1]}):
        assert await refused(site, "POST", f"/api/process/{id}/state", body) == (400, "BAD_REQUEST")


async def test_orders_to_steps(site: Site) -> None:
    id = await begun(site)
    await operated(site, f"{id}/steps/a/complete?reason=by hand", {"n": 1})
    assert await statuses(site, id) == {"a": "COMPLETED", "b": "SCHEDULED"}
    assert await refused(site, "POST", f"/api/process/{id}/steps/a/complete", {}) == (409, "CONFLICT")
    await site.poll("b")
    await operated(site, f"{id}/steps/b/retryNow")
    assert len(await site.poll("b")) == 1
    failed = await operated(site, f"{id}/steps/b/fail", {"error": "gave up"})
    assert (failed["status"], failed["output"]["error"]) == ("FAILED", "gave up")
    assert [line[0] for line in await acts(site, id)] == ["STEP_ORDERED"] * 3


async def test_steps_are_named_by_id_too_and_in_iterations(site: Site) -> None:
    each = step("FOREACH", "f", step("WORKER", "a/b"), input={"inputArray": [1, 2], "concurrency": 2})
    id = await begun(site, {"name": "loop", "steps": [each]})
    steps = (await site.call("GET", f"/api/process/context/{id}"))["steps"]
    (first, second) = [one["id"] for one in steps if one["ref"].startswith("a/b")]
    await operated(site, f"{id}/steps/{first}/complete", {"n": 1})
    done = await operated(site, f"removeStepIdFromProcess?processId={id}&step={second}")
    assert done["status"] == "COMPLETED"
    assert done["output"] == {"results": [{"n": 1}, None]}
    assert await refused(site, "POST", "/api/process/removeStepIdFromProcess?step=x") == (400, "BAD_REQUEST")


async def test_a_step_that_has_not_begun_is_removed(site: Site) -> None:
    id = await begun(site)
    await operated(site, f"removeStepIdFromProcess?processId={id}&step=b&reason=broken")
    await work(site, "a")
    assert await statuses(site, id) == {"a": "COMPLETED", "b": "SKIPPED"}
    assert ("STEP_REMOVED", "admin", "broken") in await acts(site, id)


async def test_signals(site: Site) -> None:
    waits = step("WAIT", "w", input={"forSignal": "approved", "correlation": "c-1"})
    id = await begun(site, {"name": "asks", "steps": [waits]})
    assert (await operated(site, f"{id}/signal/approved", {"by": "x"}))["status"] == "RUNNING"
    done = await operated(site, f"{id}/signal/approved?correlation=c-1", {"by": "y"})
    assert (done["status"], done["output"]) == ("COMPLETED", {"by": "y"})
    assert await refused(site, "POST", f"/api/process/{id}/signal/approved", {}) == (409, "CONFLICT")
    assert await refused(site, "POST", f"/api/process/{id}/signal/approved", []) == (400, "NOT_AN_OBJECT")


@pytest.mark.parametrize(
    "path",
    ["pause", "resume", "steps/a/retryNow", "steps/a/complete", "signal/x"],
)
async def test_unknown_processes(site: Site, path: str) -> None:
    for id in ("x", "777"):
        assert await refused(site, "POST", f"/api/process/{id}/{path}", {}) == (404, "NOT_FOUND")
    assert await refused(site, "GET", "/api/process/777/waiting") == (404, "NOT_FOUND")


# -- marks


async def test_holds_are_set_read_and_cleared(site: Site) -> None:
    id = await begun(site)
    path = "/api/holds/default/two/b"
    assert await refused(site, "GET", path) == (404, "NOT_FOUND")
    for mark in ("SKIP", "HOLD"):
        put = await site.call("PUT", path, {"mark": mark, "reason": "bad data"})
        assert (put["mark"], put["reason"], put["by"]) == (mark, "bad data", "admin")
    assert await site.call("GET", path) == put
    assert (
        await site.call("GET", "/api/holds")
        == [put]
        == await site.call("GET", "/api/holds?namespace=default")
    )
    assert await site.call("GET", "/api/holds?namespace=x") == []
    await work(site, "a")
    assert await statuses(site, id) == {"a": "COMPLETED", "b": "PAUSED"}
    for cleared in (True, False):
        assert (await site.call("DELETE", path))["cleared"] is cleared
    lines = await site.call("GET", "/api/audit")
    assert [line["what"] for line in lines if line["target"] == "default/two/b"] == [
        "CLEAR_MARK",
        "HOLD",
        "SKIP",
    ]


async def test_marks_that_would_hold_nothing_are_refused(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", {"name": "s", "steps": [step("NOOP", "x/y")]})
    assert (await site.call("PUT", "/api/holds/default/s/x/y", {}))["ref"] == "x/y"
    assert await refused(site, "PUT", "/api/holds/default/s/z", {}) == (404, "NOT_FOUND")
    assert await refused(site, "PUT", "/api/holds/default/nope/x", {}) == (404, "NOT_FOUND")
    assert await refused(site, "PUT", "/api/holds/default/s/x/y", {"mark": "STOP"}) == (400, "BAD_REQUEST")


# -- why is it waiting?


async def waits(site: Site, process_id: int, query: str = "") -> dict[str, Any]:
    found = await site.call("GET", f"/api/process/{process_id}/waiting{query}")
    return {wait["ref"]: wait for wait in found["steps"]}


async def test_why_it_waits(site: Site) -> None:
    inner = [
        step("WORKER", "ready"),
        step("WORKER", "busy"),
        step("WAIT", "signal", input={"forSignal": "go", "timeoutMs": 60_000}),
        step("WAIT", "sleep", input={"durationMs": 60_000}),
        step("SUB_PROCESS", "child", input={"processName": "two"}),
    ]
    await site.call("POST", "/api/processDefinitions", TWO)
    first = await begun(site, {"name": "many", "steps": [step("PARALLEL", "p", *inner)]})
    seen = await waits(site, first)
    assert {ref: wait["reason"] for ref, wait in seen.items()} == {
        "p": "CONTAINER", "ready": "IN_QUEUE", "busy": "IN_QUEUE", "signal": "WAITING_FOR_SIGNAL",
        "sleep": "WAITING_UNTIL", "child": "WAITING_FOR_CHILD",
    }  # fmt: skip
    assert (seen["ready"]["position"], seen["ready"]["lastPoll"]) == (0, 0)
    assert "since this server was started" in seen["ready"]["sentence"]
    await site.poll("busy")
    seen = await waits(site, first)
    busy, child = seen["busy"], seen["child"]
    assert (busy["reason"], busy["worker"]) == ("RUNNING", "admin")
    assert busy["since"] < busy["until"]
    assert (child["childStatus"], child["childProcessId"] > first) == ("RUNNING", True)
    assert (seen["p"]["openChildren"], seen["p"]["totalChildren"]) == (5, 5)
    second = await site.run("many")
    later = await waits(site, second["processId"])
    assert (later["ready"]["position"], later["busy"]["position"]) == (1, 0)
    assert later["busy"]["lastPoll"] > 0 and "polled this queue for" in later["busy"]["sentence"]


async def test_open_steps_come_in_pages(site: Site) -> None:
    each = step("FOREACH", "f", step("WORKER", "a"), input={"inputArray": [1, 2, 3], "concurrency": 3})
    id = await begun(site, {"name": "loop", "steps": [each]})
    page = await site.call("GET", f"/api/process/{id}/waiting?stepLimit=2")
    assert ([wait["ref"] for wait in page["steps"]], page["more"]) == (["f", "a[0]"], True)
    rest = await site.call("GET", f"/api/process/{id}/waiting?stepAfter={page['steps'][-1]['stepId']}")
    assert ([wait["ref"] for wait in rest["steps"]], rest["more"]) == (["a[1]", "a[2]"], False)
    await operated(site, "bulkTerminate", [id])
    ended = await site.call("GET", f"/api/process/{id}/waiting")
    assert (ended["status"], ended["steps"]) == ("TERMINATED", [])


async def test_rerun_by_another_version_is_audited(site: Site) -> None:
    id = await begun(site)
    await site.call("POST", "/api/processDefinitions", {**TWO, "version": 2, "label": "new"})
    same = await operated(site, f"rerun?processId={id}&reason=again")
    newest = await operated(site, f"rerun?processId={id}&version=latest")
    assert (same["version"], newest["version"], newest["rerunOf"]) == (1, 2, id)
    assert await acts(site, id) == [("RERUN", "admin", ""), ("RERUN", "admin", "again")]
