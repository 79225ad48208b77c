"""The lane alone: workload A without HTTP, one thread, so that a profile shows the engine, the turn and the store.

`python -m bench.lane [--store sqlite|memory] [--turns N] [--profile]`"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.workloads import chain
from stepwell.definition.read import read_definition
from stepwell.model.codec import encode
from stepwell.model.work import QueueName, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ErrandAsk, ExchangeAsk, Gone, StartAsk
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.clock import Clock, WallClock
from stepwell.runtime.lane import Lane, answer_of
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.requests import Exchange, Poll, StartRequest
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.sqlite.store import SqliteStore

LIVE = 100
LENGTH = 10
OUTPUT = encode({"ok": True, "note": "x" * 60})
QUEUE = QueueName("default", "WORKER", "noop")


def _nobody(_answer: Any) -> None:
    """Answers are read from what the turn says."""


class Bench:
    """A hundred live chains; each turn reports what the last one handed out and takes what follows."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._lane = Lane(store, clock, RuntimeSettings())
        definition, problems = read_definition(chain("chain", LENGTH))
        assert definition is not None, problems
        self._lane.run_turn(
            [ErrandAsk(_nobody, lambda turn, now: put_definition(turn, now, definition, "b", update=False))]
        )
        self._results: tuple[WorkResult, ...] = ()
        self._starts = LIVE
        self.steps = 0

    def turn(self) -> None:
        asks: list[Ask] = [StartAsk(_nobody, self._start()) for _ in range(self._starts)]
        poll = Poll(queues=((QUEUE, LIVE),), limit=LIVE, client="bench", host="host", poll_id=str(self.steps))
        mine = ExchangeAsk(_nobody, Exchange(results=self._results, poll=poll), Gone())
        answers, ended = self._lane.run_turn([*asks, mine])
        work = next(answer_of(ask, value).work for ask, value in answers if ask is mine)
        self._results = tuple(
            WorkResult(step_id=one.step_id, token=one.token, status=WorkStatus.COMPLETED, output=OUTPUT)
            for one in work
        )
        self.steps += len(work)
        self._starts = len(ended)

    def _start(self) -> StartRequest:
        return StartRequest(namespace="default", name="chain", input=encode({"order": 1}))


@contextmanager
def store_of(kind: str) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore()
        return
    with tempfile.TemporaryDirectory(prefix="stepwell-bench-", dir=".") as folder:
        store = SqliteStore.open(Path(folder) / "bench.db")
        store.migrate()
        yield store
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lane")
    parser.add_argument("--store", choices=["memory", "sqlite"], default="sqlite")
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with store_of(options.store) as store:
        bench = Bench(store, WallClock())
        for _ in range(30):
            bench.turn()
        before, cpu, wall = bench.steps, time.thread_time(), time.perf_counter()
        if options.profile:
            _profiled(bench, options.turns)
        else:
            for _ in range(options.turns):
                bench.turn()
        steps = bench.steps - before
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        print(f"{options.store}: {cpu / steps * 1e6:.1f} µs CPU a step, {steps / wall:,.0f} steps/s")


def _profiled(bench: Bench, turns: int) -> None:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    profile.enable()
    for _ in range(turns):
        bench.turn()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(60)


if __name__ == "__main__":
    main()
