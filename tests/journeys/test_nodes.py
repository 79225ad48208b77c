"""Several servers over one PostgreSQL, each a process of its own."""

import hashlib
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stepwell.client import ApiError
from tests.journeys import kill_work
from tests.journeys.harness import ServerProcess, on_postgres, until
from tests.journeys.test_cli import stepwell
from tests.journeys.test_kill import (
    Starter,
    all_processes,
    check_database,
    check_process,
    unfinished,
    worker_process,
)
from tests.postgres import FAST, Databases, PrivatePostgres

SEED = 20_261_128


@contextmanager
def running(folder: Path, url: str, count: int, **settings: object) -> Iterator[list[ServerProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(on_postgres(folder / f"node{at}", url, **settings)) for at in range(count)]


def define(server: ServerProcess) -> None:
    with server.client() as client:
        client.put_policy(kill_work.POLICY)
        client.put_definition(kill_work.DEFINITION)


def test_a_tree_started_at_one_node_is_worked_on_at_another(tmp_path: Path, postgres: Databases) -> None:
    """Whoever waits at the first node for the end hears of it, although the second one brings it about."""
    with postgres.database() as url, running(tmp_path, url, 2) as (first, second):
        define(first)
        with worker_process(second, "kill_worker.py", tmp_path / "told"):
            ran = stepwell(
                *("run", kill_work.NAME, "--input", '{"n": 2, "items": [2, 3, 4]}', "--wait"),
                env=first.environment,
            )
        assert ran.code == 0, ran.out + ran.err
        assert "item[2]" in ran.out and "squared" in ran.out and "FAILED" not in ran.out
        check_database(second, frozenset(FAST))


def test_published_workers_at_three_nodes_of_which_one_is_killed_again_and_again(
    tmp_path: Path, postgres: Databases
) -> None:
    chance = random.Random(SEED)
    lease = {"lease_ms": 2_000, "lease_max_ms": 2_000}
    with (
        postgres.database() as url,
        running(tmp_path, url, 3, **lease) as nodes,
        ExitStack() as stack,
    ):
        define(nodes[0])
        for at, node in enumerate(nodes):
            stack.enter_context(worker_process(node, "kill_sdk_worker.py", tmp_path / f"told{at}"))
        starters = [Starter(node, 15) for node in nodes]
        for starter in starters:
            starter.start()
        for _ in range(5):
            for starter in starters:
                starter.allow(3)
            time.sleep(chance.uniform(0.5, 1.5))
            node = chance.choice(nodes)
            node.kill()
            node.start()
        for starter in starters:
            starter.join(60)
            assert not starter.is_alive(), "the starts did not get through"
        until(lambda: not unfinished(nodes[0]), "the end of all processes")
        processes = all_processes(nodes[1])
        acknowledged = {id for starter in starters for id in starter.acknowledged}
        assert len(acknowledged) == 45 and acknowledged <= processes.keys()
        for process in processes.values():
            check_process(process)


def test_a_node_that_loses_the_database_says_so_and_heals(tmp_path: Path) -> None:
    with PrivatePostgres() as postgres, running(tmp_path, postgres.url, 1) as (server,):
        define(server)
        with server.client() as client:
            client.start(kill_work.NAME, kill_work.input_of(1))
            postgres.stop()
            with pytest.raises(ApiError) as refused:
                until(lambda: client.start(kill_work.NAME, kill_work.input_of(2)) and None)
            assert refused.value.status == 503
            assert retry_after(server) == "1"
            with worker_process(server, "kill_worker.py", tmp_path / "told"):
                postgres.start()
                until(lambda: started(server, 3), "the healing")
                until(lambda: not unfinished(server), "the end of all processes")
        assert {process["input"]["n"] for process in all_processes(server).values()} >= {1, 3}


def started(server: ServerProcess, n: int) -> bool:
    with server.client() as client:
        try:
            client.start(kill_work.NAME, kill_work.input_of(n))
        except ApiError as error:
            assert error.status == 503, error
            return False
    return True


def retry_after(server: ServerProcess) -> str | None:
    token = hashlib.sha256(server.environment["STEPWELL_TOKEN"].encode()).hexdigest()
    bearer = f"Bearer client.sdk.{server.environment['STEPWELL_CLIENT_ID']}.{token}"
    asked = urllib.request.Request(f"{server.url}/api/process/context/64", headers={"authorization": bearer})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    with refused.value as error:
        assert error.code == 503, error.read()
        return error.headers["retry-after"]
