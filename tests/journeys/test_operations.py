"""Every operation as an operator uses it: over HTTP, with a real worker, and with the server killed in the middle."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stepwell.cli import main
from stepwell.client import ApiError, Client
from stepwell.worker import StepFailed, Worker, WorkRequest, connection
from tests.journeys.harness import CLIENT_ID, PATIENCE_S, TOKEN, ServerProcess, until

JsonObject = dict[str, Any]
SEED = 20_261_124


class Hands:
    """A worker that does the steps named `work`, as it is told by their refs."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.gates: dict[str, threading.Event] = {}
        """Refs at which it hangs until the gate is opened."""
        self.done: Counter[str] = Counter()
        self.inputs: dict[str, JsonObject] = {}

    def work(self, request: WorkRequest, input: JsonObject) -> JsonObject:
        ref = request.ref
        self.inputs[ref] = input
        gate = self.gates.get(ref)
        if gate is not None:
            gate.wait(PATIENCE_S)
        if ref in self.failing:
            raise StepFailed(f"{ref} is told to fail")
        self.done[ref] += 1
        return {"by": ref, **input}

    @contextmanager
    def at(self, server: ServerProcess) -> Iterator[None]:
        """At work in a thread, through every outage of that server."""
        worker = Worker(server.url, client_id=CLIENT_ID, token=TOKEN, hold_ms=2_000, drain_s=1.0)
        worker.step("work", concurrency=50)(self.work)
        ended = threading.Event()

        def run() -> None:
            worker.run()
            ended.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            for gate in self.gates.values():
                gate.set()
            while not ended.is_set():
                worker.stop()
                ended.wait(0.05)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    monkeypatch.setattr(connection, "MOST_DELAY_S", 0.05)
    return Hands()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.client() as client:
        yield client


def step(type: str, ref: str, *children: JsonObject, **more: Any) -> JsonObject:
    return {"type": type, "name": ref, "ref": ref, "children": list(children), **more}


def work(ref: str, **input: Any) -> JsonObject:
    return step("WORKER", ref, input=input) | {"name": "work"}


def define(client: Client, name: str, *steps: JsonObject, **more: Any) -> None:
    client.put_definition({"name": name, "steps": list(steps), **more})


def started(client: Client, name: str, **input: Any) -> int:
    return int(client.start(name, input)["processId"])


def records(client: Client, process_id: int) -> dict[str, JsonObject]:
    return {one["ref"]: dict(one) for one in client.process(process_id, steps=True)["stepRecords"]}


def status_of(client: Client, process_id: int, ref: str) -> str | None:
    found = records(client, process_id).get(ref)
    return None if found is None else str(found["status"])


def came_to(client: Client, process_id: int, ref: str, status: str) -> None:
    until(lambda: status_of(client, process_id, ref) == status, f"{ref} {status}")


def ended(client: Client, process_id: int) -> JsonObject:
    process = client.wait(process_id, timeout=PATIENCE_S)
    assert process["status"] != "RUNNING", client.waiting(process_id)
    return dict(process)


def executions(client: Client, process_id: int) -> dict[str, int]:
    return {ref: record["executionCount"] for ref, record in records(client, process_id).items()}


def acts(client: Client, process_id: int) -> list[str]:
    return [line["what"] for line in client.audit(process_id=process_id)]


# -- one process


def test_cancel_runs_the_hook(server: ServerProcess, client: Client, hands: Hands) -> None:
    define(client, "tidy", work("broom", of="{{ input.__source.processId }}"))
    define(client, "shop", work("a"), configuration={"onCancelProcess": {"name": "tidy"}})
    hands.gates["a"] = threading.Event()
    with hands.at(server):
        id = started(client, "shop")
        came_to(client, id, "a", "RUNNING")
        assert client.cancel(id, "changed my mind")["count"] == 1
        assert client.cancel(id)["details"][0]["error"]
        until(lambda: hands.done["broom"], "the hook")
    process = client.process(id)
    assert (process["status"], process["reason"]) == ("CANCELLED", "changed my mind")  # type: ignore[typeddict-item]
    assert hands.inputs["broom"] == {"of": id}


def test_pause_and_go_on(server: ServerProcess, client: Client, hands: Hands) -> None:
    define(client, "two", work("a"), work("b"))
    hands.gates["a"] = threading.Event()
    with hands.at(server):
        id = started(client, "two")
        came_to(client, id, "a", "RUNNING")
        client.pause(id, "look first")
        hands.gates["a"].set()
        came_to(client, id, "b", "PAUSED")
        (wait,) = client.waiting(id)["steps"]
        assert (wait["reason"], wait["heldBy"]) == ("HELD", "PROCESS")
        assert not hands.done["b"]
        client.go_on(id)
        assert ended(client, id)["status"] == "COMPLETED"
    assert hands.done == {"a": 1, "b": 1}
    assert acts(client, id) == ["UNPAUSE", "PAUSE"]


def test_rerun_from_a_step_in_a_loop(server: ServerProcess, client: Client, hands: Hands) -> None:
    chain = step("LIST", "chain", work("one", n="{{ foreach.value }}"), work("two"))
    each = step("FOREACH", "each", chain, input={"inputArray": [1, 2, 3], "concurrency": 3})
    define(client, "loop", work("first"), each, work("last", all="{{ steps.each.output.results }}"))
    hands.failing = {"one[1]"}
    with hands.at(server):
        id = started(client, "loop")
        assert ended(client, id)["status"] == "FAILED"
        hands.failing.clear()
        client.rerun_from(id, "one[1]", {"n": 99}, "wrong number")
        assert ended(client, id)["status"] == "COMPLETED"
    assert hands.inputs["one[1]"] == {"n": 99}
    counts = executions(client, id)
    assert {ref for ref, count in counts.items() if count > 1} == {"one[1]"}
    assert hands.done == Counter(
        ["first", "last", *(f"{ref}[{n}]" for ref in ("one", "two") for n in range(3))]
    )
    with hands.at(server):
        client.rerun_from(id, "each")
        assert ended(client, id)["status"] == "COMPLETED"
    assert executions(client, id) == {**dict.fromkeys(counts, 2), "first": 1, "one[1]": 3}


def test_rerun_as_it_was_and_by_the_newest_definition(
    server: ServerProcess, client: Client, hands: Hands
) -> None:
    define(client, "again", work("a"))
    with hands.at(server):
        id = started(client, "again", n=1)
        ended(client, id)
        define(client, "again", work("a"), work("b"))
        same, newest = client.rerun(id), client.rerun(id, "latest")
        assert [ended(client, one["processId"])["version"] for one in (same, newest)] == [1, 2]
    assert newest["input"] == {"n": 1}
    assert hands.done == {"a": 3, "b": 1}


def test_state_is_edited_and_a_signal_sent(server: ServerProcess, client: Client, hands: Hands) -> None:
    waits = step("WAIT", "approval", input={"forSignal": "approved", "correlation": "{{ input.order }}"})
    define(client, "asks", waits, work("a", x="{{ state.x }}", by="{{ steps.approval.output.by }}"))
    with hands.at(server):
        id = started(client, "asks", order="o-1")
        (wait,) = client.waiting(id)["steps"]
        assert (wait["reason"], wait["signal"], wait["correlation"]) == (
            "WAITING_FOR_SIGNAL",
            "approved",
            "o-1",
        )
        client.edit_state(id, {"x": 7})
        client.signal(id, "approved", {"by": "somebody else"}, "o-2")
        client.signal(id, "approved", {"by": "asha"}, "o-1")
        process = ended(client, id)
    assert (process["status"], process["output"]) == ("COMPLETED", {"by": "asha", "x": 7})
    assert acts(client, id) == ["SIGNAL", "SIGNAL", "STATE"]


# -- one step


def test_steps_are_completed_failed_and_offered_again(
    server: ServerProcess, client: Client, hands: Hands
) -> None:
    policy = {"name": "patient", "failure": {"action": "RETRY", "retryCount": 1, "retryInterval": 3_000_000}}
    client.put_policy(policy)
    define(
        client,
        "stuck",
        work("hangs"),
        work("late") | {"configuration": {"errorPolicyName": "patient"}},
        work("hopeless", x="{{ steps.hangs.output.x }}"),
    )
    hands.gates = {"hangs": threading.Event(), "hopeless": threading.Event()}
    hands.failing = {"late"}
    with hands.at(server):
        id = started(client, "stuck")
        came_to(client, id, "hangs", "RUNNING")
        (wait,) = client.waiting(id)["steps"]
        assert (wait["reason"], wait["worker"]) == ("RUNNING", CLIENT_ID)
        client.complete_step(id, "hangs", {"x": 1}, "done by hand")
        hands.gates["hangs"].set()
        until(lambda: client.waiting(id)["steps"][0]["reason"] == "DELAYED", "the first failure")
        hands.failing.clear()
        client.retry_step_now(id, "late")
        came_to(client, id, "hopeless", "RUNNING")
        client.fail_step(id, "hopeless", {"error": "gave up"})
        process = ended(client, id)
    assert (process["status"], process["output"]["error"]) == ("FAILED", "gave up")
    found = records(client, id)
    assert (found["hangs"]["output"], found["hopeless"]["input"]) == ({"x": 1}, {"x": 1})
    assert found["late"]["executionCount"] == 2
    with pytest.raises(ApiError) as refused:
        client.complete_step(id, "hopeless")
    assert refused.value.status == 409


def test_steps_are_held_skipped_and_removed(server: ServerProcess, client: Client, hands: Hands) -> None:
    define(client, "marked", work("a"), work("b"), work("c"), work("d"))
    client.hold("marked", "b", reason="bad data")
    client.hold("marked", "c", mark="SKIP")
    with hands.at(server):
        id = started(client, "marked")
        came_to(client, id, "b", "PAUSED")
        (wait,) = client.waiting(id)["steps"]
        assert (wait["reason"], wait["why"], wait["by"]) == ("HELD", "bad data", CLIENT_ID)
        assert [mark["ref"] for mark in client.holds() if mark["process"] == "marked"] == ["b", "c"]
        client.remove_step(id, "d")
        assert client.clear_hold("marked", "b")["cleared"]
        # Held steps look every 15 seconds; a pause that ends lets them go at once.
        client.pause(id)
        client.go_on(id)
        assert ended(client, id)["status"] == "COMPLETED"
    client.clear_hold("marked", "c")
    assert {ref: record["status"] for ref, record in records(client, id).items()} == {
        "a": "COMPLETED", "b": "COMPLETED", "c": "SKIPPED", "d": "SKIPPED",
    }  # fmt: skip


# -- many processes


def finished(client: Client, job_id: int) -> JsonObject:
    until(lambda: client.job(job_id)["status"] == "DONE", "the job")
    return dict(client.job(job_id, items=True))


def test_jobs_by_search(server: ServerProcess, client: Client, hands: Hands) -> None:
    define(client, "many", work("a"))
    hands.failing = {"a"}
    with hands.at(server):
        ids = [started(client, "many", n=n) for n in range(60)]
        assert {ended(client, id)["status"] for id in ids} == {"FAILED"}
        hands.failing.clear()
        resume = client.start_job("RESUME", search={"names": ["many"]}, reason="fixed")
        assert finished(client, resume["id"])["done"] == 60
        assert {ended(client, id)["status"] for id in ids} == {"COMPLETED"}
        refused = finished(client, client.start_job("TERMINATE", ids=ids[:3])["id"])
        assert (refused["done"], refused["failed"]) == (0, 3)
        assert {item["code"] for item in refused["items"]} == {"CONFLICT"}
        rerun = finished(client, client.start_job("RERUN", ids=ids[:5])["id"])
        again = [item["startedProcessId"] for item in rerun["items"]]
        assert {ended(client, id)["rerunOf"] for id in again} == set(ids[:5])
    assert acts(client, ids[9]) == ["RESUME"]
    assert [job["operation"] for job in client.jobs(limit=3)] == ["RERUN", "TERMINATE", "RESUME"]
    with pytest.raises(ApiError) as unbounded:
        client.start_job("TERMINATE", search={})
    assert unbounded.value.status == 400


# -- more results than an output holds


def test_all_results_of_a_long_loop(server: ServerProcess, client: Client) -> None:
    loop = step("FOREACH", "loop", {**step("NOOP", "c"), "input": {"n": "{{ foreach.value }}"}})
    loop["input"] = {"inputArray": "{{ input.items }}", "concurrency": 100}
    last = step("NOOP", "last", input={"n": "{{ steps.loop[1200].output.n }}"})
    define(client, "long-loop", loop, last)
    id = started(client, "long-loop", items=list(range(1_250)))
    assert ended(client, id)["output"] == {"n": 1_200}
    items = client.all_results(id, "loop")
    assert [item["output"] for item in items] == [{"n": n} for n in range(1_250)]
    page = client.results(id, "loop", first=1_240, limit=5)
    assert ([item["index"] for item in page["items"]], page["next"]) == ([*range(1_240, 1_245)], 1_245)

    def stepwell(*arguments: object) -> str:
        done = CliRunner().invoke(main, [*map(str, arguments)], env=server.environment)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert (
        json.loads(stepwell("process", "results", id, "loop", "--first", 1_249, "-o", "json"))["next"] is None
    )
    lines = stepwell("process", "results", id, "loop", "--all").splitlines()
    assert [json.loads(line)["index"] for line in lines] == [*range(1_250)]
    assert "COMPLETED" in stepwell("process", "results", id, "loop", "--limit", 2)


# -- the command line


def test_the_same_from_the_command_line(server: ServerProcess, client: Client, hands: Hands) -> None:
    define(client, "typed", step("WAIT", "w", input={"forSignal": "go"}), work("a"), work("b"), work("c"))

    def stepwell(*arguments: object, code: int = 0) -> Any:
        done = CliRunner().invoke(main, [*map(str, arguments), "-o", "json"], env=server.environment)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    id = started(client, "typed")
    assert stepwell("hold", "set", "typed", "c", "--reason", "wait")["mark"] == "HOLD"
    assert [mark["ref"] for mark in stepwell("hold", "list") if mark["process"] == "typed"] == ["c"]
    assert stepwell("process", "waiting", id)["steps"][0]["signal"] == "go"
    stepwell("process", "signal", id, "go", "--payload", '{"n": 1}')
    stepwell("process", "pause", id)
    assert stepwell("process", "waiting", id)["steps"][0]["reason"] == "HELD"
    stepwell("process", "resume", id)
    assert stepwell("process", "waiting", id)["steps"][0]["reason"] == "IN_QUEUE"
    stepwell("process", "retry-now", id, "a")
    stepwell("process", "complete", id, "a", "--result", '{"n": 2}')
    assert stepwell("process", "state", id, "--put", '{"k": 1}')["state"] == {"k": 1}
    stepwell("process", "remove-step", id, "b")
    assert stepwell("process", "waiting", id)["steps"][0]["why"] == "wait"
    stepwell("hold", "clear", "typed", "c")
    assert stepwell("process", "fail", id, "c", "--reason", "no")["status"] == "FAILED"
    assert stepwell("process", "rerun-from", id, "c")["status"] == "RUNNING"
    assert stepwell("process", "cancel", id)["count"] == 1
    assert stepwell("process", "cancel", id, code=1)["count"] == 0
    assert stepwell("process", "rerun", id)["rerunOf"] == id
    made = stepwell("job", "start", "terminate", "--name", "typed", "--wait")
    assert (made["status"], made["done"]) == ("DONE", 1)
    assert stepwell("job", "get", made["id"], "--items")["items"][0]["error"] is None
    assert stepwell("job", "list", "--limit", 1)[0]["id"] == made["id"]


# -- killed in the middle


class Outages(threading.Thread):
    """Kills the server at random instants, and starts it again, until it is told to stop."""

    def __init__(self, server: ServerProcess, kills: int) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._kills = kills
        self._chance = random.Random(SEED)

    def run(self) -> None:
        for _ in range(self._kills):
            time.sleep(self._chance.uniform(0.01, 0.25))
            self._server.kill()
            self._server.start()

    def __enter__(self) -> "Outages":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join()


def insist(act: Callable[[], Any]) -> Any:
    """Ask until there is an answer; the answer, or None when it was done before (the answer had been lost)."""

    def once() -> tuple[Any] | None:
        try:
            return (act(),)
        except ApiError as error:
            if error.status == 409:
                return (None,)
            assert error.code == "UNREACHABLE" or error.status == 503, error
            return None

    return until(once, "an answer")[0]


def test_killed_while_processes_are_paused_and_go_on(tmp_path: Path, hands: Hands) -> None:
    with ServerProcess(tmp_path) as server, server.client() as client, hands.at(server):
        define(client, "long", *(work(f"s{n}") for n in range(6)))
        ids = [started(client, "long", n=n) for n in range(12)]
        with Outages(server, kills=3):
            for id in ids:
                insist(lambda id=id: client.pause(id))  # type: ignore[misc]
            for id in ids:
                insist(lambda id=id: client.go_on(id))  # type: ignore[misc]
        assert {ended(client, id)["status"] for id in ids} == {"COMPLETED"}
        for id in ids:
            assert set(executions(client, id).values()) == {1}
            assert client.process(id)["output"]["by"] == "s5"


def test_killed_while_steps_run_again(tmp_path: Path, hands: Hands) -> None:
    with ServerProcess(tmp_path) as server, server.client() as client, hands.at(server):
        inner = step("PARALLEL", "p", work("left"), step("LIST", "l", work("right"), work("end")))
        define(client, "again", work("first"), inner, work("last"))
        hands.failing = {"right"}
        ids = [started(client, "again", n=n) for n in range(12)]
        assert {ended(client, id)["status"] for id in ids} == {"FAILED"}
        hands.failing.clear()
        with Outages(server, kills=3):
            for id in ids:
                insist(lambda id=id: client.rerun_from(id, "right", {"n": 1}))  # type: ignore[misc]
        assert {ended(client, id)["status"] for id in ids} == {"COMPLETED"}
        for id in ids:
            once = dict.fromkeys(("first", "p", "left", "l", "end", "last"), 1)
            assert executions(client, id) == {**once, "right": 2}
            assert acts(client, id) == ["RERUN_FROM"]


def test_killed_while_steps_are_completed(tmp_path: Path, hands: Hands) -> None:
    with ServerProcess(tmp_path) as server, server.client() as client, hands.at(server):
        waits = step("WAIT", "w", input={"forSignal": "never"})
        define(client, "waits", waits, work("a", x="{{ steps.w.output.x }}"))
        ids = [started(client, "waits") for _ in range(20)]
        with Outages(server, kills=3):
            for number, id in enumerate(ids):
                insist(lambda id=id, number=number: client.complete_step(id, "w", {"x": number}))  # type: ignore[misc]
        assert [ended(client, id)["output"]["x"] for id in ids] == list(range(20))
        assert {tuple(acts(client, id)) for id in ids} == {("STEP_ORDERED",)}


def test_killed_while_a_job_runs(tmp_path: Path, hands: Hands) -> None:
    """Every process is rerun once, and the job knows by which one."""
    with ServerProcess(tmp_path) as server, server.client() as client, hands.at(server):
        define(client, "many", work("a"))
        ids = [started(client, "many", n=n) for n in range(300)]
        assert {ended(client, id)["status"] for id in ids} == {"COMPLETED"}
        job = client.start_job("RERUN", search={"names": ["many"], "statuses": ["COMPLETED"]})
        with Outages(server, kills=4):
            until(lambda: insist(lambda: client.job(job["id"]))["status"] == "DONE", "the job")
        done = finished(client, job["id"])
        assert (done["total"], done["done"], done["failed"]) == (300, 300, 0)
        started_by = {item["processId"]: item["startedProcessId"] for item in done["items"]}
        assert sorted(started_by) == ids
        found: list[JsonObject] = []
        while page := client.search(names=["many"], limit=500, offset=len(found), start_ms=0):
            found += map(dict, page)
        assert {one["rerunOf"]: one["processId"] for one in found if one["rerunOf"]} == started_by
        assert len(found) == 600
