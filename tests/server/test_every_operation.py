"""Every operation of operators, one row each.

It is on record with who, what and why; harmless when it is repeated; refused with 404 where there is nothing and with
409 where it cannot be, and then nothing has changed; denied without its permission.
"""

import re
from enum import StrEnum
from typing import Any, NamedTuple

import pytest

from stepwell.model.client import GRANTABLE, Permission
from tests.server.conftest import Site, bearer

pytestmark = pytest.mark.anyio

DEFINITION = {
    "name": "table",
    "steps": [
        {"type": "WORKER", "name": "a", "ref": "a"},
        {"type": "WAIT", "name": "w", "ref": "w", "input": {"forSignal": "paid"}},
        {"type": "WORKER", "name": "b", "ref": "b"},
    ],
}
NOBODY = 777_777


class State(StrEnum):
    """How far a process is."""

    READY = "READY"
    """`a` waits for a worker."""
    HELD = "HELD"
    """A worker holds `a`."""
    PAUSED = "PAUSED"
    WAITING = "WAITING"
    """`w` waits for its signal."""
    FAILED = "FAILED"
    """`b` has failed."""
    REVIEWED = "REVIEWED"
    COMPLETED = "COMPLETED"


class Again(StrEnum):
    """What a repeat is answered."""

    SAME = "SAME"
    """The same, and no second line is in the audit."""
    REFUSED = "REFUSED"
    """409: it is so already."""
    NOTED = "NOTED"
    """The same; that it was asked again is in the audit."""
    ANEW = "ANEW"
    """Each call asks for something of its own."""


class Row(NamedTuple):
    method: str
    path: str
    """With {id}."""
    body: Any
    state: State
    """Where it is allowed."""
    what: str
    """Of its line in the audit."""
    refused_in: State | None
    """Where it is not."""
    again: Again
    permission: Permission = Permission.OPERATE

    @property
    def is_bulk(self) -> bool:
        return bool(self.body == "ids")

    def url(self, id: int) -> str:
        path = self.path.format(id=id)
        return f"{path}{'&' if '?' in path else '?'}reason=because"


def one(
    path: str,
    state: State,
    what: str,
    refused_in: State | None,
    again: Again,
    body: Any = None,
    permission: Permission = Permission.OPERATE,
) -> Row:
    return Row("POST", f"/api/process/{path}", body, state, what, refused_in, again, permission)


def bulk(path: str, state: State, what: str, refused_in: State | None, again: Again) -> Row:
    return one(path, state, what, refused_in, again, body="ids")


SAME, REFUSED, NOTED, ANEW = Again.SAME, Again.REFUSED, Again.NOTED, Again.ANEW
READY, PAUSED, FAILED, COMPLETED = State.READY, State.PAUSED, State.FAILED, State.COMPLETED

ROWS = {
    "terminate": bulk("bulkTerminate", READY, "TERMINATE", COMPLETED, REFUSED),
    "cancel": bulk("bulkCancel", READY, "CANCEL", COMPLETED, REFUSED),
    "resume, many": bulk("bulkResume", FAILED, "RESUME", COMPLETED, REFUSED),
    "resume with a version, many": bulk("bulkResume?version=2", FAILED, "RESUME", COMPLETED, REFUSED),
    "review": bulk("bulkReviewed", FAILED, "REVIEW", COMPLETED, REFUSED),
    "resume": one("{id}/resume", FAILED, "RESUME", COMPLETED, SAME),
    "resume with the latest": one(
        "resumeWithVersion?processId={id}&version=latest", FAILED, "RESUME", COMPLETED, REFUSED
    ),
    "resume with a version": one(
        "resumeWithVersion?processId={id}&version=2", FAILED, "RESUME", READY, REFUSED
    ),
    "rerun": one("rerun?processId={id}", FAILED, "RERUN", None, ANEW, permission=Permission.RUN),
    "rerun with the latest": one(
        "rerun?processId={id}&version=latest", COMPLETED, "RERUN", None, ANEW, permission=Permission.RUN
    ),
    "rerun with a version": one(
        "rerun?processId={id}&version=1", READY, "RERUN", None, ANEW, permission=Permission.RUN
    ),
    "rerun from a step": one(
        "{id}/rerunFrom", FAILED, "RERUN_FROM", READY, REFUSED, body={"ref": "b", "input": {"n": 1}}
    ),
    "pause": one("{id}/pause", READY, "PAUSE", COMPLETED, SAME),
    "go on": one("{id}/resume", PAUSED, "UNPAUSE", State.REVIEWED, SAME),
    "remove a step": one(
        "removeStepIdFromProcess?processId={id}&step=b", READY, "STEP_REMOVED", COMPLETED, REFUSED
    ),
    "complete a step": one("{id}/steps/a/complete", READY, "STEP_ORDERED", COMPLETED, REFUSED, body={"n": 1}),
    "fail a step": one("{id}/steps/a/fail", READY, "STEP_ORDERED", COMPLETED, REFUSED, body={"error": "no"}),
    "retry a step now": one("{id}/steps/a/retryNow", State.HELD, "STEP_ORDERED", State.WAITING, NOTED),
    "edit the state": one("{id}/state", FAILED, "STATE", COMPLETED, NOTED, body={"put": {"x": 1}}),
    "signal": one(
        "{id}/signal/paid", State.WAITING, "SIGNAL", COMPLETED, ANEW, body={"by": "x"}, permission=Permission.RUN
    ),
    "retry what was set aside": one("{id}/retrySetAside", READY, "", None, SAME),
}  # fmt: skip
rows = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


async def report(site: Site, name: str, status: str = "COMPLETED") -> None:
    (item,) = await site.poll(name, size=1)
    ids = {key: item[key] for key in ("processId", "stepId", "stepExecutionId")}
    await site.report({**ids, "status": status, "output": {}})


async def process_in(site: Site, state: State) -> int:
    """A process that is so far, and nothing else that waits."""
    id = int((await site.run("table", version=1))["processId"])
    if state is State.HELD:
        assert len(await site.poll("a")) == 1
    elif state is State.PAUSED:
        await site.call("POST", f"/api/process/{id}/pause")
    elif state is not State.READY:
        await report(site, "a")
    if state in (State.FAILED, State.REVIEWED, State.COMPLETED):
        await site.call("POST", f"/api/process/{id}/signal/paid", {})
        await report(site, "b", "COMPLETED" if state is State.COMPLETED else "FAILED")
    if state is State.REVIEWED:
        await site.call("POST", "/api/process/bulkReviewed", [id])
    return id


async def defined(site: Site) -> None:
    for version in (1, 2):
        await site.call(
            "POST", "/api/processDefinitions", {**DEFINITION, "version": version, "label": f"v{version}"}
        )


async def ask(site: Site, row: Row, id: int, **more: Any) -> Any:
    body = [id] if row.is_bulk else row.body
    return await site.raw(row.method, row.url(id), body, **more)


async def refusal(site: Site, row: Row, id: int) -> str:
    """The code that it was refused with; empty when it was not. A bulk route says it of each process."""
    answer = await ask(site, row, id)
    if row.is_bulk:
        assert answer.status_code == 200
        said = answer.json()["errors"].get(str(id), "")
        return "NOT_FOUND" if said.startswith("no process") else "CONFLICT" if said else ""
    if answer.status_code == 200:
        return ""
    assert answer.status_code == {"NOT_FOUND": 404, "CONFLICT": 409}[answer.json()["code"]]
    return str(answer.json()["code"])


async def lines(site: Site, id: int, what: str) -> list[tuple[str, str]]:
    found = await site.call("GET", f"/api/process/{id}/audit")
    return [(line["who"], line["why"]) for line in found if line["what"] == what and line["why"]]


async def steps_of(site: Site, id: int) -> Any:
    found = await site.call("GET", f"/api/process/context/{id}?includeSteps=true")
    return found["state"], [(record["ref"], record["status"]) for record in found["stepRecords"]]


def stored(site: Site) -> Any:
    return site.runtime.store.reads.dump()


@rows
async def test_it_is_on_record_and_harmless_when_repeated(site: Site, row: Row) -> None:
    await defined(site)
    id = await process_in(site, row.state)
    assert await refusal(site, row, id) == ""
    once = [("admin", "because")] if row.what else []
    assert await lines(site, id, row.what) == once
    if row.again is Again.ANEW:
        return
    before, shown = stored(site), await steps_of(site, id)
    assert await refusal(site, row, id) == ("CONFLICT" if row.again is Again.REFUSED else "")
    if row.again is Again.NOTED:
        assert await lines(site, id, row.what) == once * 2
        assert await steps_of(site, id) == shown
    else:
        assert await lines(site, id, row.what) == once
        assert stored(site) == before


@rows
async def test_where_it_cannot_be_it_is_refused_and_nothing_changes(site: Site, row: Row) -> None:
    await defined(site)
    if row.refused_in is None:
        return
    id = await process_in(site, row.refused_in)
    before = stored(site)
    assert await refusal(site, row, id) == "CONFLICT"
    assert stored(site) == before


@rows
async def test_where_there_is_nothing_it_is_not_found(site: Site, row: Row) -> None:
    await defined(site)
    before = stored(site)
    assert await refusal(site, row, NOBODY) == "NOT_FOUND"
    assert stored(site) == before


@rows
async def test_it_needs_its_permission(site: Site, row: Row) -> None:
    await defined(site)
    id = await process_in(site, row.state)
    await site.create_client("others", "o", *(p for p in GRANTABLE if p is not row.permission))
    await site.create_client("just", "j", row.permission)
    before = stored(site)
    assert (await ask(site, row, id, headers=bearer("others", "o"))).status_code == 403
    assert (await ask(site, row, id, headers={"Authorization": ""})).status_code == 401
    assert stored(site) == before
    assert (await ask(site, row, id, headers=bearer("just", "j"))).status_code == 200


# -- marks on steps of definitions


@pytest.mark.parametrize("mark", ["HOLD", "SKIP"])
async def test_marks(site: Site, mark: str) -> None:
    await defined(site)
    await site.create_client("others", "o", *(p for p in GRANTABLE if p is not Permission.OPERATE))
    path, body = "/api/holds/default/table/b", {"mark": mark, "reason": "because"}
    for method in ("PUT", "DELETE"):
        given = body if method == "PUT" else None
        assert (await site.raw(method, path, given, headers=bearer("others", "o"))).status_code == 403
    for nothing in ("/api/holds/default/table/z", "/api/holds/default/none/b"):
        assert (await site.raw("PUT", nothing, body)).status_code == 404
    assert await site.call("GET", "/api/holds") == []
    first = await site.call("PUT", path, body)
    again = await site.call("PUT", path, body)
    assert (again["mark"], again["reason"], again["by"]) == (mark, "because", "admin")
    assert await site.call("GET", "/api/holds") == [again] and first["mark"] == mark
    assert [(await site.call("DELETE", f"{path}?reason=over"))["cleared"] for _ in range(2)] == [True, False]
    found = await site.call("GET", "/api/audit")
    told = [(line["what"], line["who"], line["why"]) for line in found if line["target"] == "default/table/b"]
    assert told[0] == ("CLEAR_MARK", "admin", "over") and told[1] == (mark, "admin", "because")
    assert [what for what, _, _ in told].count("CLEAR_MARK") == 1


# -- many at once, as a job


async def job(site: Site, operation: str, **given: Any) -> dict[int, str | None]:
    """Process → the code that it was refused with."""
    body = {"operation": operation, "reason": "because", **given}
    made = await site.call("POST", "/api/jobs", body)
    while made["status"] == "RUNNING":
        made = await site.call("GET", f"/api/jobs/{made['id']}?includeItems=true")
    assert made["createdBy"] == "admin" and made["reason"] == "because"
    return {item["processId"]: item["code"] for item in made["items"]}


JOBS = [
    ("TERMINATE", State.READY, {}, "TERMINATE", "CONFLICT"),
    ("CANCEL", State.READY, {}, "CANCEL", "CONFLICT"),
    ("PAUSE", State.READY, {}, "PAUSE", "CONFLICT"),
    ("UNPAUSE", State.PAUSED, {}, "UNPAUSE", "CONFLICT"),
    ("RESUME", State.FAILED, {}, "RESUME", "CONFLICT"),
    ("RESUME", State.FAILED, {"version": 2}, "RESUME", "CONFLICT"),
    ("REVIEW", State.FAILED, {}, "REVIEW", "CONFLICT"),
    ("RERUN", State.FAILED, {}, "RERUN", None),
    ("RERUN", State.COMPLETED, {"version": 0}, "RERUN", None),
]


@pytest.mark.parametrize(("operation", "state", "more", "what", "again"), JOBS)
async def test_jobs_by_ids(
    site: Site, operation: str, state: State, more: Any, what: str, again: str | None
) -> None:
    await defined(site)
    over = await process_in(site, State.COMPLETED)
    ids = [await process_in(site, state) for _ in range(2)]
    told = await job(site, operation, ids=[*ids, over, NOBODY], **more)
    assert told == {**dict.fromkeys(ids), over: again, NOBODY: "NOT_FOUND"}
    for id in ids:
        assert await lines(site, id, what) == [("admin", "because")]
    if again is not None:
        assert await lines(site, over, what) == []
        assert await job(site, operation, ids=ids, **more) == dict.fromkeys(ids, again)
        for id in ids:
            assert len(await lines(site, id, what)) == 1


@pytest.mark.parametrize(("operation", "state", "more", "what", "again"), JOBS)
async def test_jobs_by_a_search(
    site: Site, operation: str, state: State, more: Any, what: str, again: str | None
) -> None:
    await defined(site)
    ids = [await process_in(site, state) for _ in range(2)]
    told = await job(site, operation, search={"names": ["table"]}, **more)
    assert told == dict.fromkeys(ids)
    for id in ids:
        assert await lines(site, id, what) == [("admin", "because")]


async def test_jobs_need_their_permission(site: Site) -> None:
    await site.create_client("others", "o", *(p for p in GRANTABLE if p is not Permission.OPERATE))
    body = {"operation": "TERMINATE", "ids": [64]}
    assert (await site.raw("POST", "/api/jobs", body, headers=bearer("others", "o"))).status_code == 403


# -- none is forgotten


async def test_every_route_of_operators_has_a_row(site: Site) -> None:
    document = (await site.raw("GET", "/docs/openapi.json")).json()["paths"]
    routes = {
        path
        for path, methods in document.items()
        for method, operation in methods.items()
        if operation["x-permission"] == "operate" and path.startswith("/api/process/") and method == "post"
    }
    known = {re.sub(r"\?.*", "", row.path).replace("{id}", "{process_id}") for row in ROWS.values()}
    known = {path.replace("/steps/a/", "/steps/{ref}/") for path in known}
    assert routes <= known
