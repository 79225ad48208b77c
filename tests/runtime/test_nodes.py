"""Several nodes over one database, driven turn by turn: what one remembers never hides what another has written."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from stepwell.engine.events import TerminateRequested
from stepwell.model.entry import EntryKind
from stepwell.model.process import ProcessStatus
from stepwell.model.search import ProcessSearch
from stepwell.model.work import Acceptance, QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import ExchangeAsk, Gone
from stepwell.runtime.entries import put_variable
from stepwell.runtime.others import BEAT_MS, DEAD_MS, LONGEST_LOOK_MS, OWN_HANDS, SWEEP_MS
from stepwell.runtime.requests import Actor, Exchange, Poll
from stepwell.store.port import Changes, Turn
from stepwell.store.postgres.store import PostgresStore
from stepwell.store.postgres.turn import PostgresTurn
from tests.runtime.lanes import Lanes, event_ask, start_ask, worker

QUEUE = QueueName("default", "WORKER", "work")


def each(concurrency: int) -> dict[str, Any]:
    items = {"inputArray": "{{ input.items }}", "concurrency": concurrency}
    return {"type": "FOREACH", "name": "all", "ref": "all", "input": items, "children": [worker("item")]}


class Nodes:
    """Three lanes that share a clock; each has a store of its own over the same database."""

    def __init__(self, url: str) -> None:
        self.stores = [PostgresStore.open(url) for _ in range(3)]
        self.lanes = [Lanes(store, f"n{at}") for at, store in enumerate(self.stores)]
        for lane in self.lanes:
            lane.clock = self.lanes[0].clock
            lane.restart()

    def pass_time(self, ms: int) -> None:
        self.lanes[0].clock.at += ms

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture
def nodes(postgres_url: str) -> Iterator[Nodes]:
    made = Nodes(postgres_url)
    yield made
    made.close()


def held(client: str = "c", wait_ms: int = 60_000, poll_id: str | None = None) -> ExchangeAsk:
    poll = Poll(queues=((QUEUE, 9),), limit=9, client=client, host="h", wait_ms=wait_ms, poll_id=poll_id)
    return ExchangeAsk(lambda _: None, Exchange(poll=poll), Gone())


def test_what_one_node_starts_another_hands_out_and_a_third_ends(nodes: Nodes) -> None:
    a, b, c = nodes.lanes
    a.define(worker("one"), worker("two"))
    process = b.start()
    (first,) = c.poll()
    assert a.report(first, done=1) is Acceptance.ACCEPTED
    assert b.report(first) is Acceptance.DUPLICATE
    (second,) = b.poll()
    assert c.report(second) is Acceptance.ACCEPTED
    assert {lane.process(process.id).status for lane in nodes.lanes} == {ProcessStatus.COMPLETED}


def test_what_is_remembered_of_a_process_is_checked_under_its_lock(nodes: Nodes) -> None:
    """Each node decides in turn, so each one's memory is old at every decision but its first."""
    a, b, c = nodes.lanes
    a.define(each(9))
    process = a.start(input={"items": list(range(9))})
    work = [request for lane in (a, b, c) for request in lane.poll(limit=3)]
    assert len({request.step_id for request in work}) == 9
    for at, request in enumerate(work):
        assert (b, c, a)[at % 3].report(request, n=request.ref) is Acceptance.ACCEPTED
    ended = a.process(process.id)
    assert ended.status is ProcessStatus.COMPLETED and ended.step_count == 10


def test_a_definition_put_at_one_node_is_used_at_all(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    assert b.start().version == 1
    a.define(worker("one"), worker("two"))
    assert b.start().version == 2


def test_a_queue_that_was_seen_empty_is_looked_at_again(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    waiting = held()
    assert b.turn(waiting) == [None]
    a.start()
    assert b.lane.next_at() <= b.clock.now() + LONGEST_LOOK_MS
    nodes.pass_time(LONGEST_LOOK_MS)
    ((ask, answer),) = b.lane.run_turn([])[0]
    assert ask is waiting and len(answer.work) == 1


def test_a_hint_makes_the_look_come_at_once(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    b.turn(held())
    hints: list[str] = []
    nodes.stores[0].tell = hints.append  # type: ignore[method-assign]
    nodes.pass_time(BEAT_MS)
    a.turn()  # sees that it is not alone
    a.start()
    for hint in hints:
        b.lane.hear(hint)
    (answered,) = b.lane.run_turn([])[0]
    assert len(hints) == 1 and len(answered[1].work) == 1


def test_steps_of_a_process_that_is_closing_elsewhere_are_not_handed_out(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(each(400))
    process = a.start(input={"items": list(range(400))})
    a.turn(event_ask(process.id, TerminateRequested(reason="enough"), Actor("me")))
    assert b.poll() == []


def test_two_nodes_that_look_at_one_timer_fire_it_once(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define({"type": "WAIT", "name": "w", "ref": "w", "input": {"durationMs": 1_000}}, worker("after"))
    process = a.start()
    nodes.pass_time(SWEEP_MS)
    for lane in (a, b):
        lane.turn()
    assert len(a.poll()) + len(b.poll()) == 1
    assert a.process(process.id).step_count == 2


def test_a_lease_that_ends_is_seen_by_a_node_that_did_not_give_it(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    a.start()
    (first,) = a.poll()
    nodes.pass_time(10 * 60_000 + SWEEP_MS)
    (answer,) = b.turn(held("another", wait_ms=0))
    (again,) = answer.work
    assert (again.step_id, again.token) == (first.step_id, first.token + 1)
    assert a.report(first) is Acceptance.STALE
    assert a.report(again) is Acceptance.ACCEPTED


def test_signs_of_life_at_one_node_keep_what_another_has_handed_out(nodes: Nodes) -> None:
    a, b, c = nodes.lanes
    a.define(worker("one"))
    a.start()
    (first,) = a.poll()
    nodes.pass_time(10 * 60_000 - 5_000)
    b.poll()
    nodes.pass_time(5_000 + SWEEP_MS)
    assert c.poll() == []
    assert c.report(first) is Acceptance.ACCEPTED


def test_what_a_dead_node_ran_itself_is_run_by_another(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    a.start()
    poll = Poll(queues=((QUEUE, 9),), limit=9, client=f"{OWN_HANDS}n0", host="n0")
    a.turn(ExchangeAsk(lambda _: None, Exchange(poll=poll), Gone()))
    b.turn()
    for _ in range(DEAD_MS // BEAT_MS + 1):
        nodes.pass_time(BEAT_MS)
        b.turn()
    assert len(b.poll()) == 1


def test_a_node_that_stops_leaves_what_it_ran_at_once(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    a.start()
    poll = Poll(queues=((QUEUE, 9),), limit=9, client=f"{OWN_HANDS}n0", host="n0")
    a.turn(ExchangeAsk(lambda _: None, Exchange(poll=poll), Gone()))
    b.turn()
    a.lane.drain()
    nodes.pass_time(BEAT_MS)
    b.turn()
    assert len(b.poll()) == 1


def test_the_same_key_starts_one_process_however_many_nodes_are_asked_at_once(nodes: Nodes) -> None:
    """The second node begins its turn before the first one has committed."""
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    b.start()
    ask = start_ask(idempotency_key="k")
    started: list[int] = []
    interrupted = interrupt(a, lambda: started.append(b.start(idempotency_key="k").id))
    (process,) = a.turn(ask)
    assert interrupted.saves == 2, "the first try was overtaken"
    assert started == [process.id]
    assert len(a.store.reads.find_processes(ProcessSearch(limit=100))) == 2


def test_an_errand_that_was_overtaken_is_run_again(nodes: Nodes) -> None:
    a, b, _ = nodes.lanes
    seen: list[int] = []

    def raise_it(turn: Turn, now: int) -> None:
        known = turn.entry(EntryKind.VARIABLE, "default", "v")
        seen.append(0 if known is None else known.version)
        if known is None:
            b.errand(lambda turn, now: put_variable(turn, now, "default", "v", "theirs", "you"))
        put_variable(turn, now, "default", "v", "mine", "me")

    a.errand(raise_it)
    assert seen == [0, 1]


def test_a_step_that_is_handed_out_while_it_is_decided_upon_is_decided_again(nodes: Nodes) -> None:
    """A termination reads the step; before it writes, another node hands the step out."""
    a, b, _ = nodes.lanes
    a.define(worker("one"))
    process = a.start()
    given: list[WorkRequest] = []
    interrupted = interrupt(a, lambda: given.extend(b.poll()))
    (answer,) = a.turn(event_ask(process.id, TerminateRequested(reason="enough"), Actor("me")))
    assert answer is None and a.process(process.id).status is ProcessStatus.TERMINATED
    assert interrupted.saves == 2 and len(given) == 1
    assert b.report(given[0]) is not Acceptance.ACCEPTED
    assert b.poll() == []


def test_ids_of_nodes_never_meet(nodes: Nodes) -> None:
    a, b, c = nodes.lanes
    a.define(worker("one"))
    processes = [lane.start().id for _ in range(5) for lane in (a, b, c)]
    assert len(set(processes)) == 15
    polls = [lane.turn(held(f"c{at}"))[0] for at, lane in enumerate((a, b, c))]
    assert sum(len(poll.work) for poll in polls if poll) == 15


def test_a_nul_in_a_text_costs_nobody_their_turn(nodes: Nodes) -> None:
    a, _, _ = nodes.lanes
    a.define(worker("one"))
    good, odd = a.turn(start_ask(request_id="r"), start_ask(request_id="a\0b"))
    assert a.process(good.id).request_id == "r"
    assert a.process(odd.id).request_id == "a\u2400b"


ITEMS = 240


def test_no_result_is_lost_when_all_nodes_fold_one_process_at_once(nodes: Nodes) -> None:
    """Every turn of every node meets the same parent. Nobody waits in a circle, either."""
    a, *_ = nodes.lanes
    a.define(each(ITEMS), worker("last"))
    processes = [lane.start(input={"items": list(range(ITEMS))}) for lane in nodes.lanes]
    wanted = len(processes) * (ITEMS + 1)
    told: list[Acceptance] = []
    threads = [Thread(target=work_on, args=(lane, told, wanted)) for lane in nodes.lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert Counter(told) == {Acceptance.ACCEPTED: wanted}
    for process in processes:
        ended = a.process(process.id)
        assert ended.status is ProcessStatus.COMPLETED and ended.step_count == ITEMS + 2 and not ended.marked
    deadlocks = nodes.stores[0].reads._ask(  # type: ignore[attr-defined]
        "select deadlocks from pg_stat_database where datname = current_database()", ()
    )
    assert deadlocks[0][0] == 0


def work_on(lane: Lanes, told: list[Acceptance], wanted: int) -> None:
    """Poll and report in one, as a worker does, until everything is done."""
    results: tuple[WorkResult, ...] = ()
    poll = Poll(queues=((QUEUE, 7),), limit=7, client=f"c{id(lane)}", host="h")
    while len(told) < wanted or results:
        exchange = Exchange(results=results, poll=poll)
        (answer,) = lane.turn(ExchangeAsk(lambda _: None, exchange, Gone()))
        told += answer.outcomes
        results = tuple(
            WorkResult(step_id=work.step_id, token=work.token, status=WorkStatus.COMPLETED)
            for work in answer.work
        )


class Interrupted:
    """A store of which the next turn that saves is interrupted: something happens elsewhere just before it does."""

    def __init__(self, store: PostgresStore, happen: Callable[[], object]) -> None:
        self._store = store
        self._happen = happen
        self.saves = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def turn(self) -> Iterator[Any]:
        with self._store.turn() as turn:
            yield InterruptedTurn(turn, self.before_save)

    def before_save(self) -> None:
        self.saves += 1
        if self.saves == 1:
            self._happen()


class InterruptedTurn:
    def __init__(self, turn: PostgresTurn, before_save: Callable[[], None]) -> None:
        self._turn = turn
        self._before_save = before_save

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turn, name)

    def save(self, changes: Changes) -> Sequence[int]:
        self._before_save()
        return self._turn.save(changes)


def interrupt(lane: Lanes, happen: Callable[[], object]) -> Interrupted:
    interrupted = Interrupted(lane.store, happen)  # type: ignore[arg-type]
    lane.lane._store = interrupted
    return interrupted
