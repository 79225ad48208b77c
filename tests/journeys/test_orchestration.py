"""API_ORCHESTRATION over HTTP: the same answers and rows as STANDARD, also when the server is killed in the middle."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stepwell.client import ApiError
from tests.journeys.harness import ServerProcess, until
from tests.journeys.shop import Shop, shop

JsonObject = dict[str, Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, http_allow="127.0.0.1") as running:
        yield running


@pytest.fixture
def site() -> Iterator[Shop]:
    with shop() as running:
        yield running


def step(kind: str, ref: str, **input: Any) -> JsonObject:
    return {"type": kind, "ref": ref, "name": ref, "input": input}


def put(server: ServerProcess, name: str, kind: str, *steps: JsonObject) -> None:
    with server.client() as client:
        client.put_definition({"name": name, "type": kind, "steps": list(steps)})


def told(process: JsonObject) -> JsonObject:
    """What does not depend on ids, times (an answer's headers hold one) and the kind of process."""
    for record in process["stepRecords"]:
        record["output"].pop("headers", None)
    steps = [
        {key: record[key] for key in ("ref", "type", "status", "input", "output", "executionCount")}
        for record in process["stepRecords"]
    ]
    return {"status": process["status"], "output": process["output"], "steps": steps}


def test_both_kinds_of_process_leave_the_same_behind(server: ServerProcess, site: Shop) -> None:
    adds = "def main(steps, context):\n    return steps['look']['output']['result']['n'] + 1"
    sees = "(steps, context) => ({order: steps.order.output.response.id, n: context.input.n})"
    steps = [
        step("NOOP", "first", n="{{ input.n }}"),
        step("HTTP", "order", url=f"{site.url}/orders/7", method="GET"),
        step("JAVASCRIPT", "look", script=sees),
        step("PYTHON", "last", script=adds),
    ]
    ran = []
    for kind in ("STANDARD", "API_ORCHESTRATION"):
        put(server, kind.lower(), kind, *steps)
        with server.client() as client:
            answer = client.run(kind.lower(), {"n": 4})
            ran.append(client.process(answer["processId"], steps=True))
        assert answer["status"] == "COMPLETED" and answer["output"] == ran[-1]["output"]
    assert told(ran[0]) == told(ran[1])
    assert ran[1]["processType"] == "API_ORCHESTRATION" and ran[1]["output"]["result"] == 5


def test_a_slow_answer_from_outside_is_waited_for_with_rows(server: ServerProcess, site: Shop) -> None:
    put(
        server,
        "slow",
        "API_ORCHESTRATION",
        step("HTTP", "order", url=f"{site.url}/orders/slow", method="GET"),
    )
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.run, "slow")
        found = until(lambda: client.search(names=["slow"]), "a process that can be seen")
        assert found[0]["status"] == "RUNNING" and not answer.done()
        site.slow.set()
        assert answer.result()["status"] == "COMPLETED"
        assert answer.result()["processId"] == found[0]["processId"]
    assert len(site.keys) == 1


def test_a_kill_forgets_it_or_it_goes_on(server: ServerProcess, site: Shop) -> None:
    """Which of the two depends on whether it had been saved; the caller has no answer either way."""
    put(
        server,
        "slow",
        "API_ORCHESTRATION",
        step("HTTP", "order", url=f"{site.url}/orders/slow", method="GET"),
    )
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        lost = pool.submit(client.run, "slow")
        until(lambda: site.keys, "the call to the shop")
        server.kill()
        with pytest.raises(ApiError):
            lost.result()
        site.slow.set()
        server.start()
        ended = client.search(names=["slow"])
        until(lambda: all(client.process(p["processId"])["status"] == "COMPLETED" for p in ended), "its end")
    assert len(site.keys) == 1 + len(ended) <= 2
