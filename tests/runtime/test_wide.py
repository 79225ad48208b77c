"""Wide and deep processes over both stores: what an item costs does not grow with how many there are. Counted."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

from stepwell.definition.plan import SCRIPTS
from stepwell.engine.effects import Snapshot
from stepwell.engine.events import TerminateRequested
from stepwell.model.codec import encode
from stepwell.model.process import ProcessStatus
from stepwell.model.work import QueueName, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ExchangeAsk, Gone
from stepwell.runtime.fold import MOST_ITERATIONS, Fold
from stepwell.runtime.folds import Folds
from stepwell.runtime.lane import answer_of
from stepwell.runtime.requests import Actor, Exchange, Poll
from tests.runtime.counting import CountingStore
from tests.runtime.lanes import Lanes, event_ask, worker

BATCH = 100
WORK = QueueName("default", "WORKER", "work")


class Crowd:
    """A lane whose workers do whatever there is, a hundred steps at a time."""

    def __init__(self, store: Any) -> None:
        self.counting = CountingStore(store)
        self.lanes = Lanes(self.counting)  # type: ignore[arg-type]
        self.idle = False
        """They take nothing."""
        self.results: tuple[WorkResult, ...] = ()
        self.most_rows = 0
        """Of one process in memory between two turns."""

    def run(self, steps: list[dict[str, Any]], input: Any = None, turns: int | None = None) -> int:
        """Run a process of these steps to its end, or so many turns of it. The process's id."""
        self.lanes.define(*steps)
        process = self.lanes.start(input=input)
        while turns is None or turns > 0:
            turns = None if turns is None else turns - 1
            if process.id in [ended.id for ended in self.turn()]:
                assert self.lanes.process(process.id).status is ProcessStatus.COMPLETED
                break
        return int(process.id)

    def turn(self) -> Any:
        self.lanes.clock.at += 1
        poll = Poll(
            queues=((WORK, BATCH), (SCRIPTS, BATCH)), limit=0 if self.idle else BATCH, client="c", host="h"
        )
        ask: Ask = ExchangeAsk(lambda _: None, Exchange(results=self.results, poll=poll), Gone())
        answers, ended = self.lanes.lane.run_turn([ask])
        work = [one for mine, value in answers if mine is ask for one in answer_of(mine, value).work]
        self.results = tuple(
            WorkResult(step_id=one.step_id, token=one.token, status=WorkStatus.COMPLETED, output=_output(one))
            for one in work
        )
        snapshots = self.lanes.lane.node.cache._snapshots.values()
        self.most_rows = max(self.most_rows, *(len(snapshot.steps) for snapshot in snapshots), 0)
        return ended


def _output(work: Any) -> bytes:
    return encode({"result": True, "logs": []} if work.type == SCRIPTS.type else {"x": 1})


@pytest.fixture
def crowd(embedded: Lanes) -> Callable[[], Crowd]:
    """Each time the same store, a new lane and new counters."""
    return lambda: Crowd(embedded.store)


def loop(width: int, concurrency: int, child: dict[str, Any]) -> list[dict[str, Any]]:
    input = {"inputArray": "{{ input.items }}", "concurrency": concurrency}
    return [{"type": "FOREACH", "name": "f", "ref": "f", "input": input, "children": [child]}]


def a_few_at_a_time(width: int) -> list[dict[str, Any]]:
    return loop(width, 200, worker("w", item="{{ foreach.value }}", of="{{ input.customer }}"))


def all_at_once(width: int) -> list[dict[str, Any]]:
    return loop(width, width, worker("w", item="{{ foreach.value }}"))


def lists_in_a_loop(width: int) -> list[dict[str, Any]]:
    steps = [worker("w"), {"type": "NOOP", "name": "n", "ref": "n", "input": {"x": "{{ steps.w.output.x }}"}}]
    return loop(width, 50, {"type": "LIST", "name": "l", "ref": "l", "children": steps})


def passes(width: int) -> list[dict[str, Any]]:
    """A loop that its bound ends."""
    input = {"script": "() => true", "maxIterations": width}
    step = {"type": "WHILE", "name": "l", "ref": "l", "input": input, "optional": True}
    return [{**step, "children": [worker("w")]}, {"type": "NOOP", "name": "end", "ref": "end"}]


def chain(width: int) -> list[dict[str, Any]]:
    return [worker(f"w{n}", x=f"{{{{ steps.w{n - 1}.output.x }}}}" if n else 0) for n in range(width)]


@pytest.mark.parametrize(
    ("make", "narrow", "wide"),
    [
        (a_few_at_a_time, 1_000, 8_000),
        (all_at_once, 1_000, 4_000),
        (lists_in_a_loop, 500, 3_000),
        (passes, 100, 600),
        (chain, 100, 800),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_item_costs_the_same(crowd: Callable[[], Crowd], make: Any, narrow: int, wide: int) -> None:
    costs = []
    for width in (narrow, wide):
        one = crowd()
        one.run(make(width), {"items": list(range(width)), "customer": "c"})
        costs.append({name: count / width for name, count in one.counting.counts.items()})
    few, many = costs
    assert few.keys() == many.keys()
    for name in few:
        assert many[name] <= 1.03 * few[name], (few, many)


def test_more_open_steps_than_are_kept_are_read_once_more_each(crowd: Callable[[], Crowd]) -> None:
    width = 3 * MOST_ITERATIONS
    one = crowd()
    one.run(all_at_once(width), {"items": list(range(width))})
    assert one.most_rows <= MOST_ITERATIONS + 300
    counts = {name: count / width for name, count in one.counting.counts.items()}
    # Read to be claimed, read to be decided, and its hand-out before that.
    assert counts["rows read"] < 3.2
    assert counts["calls"] < 0.15


@pytest.mark.parametrize("make", [a_few_at_a_time, lists_in_a_loop, passes], ids=lambda make: make.__name__)
def test_what_is_in_memory_does_not_grow(crowd: Callable[[], Crowd], make: Any) -> None:
    most = []
    for width in (600, 2_400):
        one = crowd()
        one.run(make(width), {"items": list(range(width)), "customer": "c"})
        most.append(one.most_rows)
    assert most[1] <= most[0]


def test_turns_leave_nothing_to_the_collector(crowd: Callable[[], Crowd]) -> None:
    one = crowd()
    gc.collect()
    gc.disable()
    try:
        one.run(a_few_at_a_time(500), {"items": list(range(500)), "customer": "c"})
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [each for each in gc.garbage if isinstance(each, Folds | Fold | Snapshot)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_terminating_many_open_steps_costs_the_same_for_each(crowd: Callable[[], Crowd]) -> None:
    costs = []
    for width in (1_000, 5_000):
        one = crowd()
        one.idle = True
        process = one.run(all_at_once(width), {"items": list(range(width))}, turns=width // 256 + 2)
        one.counting.counts.clear()
        one.lanes.turn(event_ask(process, TerminateRequested(reason=""), Actor()))
        for _ in range(width // 256 + 2):
            one.turn()
        steps = one.lanes.store.reads.steps(one.lanes.process(process), 2, limit=width + 1)
        assert len(steps) == width + 1 and not any(step.status.is_open for step in steps)
        costs.append({name: count / width for name, count in one.counting.counts.items()})
    few, many = costs
    for name in few:
        assert many[name] <= 1.05 * few[name], (few, many)
