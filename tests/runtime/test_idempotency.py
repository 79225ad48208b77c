"""Idempotent start: one key, one process; also in one turn, after a restart, and not for ever."""

import pytest

from stepwell.model.entry import EntryKind
from stepwell.model.errors import Conflict, NotFound
from stepwell.runtime.idempotency import KEPT_MS
from tests.runtime.lanes import start_ask, worker

DAY_MS = 86_400_000


def started(lanes):
    from stepwell.model.search import ProcessSearch

    return lanes.store.reads.find_processes(ProcessSearch(limit=100))


@pytest.fixture(autouse=True)
def defined(lanes):
    lanes.define(worker("a"))
    lanes.define(worker("a"), name="q")
    lanes.define(worker("a"), namespace="other")


def test_the_same_key_answers_the_same_process(lanes):
    first = lanes.start(input={"n": 1}, idempotency_key="k")
    again = lanes.start(input={"n": 1}, idempotency_key="k", created_by="somebody else")
    assert again.id == first.id
    assert len(started(lanes)) == 1


def test_it_answers_the_process_as_it_is_by_then(lanes):
    first = lanes.start(idempotency_key="k")
    lanes.report(lanes.poll()[0], x=1)
    again = lanes.start(idempotency_key="k")
    assert (again.id, again.status, again.output) == (first.id, "COMPLETED", b'{"x":1}')


def test_two_requests_in_one_turn_share_a_process(lanes):
    one, two, other = lanes.turn(
        start_ask(idempotency_key="k"), start_ask(idempotency_key="k"), start_ask(idempotency_key="l")
    )
    assert one.id == two.id != other.id
    assert len(started(lanes)) == 2


def test_the_order_of_members_is_no_difference(lanes):
    first = lanes.start(input={"a": 1, "b": {"c": 2, "d": 3}}, idempotency_key="k")
    assert lanes.start(input={"b": {"d": 3, "c": 2}, "a": 1}, idempotency_key="k").id == first.id


@pytest.mark.parametrize(
    "other",
    [
        {"input": {"n": 2}},
        {"version": 1},
        {"request_id": "r"},
        {"correlation_id": "c"},
        {"priority": 1},
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_another_request_under_the_key_is_a_conflict(lanes, other, together):
    asks = [
        start_ask(input={"n": 1}, idempotency_key="k"),
        start_ask(**{"input": {"n": 1}, "idempotency_key": "k", **other}),
    ]
    first, second = lanes.turn(*asks) if together else [*lanes.turn(asks[0]), *lanes.turn(asks[1])]
    assert isinstance(second, Conflict) and second.code == "IDEMPOTENCY_KEY_REUSED"
    assert str(first.id) in second.message
    assert len(started(lanes)) == 1


def test_names_and_namespaces_have_keys_of_their_own(lanes):
    ids = {
        lanes.start("p", idempotency_key="k").id,
        lanes.start("q", idempotency_key="k").id,
        lanes.start("p", namespace="other", idempotency_key="k").id,
        lanes.start("p", idempotency_key="K").id,
        lanes.start("p").id,
    }
    assert len(ids) == 5


def test_a_start_that_fails_takes_no_key(lanes):
    assert isinstance(lanes.start("unknown", idempotency_key="k"), NotFound)
    lanes.define(worker("a"), name="unknown")
    assert lanes.start("unknown", idempotency_key="k").id


def test_it_holds_after_a_restart(lanes):
    first = lanes.start(idempotency_key="k")
    lanes.restart()
    assert lanes.start(idempotency_key="k").id == first.id


def test_it_holds_for_thirty_days_and_its_row_goes_then(lanes):
    first = lanes.start(idempotency_key="k")
    lanes.start(idempotency_key="forgotten")
    lanes.clock.at += 30 * DAY_MS - 1
    assert lanes.start(idempotency_key="k").id == first.id
    lanes.clock.at += 1
    again = lanes.start(input={"another": "body"}, idempotency_key="k")
    assert again.id != first.id
    assert KEPT_MS == 30 * DAY_MS
    lanes.clock.at += DAY_MS
    lanes.start()
    assert [entry.name for entry in lanes.store.reads.entries(EntryKind.IDEMPOTENCY)] == ["p/k"]
