"""From definition to result over HTTP, as the published clients speak."""

import pytest

from tests.server.conftest import ONE_STEP, Site

pytestmark = pytest.mark.anyio


async def test_one_process_from_definition_to_result(site: Site) -> None:
    stored = await site.call("POST", "/api/processDefinitions", ONE_STEP)
    assert stored["version"] == 1 and stored["createdBy"] == "admin" and stored["signature"]
    assert await site.call(
        "PUT", "/api/clients/register", [{"processId": 0, "namespace": "default", "name": "work"}]
    )
    assert await site.poll() == []
    process = await site.run(input={"n": 7}, requestId="r1", correlationId="c1")
    assert (process["status"], process["requestId"], process["input"]) == ("RUNNING", "r1", {"n": 7})
    (work,) = await site.poll()
    assert work["inputParam"] == {"n": 7} and work["stepRef"] == "work_1" and work["runCount"] == 1
    again = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    kept = await site.report(
        again | {"status": "RUNNING", "output": {"part": 1}, "rescheduleAfterSeconds": 3600}
    )
    assert kept[str(work["stepId"])]["errorMessage"] is None
    stale = await site.report(again | {"stepExecutionId": 99, "status": "COMPLETED"})
    assert "please poll the latest and update" in stale[str(work["stepId"])]["errorMessage"]
    unknown = await site.report(again | {"stepId": 123_456, "status": "COMPLETED"})
    assert "step is not in RUNNING state" in unknown["123456"]["errorMessage"]


async def test_done_is_done_and_a_repeat_is_a_success(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    process = await site.run(input={"n": 1})
    (work,) = await site.poll()
    result = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    result |= {"status": "COMPLETED", "output": {"sum": 5}}
    for _ in range(2):
        answer = await site.report(result)
        assert answer[str(work["stepId"])]["errorMessage"] is None
    shown = await site.call("GET", f"/api/process/context/{process['processId']}?includeSteps=True")
    assert shown["status"] == "COMPLETED" and shown["output"] == {"sum": 5}
    assert shown["steps"] == [{"id": work["stepId"], "processId": process["processId"], "ref": "work_1"}]
    (record,) = shown["stepRecords"]
    assert (
        record["status"] == "COMPLETED" and record["workerId"] == "admin" and record["output"] == {"sum": 5}
    )
    assert "stepDefinitionSnapshot" not in record
    step = await site.call("GET", f"/api/process/stepContext/{work['stepId']}")
    assert step["stepDefinitionSnapshot"]["ref"] == "work_1"
    assert [e["output"] for e in step["executionList"]] == [{}] and step["executionCount"] == 1


async def test_an_exchange_carries_results_and_takes_work(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    await site.run(input={"n": 1})
    asked = {"pollId": "p1", "queues": [{"name": "work", "size": 1}], "size": 1}
    first = await site.call("POST", "/api/clients/exchange", asked)
    (work,) = first["work"]
    repeated = await site.call("POST", "/api/clients/exchange", asked)
    assert [w["stepExecutionId"] for w in repeated["work"]] == [work["stepExecutionId"]]
    ids = {key: work[key] for key in ("stepId", "stepExecutionId")}
    answer = await site.call(
        "POST",
        "/api/clients/exchange",
        {
            "results": [ids | {"status": "COMPLETED"}, {"status": "COMPLETED"}],
            "extend": [ids | {"leaseMs": 5}],
        },
    )
    assert [r["outcome"] for r in answer["results"]] == ["ACCEPTED", "INVALID"]
    assert len(answer["extended"]) == 1 and answer["work"] == []


async def test_never_more_than_asked_for(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    for n in range(5):
        await site.run(input={"n": n})
    assert len(await site.poll(size=2)) == 2
    queue = {"stepQueueNameData": {"name": "work"}, "size": 10}
    assert len(await site.call("POST", "/api/clients/poll?size=1", [queue])) == 1
    assert await site.poll(name="other") == [] and await site.poll(namespace="other") == []
    assert len(await site.call("POST", "/api/clients/poll?size=junk", [queue])) == 2


async def test_bad_items_harm_no_other(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    for n in range(3):
        await site.run(input={"n": n})
    first, second, third = await site.poll()
    text = b'{"stepId":%d,"stepExecutionId":%d,"status":"COMPLETED","output":%b}'
    items = [
        text % (first["stepId"], first["stepExecutionId"], b'{"a":"\\ud800"}'),
        b'{"status":"COMPLETED"}',
        text % (second["stepId"], second["stepExecutionId"], b'{"ok":1}'),
        text % (third["stepId"], third["stepExecutionId"], b'{"a":"' + b"x" * 2_000 + b'"}'),
    ]
    answer = await site.call("POST", "/api/clients/bulkResults", b"[" + b",".join(items) + b"]")
    assert answer["-2"]["errorMessage"] == "a result must name its stepId"
    status = {}
    for work in (first, second, third):
        assert answer[str(work["stepId"])]["errorMessage"] is None
        step = await site.call("GET", f"/api/process/stepContext/{work['stepId']}")
        status[work["stepId"]] = step["status"]
    assert list(status.values()) == ["FAILED", "COMPLETED", "FAILED"]


async def test_run_sync_answers_the_end_or_the_process_as_it_is(site: Site) -> None:
    noop = {"name": "quick", "type": "STANDARD", "steps": [{"name": "n", "type": "NOOP", "ref": "n"}]}
    await site.call("POST", "/api/processDefinitions", noop)
    assert (await site.call("POST", "/api/process/runSync", {"name": "quick"}))["status"] == "COMPLETED"
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    site.app.desk = site.app.desk._replace(
        settings=type(site.app.desk.settings)(sync_wait_ms=100, sync_wait_max_ms=100)
    )
    process = await site.call("POST", "/api/process/runSync?timeout=200", {"name": "one", "input": {"n": 1}})
    assert process["status"] == "RUNNING"


async def test_operations(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    process = await site.run(input={"n": 1})
    id = process["processId"]
    ended = await site.call("POST", "/api/process/bulkTerminate?reason=why", [id, 2**40, "x"])
    assert ended["count"] == 1 and [d["id"] for d in ended["details"]] == [str(id), str(2**40), "x"]
    assert ended["successfulProcessIds"] == [id] and ended["failedProcessIds"] == [2**40]
    shown = await site.call("GET", f"/api/process/context/{id}")
    assert shown["status"] == "TERMINATED" and shown["reason"] == "why" and shown["stepRecords"] == []
    assert (await site.call("POST", "/api/process/bulkResume", [id]))["count"] == 1
    again = await site.call("POST", f"/api/process/rerun?clientId=admin&processId={id}")
    assert again["processId"] != id and again["rerunOf"] == id and again["input"] == {"n": 1}
    assert (await site.call("POST", "/api/process/bulkReviewed?reason=ok", [again["processId"]]))[
        "count"
    ] == 0
    assert (await site.raw("POST", "/api/process/rerun?processId=999999999")).status_code == 404
    assert (await site.raw("POST", "/api/process/rerun")).status_code == 400


async def test_search(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    ids = [(await site.run(correlationId=f"c{n}"))["processId"] for n in range(3)]

    async def found(query: str) -> list[int]:
        return [p["processId"] for p in await site.call("GET", f"/api/stats/process/search?{query}")]

    assert await found("") == ids[::-1]
    assert await found("statuses=ProcessStatus.RUNNING&names=one&limit=2") == ids[:0:-1]
    assert await found("correlationIds=c0,c2") == [ids[2], ids[0]]
    assert await found("stepNames=work") == ids[::-1] and await found("stepRefs=nothing") == []
    assert await found("statuses=COMPLETED") == [] and await found("endTimeEpoch=1") == []
    assert await found(f"processIds={ids[1]:.1f}&tags=%7Bbroken") == [ids[1]]


async def test_definitions(site: Site) -> None:
    path = "/api/processDefinitions"
    assert (await site.call("POST", path, ONE_STEP | {"version": 1}))["version"] == 1
    assert (await site.call("POST", path, ONE_STEP | {"version": 1}))["version"] == 1
    other = ONE_STEP | {"version": 1, "description": "other"}
    assert (await site.raw("PUT", path, other)).status_code == 409
    assert (await site.call("PUT", path, other | {"version": 2}))["description"] == "other"
    assert await site.call("GET", f"{path}/default/one/versions") == [1, 2]
    assert (await site.call("GET", f"{path}/default/one"))["version"] == 2
    assert (await site.call("GET", f"{path}/default/one?version=1"))["description"] is None
    assert [d["version"] for d in await site.call("GET", path)] == [2]
    assert (await site.call("DELETE", f"{path}?versionOnly=True", [other | {"version": 2}]))["count"] == 1
    assert await site.call("GET", f"{path}/default/one/versions") == [1]
    assert (await site.call("DELETE", path, [ONE_STEP, {"name": "nothing"}]))["count"] == 1
    for gone in (f"{path}/default/one", f"{path}/default/one/versions"):
        assert (await site.raw("GET", gone)).status_code == 404
    yaml = (
        b"name: y\ntype: STANDARD\nsteps:\n  - {name: n, type: MANAGED, ref: n}\n  - {name: n, type: NOOP}\n"
    )
    refused = await site.raw("POST", path, yaml, headers={"content-type": "application/yaml"})
    assert refused.status_code == 422 and len(refused.json()["problems"]) >= 2
    fine = yaml.replace(b"MANAGED", b"NOOP").replace(b"NOOP}\n", b"NOOP, ref: m}\n")
    stored = await site.call("POST", path, fine, headers={"content-type": "text/yaml"})
    assert [step["ref"] for step in stored["steps"]] == ["n", "m"]
    many = await site.call(
        "POST", f"{path}/bulk/upsert", [ONE_STEP | {"name": "a"}, {"name": "b", "steps": 7}, 3]
    )
    assert [(m["name"], m["version"], bool(m["error"])) for m in many] == [
        ("a", 1, False),
        ("b", None, True),
        ("", None, True),
    ]


async def test_error_policies_and_namespaces(site: Site) -> None:
    path = "/api/errorPolicies"
    policy = {"name": "p", "failure": {"action": "RETRY", "retryCount": 2}}
    assert (await site.call("POST", path, policy))["failure"]["retryCount"] == 2
    policy["failure"] = {"action": "FAIL"}
    assert (await site.call("PUT", path, policy))["createdBy"] == "admin"
    old = await site.call("GET", f"{path}/default/p?version=1")
    assert (old["version"], old["failure"]["action"]) == (1, "RETRY")
    assert (await site.raw("GET", f"{path}/default/p?version=9")).status_code == 404
    assert await site.call("GET", f"{path}/default/p/versions") == [1, 2]
    assert (await site.call("GET", f"{path}/default/p"))["failure"]["action"] == "FAIL"
    assert [p["name"] for p in await site.call("GET", path)] == ["p"]
    bad = await site.raw("POST", path, {"name": "q", "failure": {"action": "MAYBE", "retryCount": "x"}})
    assert bad.status_code == 422 and len(bad.json()["problems"]) >= 2
    assert (await site.call("DELETE", f"{path}/default/p"))["deleted"] is True
    assert (await site.raw("DELETE", f"{path}/default/p")).status_code == 404
    for gone in (f"{path}/default/p", f"{path}/default/p/versions"):
        assert (await site.raw("GET", gone)).status_code == 404
    assert (await site.call("POST", path, policy))["version"] == 3
    assert await site.call("GET", f"{path}/default/p/versions") == [1, 2, 3]
    assert (await site.call("POST", "/api/namespaces", {"name": "shop"}))["name"] == "shop"
    assert (await site.raw("POST", "/api/namespaces", {"name": "stepwell"})).status_code == 422
    assert "shop" in [n["name"] for n in await site.call("GET", "/api/namespaces")]
