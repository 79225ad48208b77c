"""Our worker against a real server process: whatever happens to either, every process ends, once."""

import asyncio
import json
import logging
import math
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stepwell.client import Client
from stepwell.client.calls import Call
from stepwell.worker import KeepRunning, StepFailed, Worker, WorkRequest
from tests.journeys.harness import CLIENT_ID, PATIENCE_S, TOKEN, ServerProcess, until

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.client() as client:
        yield client


def worker_for(server: ServerProcess, **options: Any) -> Worker:
    return Worker(server.url, client_id=CLIENT_ID, token=TOKEN, **options)


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    """The worker runs in a thread; afterwards it has stopped in good order."""
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            worker.run()
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        while thread.is_alive() and not ended:  # a stop before it runs would be lost
            worker.stop()
            thread.join(0.05)
        thread.join(PATIENCE_S)
        assert ended == [None]


def define(client: Client, name: str, *steps: str, input: dict[str, Any] | None = None) -> None:
    """A process of worker steps, one after the other; each gets the process's input and its own extra one."""
    given = {"n": "{{ context.input.n }}"} if input is None else input
    client.put_definition(
        {
            "name": name,
            "steps": [
                {"type": "WORKER", "name": step, "ref": f"{step}_{i}", "input": given}
                for i, step in enumerate(steps)
            ],
        }
    )


def start_all(client: Client, name: str, count: int) -> list[int]:
    return [client.start(name, {"n": n})["processId"] for n in range(count)]


def all_ended(client: Client, ids: list[int]) -> Counter[str]:
    give_up = time.monotonic() + PATIENCE_S
    return Counter(client.wait(id, timeout=give_up - time.monotonic())["status"] for id in ids)


def only_step(client: Client, process_id: int) -> dict[str, Any]:
    (step,) = client.process(process_id, steps=True)["stepRecords"]
    return dict(step)


def test_the_hello_example_runs(server: ServerProcess, client: Client) -> None:
    client.put_definition((EXAMPLES / "hello.yaml").read_text())
    command = [sys.executable, "-m", "stepwell.cli", "worker", str(EXAMPLES / "hello_worker.py")]
    process = subprocess.Popen(
        command, env=server.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        ended = client.run("hello", {"name": "Ada"}, timeout=PATIENCE_S)
        assert ended["status"] == "COMPLETED"
        assert ended["output"] == {"greeting": "Hello, Ada!", "letters": 8}
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, log.decode()


def test_async_and_sync_functions_and_their_arguments(server: ServerProcess, client: Client) -> None:
    @dataclass
    class Order:
        id: int
        note: str = "none"

    worker = worker_for(server)

    @worker.step("mixed_async")
    async def first(n: int, work_request: WorkRequest) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"n": n + 1, "ref": work_request.ref}

    @worker.step("mixed_sync")
    def second(n: int) -> Order:
        return Order(n, threading.current_thread().name)

    define(client, "mixed", "mixed_async", "mixed_sync")
    with working(worker):
        ended = client.run("mixed", {"n": 4}, timeout=PATIENCE_S)
    steps = {
        step["ref"]: step["output"] for step in client.process(ended["processId"], steps=True)["stepRecords"]
    }
    assert steps["mixed_async_0"] == {"n": 5, "ref": "mixed_async_0"}
    assert steps["mixed_sync_1"]["id"] == 4
    assert steps["mixed_sync_1"]["note"].startswith("step-")


def test_two_hundred_steps_each_done_once(server: ServerProcess, client: Client) -> None:
    worker, done = worker_for(server, batch=50), Counter[int]()

    @worker.step("many", concurrency=120)
    async def many(n: int) -> int:
        done[n] += 1
        return n

    define(client, "many", "many")
    ids = start_all(client, "many", 200)
    with working(worker):
        assert all_ended(client, ids) == {"COMPLETED": 200}
    assert done == Counter(range(200))


def test_no_more_than_the_concurrency_runs_at_a_time(server: ServerProcess, client: Client) -> None:
    worker, now, most = worker_for(server), 0, 0

    @worker.step("narrow", concurrency=3)
    async def narrow() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    define(client, "narrow", "narrow")
    ids = start_all(client, "narrow", 20)
    with working(worker):
        assert all_ended(client, ids) == {"COMPLETED": 20}
    assert most == 3


def test_whatever_goes_wrong_fails_the_step_with_its_reason(server: ServerProcess, client: Client) -> None:
    worker = worker_for(server)

    @worker.step("wrong")
    async def wrong(n: int) -> Any:
        match n:
            case 0:
                raise ValueError("no stock")
            case 1:
                raise StepFailed("sold out", output={"sku": 4})
            case 2:
                return {"x": math.nan}
            case 3:
                raise asyncio.CancelledError
        raise SystemExit("enough")

    define(client, "wrong", "wrong")
    with working(worker):
        ids = [client.start("wrong", {"n": n})["processId"] for n in (0, 1, 2, 3, 4, "five")]
        assert all_ended(client, ids) == {"FAILED": 6}
    outputs = [only_step(client, id)["output"] for id in ids]
    assert outputs[0] == {"error": "no stock", "errorType": "ValueError"}
    assert outputs[1] == {"error": "sold out", "sku": 4}
    assert "NaN" in outputs[2]["error"]
    assert "cancelled" in outputs[3]["error"]
    assert outputs[4] == {"error": "enough", "errorType": "SystemExit"}
    assert "$.n" in outputs[5]["error"]


def test_keep_running_calls_the_function_again(server: ServerProcess, client: Client) -> None:
    worker = worker_for(server)
    runs: list[int] = []

    @worker.step("later")
    async def later(request: WorkRequest) -> Any:
        runs.append(request.run_count)
        if request.run_count < 4:
            return KeepRunning({"seen": request.run_count}, after_seconds=0.05)
        return {"seen": "all"}

    define(client, "later", "later")
    with working(worker):
        ended = client.run("later", timeout=PATIENCE_S)
    assert (ended["status"], ended["output"]) == ("COMPLETED", {"seen": "all"})
    assert runs == [1, 2, 3, 4]


def test_a_held_poll_never_holds_up_a_result(server: ServerProcess, client: Client) -> None:
    """Every queue has one slot, so there is always a held poll for one while a result of another is ready."""
    worker = worker_for(server, hold_ms=25_000)

    @worker.step("ping", concurrency=1)
    async def ping() -> None:
        await asyncio.sleep(0.02)

    @worker.step("pong", concurrency=1)
    def pong() -> None: ...

    define(client, "table_tennis", *["ping", "pong"] * 5)
    with working(worker):
        ended = client.run("table_tennis", timeout=20)
    assert ended["status"] == "COMPLETED"


def test_a_long_step_keeps_its_lease(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, lease_ms=1_000) as server, server.client() as client:
        worker = worker_for(server)
        runs: list[int] = []

        def rival() -> list[Any]:
            """Another host that would take the step if its lease ended, and waits a whole lease for that."""
            poll = {
                "queues": [{"namespace": "default", "name": "long", "size": 1}],
                "size": 1,
                "waitMs": 1_000,
            }
            body = json.dumps(poll).encode()
            answer = client.send(Call(method="POST", path="/api/clients/exchange", body=body))
            return list(answer["work"])

        @worker.step("long", concurrency=1)  # its one slot is busy, so no other poll says that we live
        async def long(request: WorkRequest) -> list[Any]:
            runs.append(request.run_count)
            return [await asyncio.to_thread(rival) for _ in range(3)]

        define(client, "long", "long")
        with working(worker):
            ended = client.run("long", timeout=PATIENCE_S)
        assert (ended["status"], ended["output"]) == ("COMPLETED", {"result": [[], [], []]})
        assert runs == [1]


def test_the_server_is_killed_and_comes_back(tmp_path: Path) -> None:
    """Leases last ten minutes here, so a hand-out whose answer was lost would be missed."""
    with ServerProcess(tmp_path) as server, server.client() as client:
        worker, done = worker_for(server, batch=7), Counter[str]()

        def count(ref: str) -> None:
            done[ref] += 1

        @worker.step("chain_async", concurrency=20)
        async def chain_async(work_request: WorkRequest) -> None:
            await asyncio.sleep(0.005)
            count(work_request.ref)

        @worker.step("chain_sync", concurrency=4)
        def chain_sync(work_request: WorkRequest) -> None:
            count(work_request.ref)

        define(client, "chain", "chain_async", "chain_sync", "chain_async")
        ids = start_all(client, "chain", 60)
        with working(worker):
            for seen in (10, 50, 90, 130):
                until(lambda seen=seen: done.total() >= seen, "progress")  # type: ignore[misc]
                server.kill()
                server.start()
            assert all_ended(client, ids) == {"COMPLETED": 60}
        assert all(
            done[f"{ref}_{i}"] >= 60 for i, ref in enumerate(("chain_async", "chain_sync", "chain_async"))
        )


def test_a_graceful_stop_loses_nothing(tmp_path: Path) -> None:
    """Whatever the first worker took, it finished: nothing waits ten minutes for a lease to end."""
    with ServerProcess(tmp_path) as server, server.client() as client:
        done = Counter[int]()

        def make_worker() -> Worker:
            worker = worker_for(server)

            @worker.step("careful", concurrency=8)
            async def careful(n: int) -> None:
                await asyncio.sleep(0.01)
                done[n] += 1

            return worker

        define(client, "careful", "careful", "careful")
        ids = start_all(client, "careful", 60)
        for share in (10, 40, 70):
            with working(make_worker()):
                until(lambda share=share: done.total() >= share, "progress")  # type: ignore[misc]
        with working(make_worker()):
            assert all_ended(client, ids) == {"COMPLETED": 60}
        assert done == Counter(dict.fromkeys(range(60), 2))


def test_a_stop_ends_a_held_poll(server: ServerProcess, client: Client) -> None:
    worker, done = worker_for(server, hold_ms=25_000), threading.Event()

    @worker.step("idle")
    async def idle() -> None:
        done.set()

    define(client, "idle", "idle")
    with working(worker):
        assert client.run("idle", timeout=PATIENCE_S)["status"] == "COMPLETED"
    assert done.is_set()
    later = client.start("idle")["processId"]
    with working(worker):  # the same worker can serve again, and finds what came meanwhile
        assert client.wait(later, timeout=PATIENCE_S)["status"] == "COMPLETED"


def test_wrong_credentials_are_told_once_and_are_no_end(
    server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(server.url, client_id=CLIENT_ID, token="not the token")
    worker.step("never")(lambda: None)
    with caplog.at_level(logging.ERROR, "stepwell.worker"), working(worker):
        until(lambda: caplog.records, "a report")
    assert len(caplog.records) == 1
    assert "STEPWELL_TOKEN" in caplog.text
