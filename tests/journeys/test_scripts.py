"""Scripts, waits, calls and sub-processes on a real server, also when it is killed over them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.client import ApiError
from stepwell.client.asking import Call
from tests.journeys.harness import ServerProcess, until
from tests.journeys.shop import Shop, shop

JsonObject = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), http_allow="127.0.0.1") as running:
        yield running


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ServerProcess]:
    """One that a test may kill."""
    with ServerProcess(tmp_path, http_allow="127.0.0.1") as running:
        yield running


@pytest.fixture
def site() -> Iterator[Shop]:
    with shop() as running:
        yield running


def step(kind: str, ref: str, *children: JsonObject, **input: Any) -> JsonObject:
    return {"type": kind, "ref": ref, "name": ref, "input": input, "children": list(children)}


def put(server: ServerProcess, name: str, *steps: JsonObject, **fields: Any) -> None:
    with server.client() as client:
        client.put_definition({"name": name, "steps": list(steps), **fields})


def started(server: ServerProcess, name: str, given: JsonObject | None = None) -> int:
    with server.client() as client:
        return int(client.start(name, given or {})["processId"])


def process_of(server: ServerProcess, id: int) -> JsonObject:
    with server.client() as client:
        return dict(client.process(id, steps=True))


def step_of(server: ServerProcess, id: int, ref: str) -> JsonObject | None:
    return next((step for step in process_of(server, id)["stepRecords"] if step["ref"] == ref), None)


def ended(server: ServerProcess, id: int) -> JsonObject:
    def look() -> JsonObject | None:
        process = process_of(server, id)
        return None if process["status"] == "RUNNING" else process

    return until(look, f"the end of {id}") or {}


def ran(server: ServerProcess, name: str, given: JsonObject | None = None) -> JsonObject:
    return ended(server, started(server, name, given))


def tell(server: ServerProcess, id: int, what: str, body: bytes = b"{}", **query: str) -> None:
    with server.client() as client:
        client.send(Call(method="POST", path=f"/api/process/{id}/{what}", body=body, query=query))


# -- what they do


def test_switch_sees_what_came_before(server: ServerProcess) -> None:
    mapping = [{"value": "big", "targetRef": "big"}, {"targetRef": "other", "defaultBranch": True}]
    chosen = (
        "(steps, context) => { console.log('looking'); return steps.first.output.n > 5 ? 'big' : 'small' }"
    )
    put(
        server,
        "switching",
        step("NOOP", "first", n="{{ input.n }}"),
        step("SWITCH", "s", step("LIST", "big", step("NOOP", "inner")), step("NOOP", "other"),
             script=chosen, responseMapping=mapping),
    )  # fmt: skip
    process = ran(server, "switching", {"n": 7})
    records = {record["ref"]: record for record in process["stepRecords"]}
    assert process["output"] == {"output": "big", "logs": ["looking"]}
    assert {ref: record["status"] for ref, record in records.items()} == {
        "first": "COMPLETED",
        "s": "COMPLETED",
        "big": "COMPLETED",
        "inner": "COMPLETED",
        "other": "SKIPPED",
    }
    assert records["s"]["executionList"][-1]["runs"] == 1
    assert ran(server, "switching", {"n": 2})["output"]["output"] == "small"


def test_a_script_that_fails_says_why(server: ServerProcess) -> None:
    put(server, "failing", step("SWITCH", "s", step("NOOP", "a"), script="(steps) => steps.nobody.output",
                                responseMapping=[{"value": "a", "targetRef": "a"}]))  # fmt: skip
    process = ran(server, "failing")
    assert process["status"] == "FAILED"
    assert process["output"]["failedStepRef"] == "s"
    assert "undefined" in process["output"]["error"]


def test_a_policy_asks_a_script_again(server: ServerProcess) -> None:
    with server.client() as client:
        again = {"action": "RETRY", "retryCount": 3, "retryInterval": 1}
        client.put_policy({"name": "again", "failure": again})
    third = "(steps) => { if (steps.__self.executions.length < 3) throw new Error('not yet'); return {waitUntil: 0} }"
    put(server, "retried", {**step("WAIT", "w", script=third), "configuration": {"errorPolicyName": "again"}})
    process = ran(server, "retried")
    assert process["status"] == "COMPLETED"
    assert process["stepRecords"][0]["executionCount"] == 3


def test_while_counts_in_the_state(server: ServerProcess) -> None:
    inner = step("NOOP", "n", __statePut={"x": 1})
    python = (
        "def main(steps, context):\n    return len(steps['w']['executions']) <= context['input']['passes']"
    )
    put(server, "looping", step("WHILE", "w", inner, script=python, scriptLanguage="PYTHON"))
    process = ran(server, "looping", {"passes": 5})
    records = {record["ref"]: record for record in process["stepRecords"]}
    assert process["output"] == {"passes": 5}
    assert (records["w"]["executionCount"], records["n"]["executionCount"]) == (6, 5)
    assert records["n"]["start"] == records["n"]["executionList"][0]["start"]


def test_a_foreach_in_a_while_uses_its_iterations_again(server: ServerProcess) -> None:
    each = {**step("FOREACH", "each", step("NOOP", "item", is_="{{ foreach.value }}")), "input": {
        "inputArray": "{{ input.items }}", "concurrency": 3}}  # fmt: skip
    put(server, "loops", step("WHILE", "w", each, script="(steps) => steps.__self.executions.length <= 3"))
    process = ran(server, "loops", {"items": [1, 2, 3]})
    items = [record for record in process["stepRecords"] if record["ref"].startswith("item[")]
    assert [(record["ref"], record["executionCount"]) for record in items] == [
        ("item[0]", 3),
        ("item[1]", 3),
        ("item[2]", 3),
    ]


def test_wait_until_a_script_says(server: ServerProcess) -> None:
    put(server, "waiting", step("WAIT", "w", script="(steps) => ({waitUntil: steps.__self.start + 20})"))
    process = ran(server, "waiting")
    (record,) = process["stepRecords"]
    assert record["output"]["result"] == {"waitUntil": record["start"] + 20}
    assert record["updated"] >= record["start"] + 20


def test_a_signal_ends_a_wait(server: ServerProcess) -> None:
    put(server, "signalled", step("WAIT", "w", forSignal="paid", correlation="{{ input.order }}"))
    id = started(server, "signalled", {"order": 7})
    tell(server, id, "signal/paid", b'{"no":1}', correlation="8")
    tell(server, id, "signal/paid", b'{"by":"Asha"}', correlation="7")
    assert ended(server, id)["output"] == {"by": "Asha"}


def test_sub_processes_up_and_down(server: ServerProcess) -> None:
    put(server, "child", step("WAIT", "w", forSignal="go"))
    put(server, "parent", step("SUB_PROCESS", "s", processName="child"))
    put(server, "grandparent", step("SUB_PROCESS", "t", processName="parent"))

    def child_of(id: int, ref: str) -> int:
        def look() -> int:
            record = step_of(server, id, ref)
            child = 0 if record is None else int(record["output"].get("subProcessId", 0))
            try:
                return child if child and process_of(server, child) else 0
            except ApiError:
                return 0

        return until(look, "the child")

    top = started(server, "grandparent")
    middle = child_of(top, "t")
    child = child_of(middle, "s")
    tell(server, child, "signal/go", b'{"x":1}')
    process = ended(server, top)
    assert process["output"]["subProcessOutput"]["subProcessOutput"] == {"x": 1}

    top = started(server, "grandparent")
    middle = child_of(top, "t")
    child = child_of(middle, "s")
    with server.client() as client:
        client.terminate([top], "enough")
    assert [ended(server, id)["status"] for id in (top, middle, child)] == ["TERMINATED"] * 3
    with server.client() as client:
        client.resume([top])
    until(lambda: process_of(server, child)["status"] == "RUNNING", "the resume of the child")
    tell(server, child, "signal/go", b'{"x":2}')
    assert ended(server, top)["output"]["subProcessOutput"]["subProcessOutput"] == {"x": 2}


def test_the_servers_own_work_in_a_row(server: ServerProcess, site: Shop) -> None:
    put(
        server,
        "chain",
        step("HTTP", "order", method="GET", url="{{ input.shop }}/orders/7"),
        step("JQ", "skus", script="[.items[].sku]", input="{{ steps.order.output.response }}"),
        step("JAVASCRIPT", "joined", script="(steps) => steps.skus.output.result.join('+')"),
        step("PYTHON", "said", script="def main(steps, context):\n"
             "    print('hi')\n    return steps['joined']['output']['result'].lower()"),
    )  # fmt: skip
    process = ran(server, "chain", {"shop": site.url})
    assert process["output"] == {"result": "lamp+chair", "logs": ["hi"]}
    assert all(record["workerId"].startswith("stepwell") for record in process["stepRecords"])


def test_targets_that_are_not_allowed(tmp_path: Path, site: Shop) -> None:
    with ServerProcess(tmp_path) as strict:
        put(strict, "calling", step("HTTP", "order", method="GET", url="{{ input.shop }}/orders/7"))
        assert ran(strict, "calling", {"shop": site.url})["status"] == "FAILED"
    assert site.keys == []


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (step("HTTP", "h", url="https://example.com"), "steps[0].input.method"),
        (step("JAVASCRIPT", "j"), "steps[0].input.script"),
        (step("PYTHON", "p", script=5), "steps[0].input.script"),
        (step("JQ", "q", script=""), "steps[0].input.script"),
        (step("BUILTIN", "b"), "steps[0].name"),
        (step("SWITCH", "s", step("NOOP", "a"), value=1), "steps[0].input.responseMapping"),
        (step("WAIT", "w"), "steps[0].input.script"),
    ],
)
def test_bad_inputs_are_refused_when_they_are_stored(
    server: ServerProcess, bad: JsonObject, path: str
) -> None:
    with pytest.raises(ApiError) as refused:
        put(server, "bad", bad)
    assert path in {problem.path for problem in refused.value.problems}


# -- killed meanwhile

LONG = "(steps, context) => { let n = 0; while (n < 3e6) n += 1; return RESULT }"
"""Takes long enough to be killed over, and ends by itself."""


@pytest.mark.parametrize(
    ("written", "output"),
    [
        (
            step("SWITCH", "s", step("NOOP", "a"), script=LONG.replace("RESULT", "'a'"),
                 responseMapping=[{"value": "a", "targetRef": "a"}]),
            {"output": "a", "logs": []},
        ),
        (step("WHILE", "s", step("NOOP", "a"), script=LONG.replace("RESULT", "steps.__self.executions.length < 3")),
         {"passes": 2}),
        (step("JAVASCRIPT", "s", script=LONG.replace("RESULT", "n")), {"result": 3_000_000, "logs": []}),
    ],
    ids=["SWITCH", "WHILE", "JAVASCRIPT"],
)  # fmt: skip
def test_killed_while_a_script_runs(mortal: ServerProcess, written: JsonObject, output: JsonObject) -> None:
    put(mortal, "killed", written)
    id = started(mortal, "killed")
    mortal.kill()
    mortal.start()
    process = ended(mortal, id)
    assert (process["status"], process["output"]) == ("COMPLETED", output)


def test_killed_while_a_wait_sleeps(mortal: ServerProcess) -> None:
    script = "(steps) => ({waitUntil: steps.__self.start + 1000})"
    put(mortal, "sleeping", step("WAIT", "w", script=script), step("WAIT", "v", durationMs=300))
    id = started(mortal, "sleeping")
    until(lambda: (step_of(mortal, id, "w") or {}).get("output"), "the answer of its script")
    mortal.kill()
    mortal.start()
    process = ended(mortal, id)
    first, second = process["stepRecords"]
    assert [record["status"] for record in (first, second)] == ["COMPLETED"] * 2
    # Its script was not asked again, and the moment is the one from before.
    assert (first["executionCount"], first["executionList"][0]["runs"]) == (1, 1)
    assert first["output"]["result"]["waitUntil"] == first["start"] + 1000 <= second["start"]


def test_killed_while_a_signal_is_awaited(mortal: ServerProcess) -> None:
    put(mortal, "signalled", step("WAIT", "w", forSignal="go"), step("WAIT", "v", forSignal="later"))
    id = started(mortal, "signalled")
    tell(mortal, id, "signal/later", b'{"n":2}')
    mortal.kill()
    mortal.start()
    tell(mortal, id, "signal/go")
    assert ended(mortal, id)["output"] == {"n": 2}


def test_killed_while_a_child_runs(mortal: ServerProcess) -> None:
    put(mortal, "child", step("JAVASCRIPT", "j", script=LONG.replace("RESULT", "n")))
    put(mortal, "parent", step("SUB_PROCESS", "s", processName="child"))
    id = started(mortal, "parent")
    mortal.kill()
    mortal.start()
    assert ended(mortal, id)["output"]["subProcessOutput"] == {"result": 3_000_000, "logs": []}


def test_killed_while_a_call_is_out(mortal: ServerProcess, site: Shop) -> None:
    put(mortal, "calling", step("HTTP", "order", method="GET", url="{{ input.shop }}/orders/slow"))
    id = started(mortal, "calling", {"shop": site.url})
    until(lambda: site.keys, "the call")
    mortal.kill()
    site.slow.set()
    mortal.start()
    assert ended(mortal, id)["output"]["response"]["id"] == "slow"
    first, *others = site.keys
    assert set(others) == {first}, "the second try says that it is the same"
    record = step_of(mortal, id, "order") or {}
    assert (record["executionCount"], record["executionList"][0]["runs"]) == (1, 2)
