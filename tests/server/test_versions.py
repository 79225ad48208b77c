"""POST /api/process/resumeWithVersion, as the published clients send it."""

import pytest

from stepwell.model.client import Permission
from tests.server.conftest import Site, bearer

pytestmark = pytest.mark.anyio

PATH = "/api/process/resumeWithVersion"


def written(*refs: str) -> dict[str, object]:
    return {"name": "p", "steps": [{"type": "WORKER", "name": "work", "ref": ref} for ref in refs]}


async def answered(site: Site, status: str) -> str:
    (work,) = await site.poll()
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    await site.report(ids | {"status": status, "output": {}})
    return str(work["stepRef"])


async def a_failed_one(site: Site) -> int:
    """Of version 1; versions 2 and 3 exist."""
    await site.call("POST", "/api/processDefinitions", written("a", "b"))
    process = await site.run("p")
    await answered(site, "COMPLETED")
    await answered(site, "FAILED")
    await site.call("POST", "/api/processDefinitions", written("a", "x", "b"))
    await site.call("POST", "/api/processDefinitions", written("a", "y"))
    return int(process["processId"])


@pytest.mark.parametrize(
    ("query", "version", "refs"),
    [("&version=2", 2, ["x", "b"]), ("", 3, ["y"]), ("&version=latest", 3, ["y"]), ("&version=1", 1, ["b"])],
)
async def test_it_goes_on_by_that_version(site: Site, query: str, version: int, refs: list[str]) -> None:
    id = await a_failed_one(site)
    process = await site.call("POST", f"{PATH}?processId={id}{query}")
    assert (process["processId"], process["status"], process["version"]) == (id, "RUNNING", version)
    assert [await answered(site, "COMPLETED") for _ in refs] == refs
    shown = await site.call("GET", f"/api/process/context/{id}?includeSteps=true&includeSnapshots=true")
    assert (shown["status"], shown["version"]) == ("COMPLETED", version)
    statuses = {step["ref"]: step["status"] for step in shown["stepRecords"]}
    assert statuses == {"a": "COMPLETED", "b": "FAILED"} | dict.fromkeys(refs, "COMPLETED")
    for step in shown["steps"]:
        one = await site.call("GET", f"/api/process/stepContext/{step['id']}")
        assert one["ref"] == step["ref"] == one["stepDefinitionSnapshot"]["ref"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?processId=x", 404),
        ("?processId=999936", 404),
        ("?processId={id}&version=x", 400),
        ("?processId={id}&version=-1", 400),
        ("?processId={id}&version=9", 404),
    ],
)
async def test_what_cannot_be(site: Site, query: str, status: int) -> None:
    id = await a_failed_one(site)
    assert (await site.raw("POST", PATH + query.format(id=id))).status_code == status


async def test_what_has_begun_keeps_its_place(site: Site) -> None:
    id = await a_failed_one(site)
    moved = {"type": "LIST", "name": "l", "ref": "l", "children": written("a", "b")["steps"]}
    await site.call("POST", "/api/processDefinitions", {"name": "p", "steps": [moved]})
    answer = await site.raw("POST", f"{PATH}?processId={id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert "a stands inside another step" in answer.json()["errorMessage"]
    await site.create_client("reader", "t", Permission.READ)
    denied = await site.raw("POST", f"{PATH}?processId={id}", headers=bearer("reader", "t"))
    assert denied.status_code == 403


@pytest.mark.parametrize(("query", "version"), [("", 1), ("?version=2", 2), ("?version=latest", 3)])
async def test_many_go_on_by_a_version(site: Site, query: str, version: int) -> None:
    id = await a_failed_one(site)
    told = await site.call("POST", f"/api/process/bulkResume{query}", [id, 999936])
    assert told["count"] == 1 and [detail["id"] for detail in told["details"]] == [str(id), "999936"]
    shown = await site.call("GET", f"/api/process/context/{id}")
    assert (shown["status"], shown["version"]) == ("RUNNING", version)


@pytest.mark.parametrize("version", ["x", "-1"])
async def test_many_go_on_by_no_version(site: Site, version: str) -> None:
    assert (await site.raw("POST", f"/api/process/bulkResume?version={version}", [1])).status_code == 400


async def test_a_job_resumes_by_a_version(site: Site) -> None:
    id = await a_failed_one(site)
    asked = {"operation": "RESUME", "ids": [id], "version": 0, "reason": "repaired"}
    job = await site.call("POST", "/api/jobs", asked)
    while job["status"] == "RUNNING":
        job = await site.call("GET", f"/api/jobs/{job['id']}?includeItems=true")
    assert (job["done"], job["failed"], job["version"]) == (1, 0, 0)
    shown = await site.call("GET", f"/api/process/context/{id}")
    assert (shown["status"], shown["version"]) == ("RUNNING", 3)
    refused = await site.raw("POST", "/api/jobs", {**asked, "operation": "CANCEL"})
    assert refused.status_code == 400 and "RERUN and RESUME" in refused.json()["errorMessage"]
