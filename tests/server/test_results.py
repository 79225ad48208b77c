"""The results of a FOREACH in pages, over a real runtime."""

from typing import Any

import anyio
import pytest

from stepwell.runtime import results
from tests.server.conftest import Site

pytestmark = pytest.mark.anyio


def loop(*, items: Any = "{{ input.items }}", concurrency: int = 1_000, **child: Any) -> dict[str, Any]:
    inner = {"type": "WORKER", "name": "c", "ref": "c", "input": {"n": "{{ foreach.value }}"}, **child}
    input = {"inputArray": items, "concurrency": concurrency}
    return {"type": "FOREACH", "name": "f", "ref": "f", "input": input, "children": [inner]}


async def begun(site: Site, *steps: dict[str, Any], **input: Any) -> int:
    await site.call("POST", "/api/processDefinitions", {"name": "loops", "steps": steps})
    return int((await site.run("loops", input=input))["processId"])


async def ended(site: Site, id: int) -> None:
    while (await site.call("GET", f"/api/process/context/{id}"))["status"] == "RUNNING":
        await anyio.sleep(0.01)


async def page(site: Site, id: int, ref: str = "f", query: str = "") -> Any:
    return await site.call("GET", f"/api/process/{id}/steps/{ref}/results{query}")


async def work(site: Site, size: int, status: str = "COMPLETED") -> None:
    for item in await site.poll("c", size=size):
        await site.report(
            {
                "stepId": item["stepId"],
                "stepExecutionId": item["stepExecutionId"],
                "status": status,
                "output": {"n": item["inputParam"]["n"]},
            }
        )


async def test_page_after_page(site: Site) -> None:
    id = await begun(site, loop(type="NOOP"), items=list(range(2_300)))
    await ended(site, id)
    seen, first = [], 0
    while first is not None:
        found = await page(site, id, query=f"?first={first}")
        assert (found["processId"], found["ref"], found["total"], found["first"]) == (id, "f", 2_300, first)
        seen += found["items"]
        first = found["next"]
    assert [item["output"]["n"] for item in seen] == list(range(2_300))
    assert [item["index"] for item in seen] == list(range(2_300))
    assert {item["status"] for item in seen} == {"COMPLETED"}
    assert [item["index"] for item in (await page(site, id, query="?first=1500&limit=2"))["items"]] == [
        1_500,
        1_501,
    ]
    end = await page(site, id, query="?first=5000")
    assert (end["items"], end["next"]) == ([], None)


async def test_while_it_runs_and_what_ends_badly(site: Site) -> None:
    id = await begun(site, loop(concurrency=2, optional=True), items=[7, 8, 9])
    await work(site, 1, "FAILED")
    found = await page(site, id)
    assert [item["status"] for item in found["items"]] == ["FAILED", "SCHEDULED", "SCHEDULED"]
    assert (found["items"][0]["output"], found["items"][0]["error"]) == (None, {"n": 7})
    assert (found["status"], found["items"][1]["output"]) == ("RUNNING", None)


async def test_not_begun(site: Site) -> None:
    id = await begun(site, loop(concurrency=1), items=[1, 2])
    items = (await page(site, id))["items"]
    assert [(item["stepId"] is None, item["status"]) for item in items] == [
        (False, "SCHEDULED"),
        (True, None),
    ]


async def test_an_inner_loop_is_named_with_its_index_or_by_its_id(site: Site) -> None:
    inner = loop(items="{{ foreach.value }}", type="NOOP")
    outer = {**inner, "ref": "outer", "input": {"inputArray": "{{ input.items }}"}, "children": [inner]}
    id = await begun(site, outer, items=[["a"], ["b", "c"]])
    found = await page(site, id, "f%5B1%5D")
    assert [item["output"]["n"] for item in found["items"]] == ["b", "c"]
    assert await page(site, id, str(found["stepId"])) == found


async def test_large_outputs_end_a_page_early(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PAGE_BYTES", 10_000)
    id = await begun(site, loop(type="NOOP"), items=["x" * 500] * 60)
    found = await page(site, id)
    assert (len(found["items"]), found["next"]) == (25, 25)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("{id}/steps/nope/results", (404, "NOT_FOUND")),
        ("{id}/steps/later/results", (404, "NOT_FOUND")),
        ("{id}/steps/c%5B0%5D/results", (409, "CONFLICT")),
        ("{id}/steps/f/results?first=x", (400, "BAD_REQUEST")),
        ("777/steps/f/results", (404, "NOT_FOUND")),
        ("x/steps/f/results", (404, "NOT_FOUND")),
    ],
)
async def test_refusals(site: Site, path: str, refusal: tuple[int, str]) -> None:
    id = await begun(site, loop(), {**loop(), "ref": "later", "children": [{**loop(), "ref": "l2", "children": [
        {"type": "NOOP", "name": "z", "ref": "z"}]}]}, items=[1])  # fmt: skip
    answer = await site.raw("GET", f"/api/process/{path.format(id=id)}")
    assert (answer.status_code, answer.json()["code"]) == refusal
