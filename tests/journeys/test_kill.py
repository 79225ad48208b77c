"""The server is killed at random instants of a run. Every acknowledged start ends, with the right output; no
accepted result is lost or applied twice; nothing is stuck."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepwell.client import ApiError
from tests.journeys import kill_work
from tests.journeys.harness import PATIENCE_S, ServerProcess, on_postgres, until
from tests.postgres import FAST, Databases

HERE = Path(__file__).parent
SEED = 20_261_123

JsonObject = dict[str, Any]


class Starter(threading.Thread):
    """Starts processes as fast as it may, through every outage, and keeps what was acknowledged."""

    def __init__(self, server: ServerProcess, count: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[int, int] = {}
        """Process id to `n`."""
        self._server = server
        self._count = count
        self._allowed = threading.Semaphore(0)

    def allow(self, count: int) -> None:
        self._allowed.release(count)

    def run(self) -> None:
        with self._server.client() as client:
            for n in range(self._count):
                self._allowed.acquire()
                while (process := self._start(client, n)) is None:
                    time.sleep(0.01)
                self.acknowledged[process["processId"]] = n

    def _start(self, client: Any, n: int) -> JsonObject | None:
        """None when there was no answer: perhaps the process exists all the same."""
        try:
            process: JsonObject = client.start(kill_work.NAME, kill_work.input_of(n))
        except ApiError as error:
            assert error.code == "UNREACHABLE" or error.status == 503, error
            return None
        return process


@contextmanager
def worker_process(server: ServerProcess, script: str, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (server.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE / script), str(told)],
            env=server.environment | {"NO_PROXY": "127.0.0.1"},
            stdout=log,
            stderr=log,
        )
        try:
            yield process
            assert process.poll() is None, "the worker ended"
            process.terminate()
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()


def run_and_kill(server: ServerProcess, script: str, told: Path, count: int, kills: int) -> dict[int, int]:
    """`count` processes while the server is killed and restarted; the acknowledged starts."""
    chance = random.Random(SEED)
    with server.client() as client:
        client.put_policy(kill_work.POLICY)
        client.put_definition(kill_work.DEFINITION)
    starter = Starter(server, count)
    starter.start()
    with worker_process(server, script, told):
        for round in range(kills):
            starter.allow(count * (round + 1) // kills - count * round // kills)
            if chance.random() < 0.8:  # else perhaps before the worker is back
                until(lambda before=size(told): size(told) > before, "the next result")
            time.sleep(chance.uniform(0, 0.05))
            server.kill()
            server.start()
        starter.join(60)
        assert not starter.is_alive(), "the starts did not get through"
        until(lambda: not unfinished(server), "the end of all processes")
    return starter.acknowledged


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def unfinished(server: ServerProcess) -> list[JsonObject]:
    with server.client() as client:
        return client.search(names=[kill_work.NAME], statuses=["RUNNING"], limit=500)


def all_processes(server: ServerProcess) -> dict[int, JsonObject]:
    """Every process there is, acknowledged or not, with its steps."""
    with server.client() as client:
        found = client.search(names=[kill_work.NAME], limit=500)
        return {each["processId"]: client.process(each["processId"], steps=True) for each in found}


def check_process(process: JsonObject) -> None:
    n = process["input"]["n"]
    assert process["status"] == "COMPLETED" and not process["marked"], process
    values = [item["value"] for item in process["output"]["items"]]
    assert (values, process["output"]["total"]) == (kill_work.items_of(n), kill_work.total_of(n))
    records = process["stepRecords"]
    assert (
        process["stepIdCount"]
        == len(records)
        == len({record["ref"] for record in records})
        == kill_work.STEPS
    )
    assert {record["status"] for record in records} == {"COMPLETED"}


def worker_steps(processes: dict[int, JsonObject]) -> Iterator[tuple[JsonObject, JsonObject]]:
    for process in processes.values():
        for record in process["stepRecords"]:
            if record["type"] == "WORKER":
                yield process, record


def lines(path: Path) -> list[JsonObject]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_results(processes: dict[int, JsonObject], told: list[JsonObject]) -> None:
    """What the server said of each result is what it has on record, once.

    A result whose answer was lost is sent again and then called a duplicate, so that counts as accepted.
    """
    results = defaultdict(list)
    for line in told:
        results[line["step"]].append(line)
    for process, record in worker_steps(processes):
        sent = results.pop(record["id"])
        done = [line for line in sent if line["status"] == "COMPLETED"]
        assert len(done) == 1 and done[0]["outcome"] in ("ACCEPTED", "DUPLICATE"), (record, sent)
        assert record["output"] == done[0]["output"], (record, sent)
        *earlier, _ = record["executionList"]
        failed = [line["output"] for line in sent if line["status"] == "FAILED"]
        assert [execution["output"] for execution in earlier] == failed, (record, sent)
        is_retried = record["name"] == "flaky" and kill_work.fails_first(process["input"]["n"])
        assert len(earlier) == is_retried, record
    assert not results, "the server accepted results of steps that it does not have"


def check_database(server: ServerProcess, allowed: frozenset[str] = frozenset()) -> None:
    assert server.stop() == 0
    doctor = subprocess.run(
        [sys.executable, "-m", "stepwell.cli", "doctor", "--output", "json"],
        env=os.environ | {"STEPWELL_DATABASE": server.database},
        capture_output=True,
        text=True,
    )
    wrong = {check["check"] for check in json.loads(doctor.stdout) if not check["ok"]}
    assert wrong <= allowed, doctor.stdout + doctor.stderr
    assert doctor.returncode == bool(wrong)


def test_killed_thirty_times(tmp_path: Path) -> None:
    killed(ServerProcess(tmp_path), tmp_path / "told", count=200, kills=30)


def test_killed_on_postgres(tmp_path: Path, postgres: Databases) -> None:
    """The server, not the database."""
    with postgres.database() as url:
        server = on_postgres(tmp_path / "server", url)
        killed(server, tmp_path / "told", count=60, kills=8, allowed=frozenset(FAST))


def killed(
    server: ServerProcess, told: Path, count: int, kills: int, allowed: frozenset[str] = frozenset()
) -> None:
    with server:
        acknowledged = run_and_kill(server, "kill_worker.py", told, count, kills)
        processes = all_processes(server)
        assert len(acknowledged) == count
        assert {id: processes[id]["input"]["n"] for id in acknowledged} == acknowledged
        for process in processes.values():
            check_process(process)
        check_results(processes, lines(told))
        check_database(server, allowed)


def test_killed_under_the_published_sdk(tmp_path: Path) -> None:
    """That worker cannot ask again for a lost answer: what it lost comes back when the lease ends."""
    told = tmp_path / "told"
    with ServerProcess(tmp_path, lease_ms=1_000, lease_max_ms=1_000) as server:
        acknowledged = run_and_kill(server, "kill_sdk_worker.py", told, count=40, kills=5)
        processes = all_processes(server)
        assert len(acknowledged) == 40 and acknowledged.keys() <= processes.keys()
        sent = defaultdict(list)
        for line in lines(told):
            sent[line["step"]].append(line["output"])
        for process in processes.values():
            check_process(process)
        for _, record in worker_steps(processes):
            assert record["output"] in sent[record["id"]]
            assert len(record["executionList"]) <= (2 if record["name"] == "flaky" else 1)
        check_database(server)
