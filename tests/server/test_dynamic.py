"""Processes that bring their definition along."""

import pytest

from stepwell.model.client import Permission
from stepwell.model.search import ProcessSearch
from tests.server.conftest import ONE_STEP, Site, bearer

pytestmark = pytest.mark.anyio

SENT = {
    "name": "adhoc",
    "steps": [{"type": "WORKER", "name": "work", "ref": "w", "input": {"n": "{{ input.n }}"}}],
}


async def done(site: Site, **output: object) -> None:
    (work,) = await site.poll()
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    await site.report(ids | {"status": "COMPLETED", "output": output})


async def failed(site: Site) -> None:
    (work,) = await site.poll()
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    await site.report(ids | {"status": "FAILED", "output": {"error": "no"}})


async def test_it_runs_without_a_stored_definition(site: Site) -> None:
    process = await site.call(
        "POST", "/api/process/runAsync", {"definition": SENT, "input": {"n": 3}, "requestId": None}
    )
    assert (process["processType"], process["namespace"], process["name"]) == ("DYNAMIC", "default", "adhoc")
    assert (process["version"], process["status"]) == (1, "RUNNING")
    await done(site, sum=4)
    shown = await site.call("GET", f"/api/process/context/{process['processId']}?includeSteps=true")
    assert (shown["status"], shown["output"]) == ("COMPLETED", {"sum": 4})
    step = await site.call("GET", f"/api/process/stepContext/{shown['steps'][0]['id']}")
    assert step["stepDefinitionSnapshot"]["ref"] == "w"
    assert await site.call("GET", "/api/processDefinitions") == []
    assert (await site.raw("GET", "/api/processDefinitions/default/adhoc")).status_code == 404
    assert [space["name"] for space in await site.call("GET", "/api/namespaces")] == ["default"]


async def test_the_same_content_is_stored_once(site: Site) -> None:
    first = await site.call("POST", "/api/process/runAsync", {"definition": SENT})
    second = await site.call("POST", "/api/process/runAsync", {"definition": {**SENT, "type": "DYNAMIC"}})
    other = await site.call("POST", "/api/process/runAsync", {"definition": {**SENT, "description": "2"}})
    assert first["historyId"] == second["historyId"] != other["historyId"]
    stored = await site.runtime.read(lambda reads: reads.all_definitions())
    assert [(each.namespace, each.hidden) for each in stored] == [("stepwell/dynamic", True)] * 2
    found = await site.runtime.read(lambda reads: reads.find_processes(ProcessSearch(names=("adhoc",))))
    assert len(found) == 3


async def test_it_never_meets_a_stored_one_of_the_same_name(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP | {"name": "adhoc", "version": 7})
    process = await site.call("POST", "/api/process/runAsync", {"definition": SENT})
    assert process["version"] == 1
    assert await site.call("GET", "/api/processDefinitions/default/adhoc/versions") == [7]
    refused = await site.raw("POST", "/api/processDefinitions", ONE_STEP | {"namespace": "stepwell/dynamic"})
    assert refused.status_code == 422


async def test_rerun_and_resume_follow_the_same_definition(site: Site) -> None:
    process = await site.call("POST", "/api/process/runAsync", {"definition": SENT, "input": {"n": 1}})
    await failed(site)
    assert (await site.call("POST", "/api/process/bulkResume", [process["processId"]]))["count"] == 1
    await done(site)
    again = await site.call("POST", f"/api/process/rerun?processId={process['processId']}")
    assert (again["historyId"], again["processType"]) == (process["historyId"], "DYNAMIC")
    await done(site)
    for id in (process["processId"], again["processId"]):
        assert (await site.call("GET", f"/api/process/context/{id}"))["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"definition": []}, ["definition"]),
        ({"definition": {"steps": [{"type": "WORKER"}]}}, ["definition.name", "definition.steps[0].ref"]),
        ({"definition": SENT, "version": 2}, ["version"]),
        ({"definition": SENT, "name": "other"}, ["name"]),
        ({"definition": SENT, "namespace": "shop"}, []),
        ({"definition": {**SENT, "namespace": "home"}, "namespace": "shop"}, ["namespace"]),
        ({"definition": {**SENT, "type": "API_ORCHESTRATION"}}, ["definition.type"]),
        ({"definition": {**SENT, "type": "WRONG"}}, ["definition.type"]),
    ],
)
async def test_what_is_wrong_is_said(site: Site, body: dict[str, object], paths: list[str]) -> None:
    answer = await site.raw("POST", "/api/process/runAsync", body)
    assert answer.status_code == (422 if paths else 200), answer.text
    named = [problem["path"] for problem in answer.json().get("problems", ())]
    assert named[: len(paths)] == paths
    if not paths:
        assert answer.json()["namespace"] == "shop"


async def test_the_key_of_an_idempotent_start_covers_the_definition(site: Site) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await site.call("POST", "/api/process/runAsync", {"definition": SENT}, headers=headers)
    again = await site.call("POST", "/api/process/runAsync", {"definition": SENT}, headers=headers)
    assert again["processId"] == first["processId"]
    other = {"definition": {**SENT, "description": "other"}}
    assert (await site.raw("POST", "/api/process/runAsync", other, headers=headers)).status_code == 409


async def test_it_takes_the_permission_to_define(site: Site) -> None:
    await site.create_client("runner", "t", Permission.RUN, Permission.READ)
    answer = await site.raw(
        "POST", "/api/process/runAsync", {"definition": SENT}, headers=bearer("runner", "t")
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
