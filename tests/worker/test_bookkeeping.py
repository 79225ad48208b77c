"""Slots, leases, the outbox and the back-off: small pure things, as tables."""

from itertools import pairwise
from typing import Any

import pytest

from stepwell.model.work import QueueName
from stepwell.worker import WorkRequest
from stepwell.worker.connection import Target, delay_s
from stepwell.worker.leases import Leases
from stepwell.worker.outbox import MOST_BYTES, MOST_RESULTS, Outbox
from stepwell.worker.results import Finished, returned
from stepwell.worker.slots import Slots
from stepwell.worker.wire import Extension

A, B = QueueName("default", "WORKER", "a"), QueueName("default", "WORKER", "b")


def result(step_id: int, output: Any = None) -> Finished:
    return returned(WorkRequest(process_id=1, step_id=step_id, token=1, name="work"), output)


def ids(results: list[Finished]) -> list[int]:
    return [finished.step_id for finished in results]


def test_a_poll_asks_for_free_slots_only() -> None:
    slots = Slots({A: 2, B: 200})
    assert slots.ask(100) == {A: 2, B: 100}
    slots.take(A)
    slots.take(A)
    assert slots.ask(100) == {B: 100}
    slots.leave(A)
    assert slots.ask(100) == {A: 1, B: 100}


def test_slots_promised_to_one_poll_are_not_asked_for_by_another() -> None:
    slots = Slots({A: 3})
    first = {A: 2}
    slots.promise(first)
    assert slots.ask(100) == {A: 1}
    slots.promise({A: 1})
    assert slots.ask(100) == {}
    slots.give_back(first)
    slots.take(A)
    assert slots.ask(100) == {A: 1}


def test_more_work_than_asked_for_is_made_up_for() -> None:
    slots = Slots({A: 1})
    slots.take(A)
    slots.take(A)
    slots.leave(A)
    assert slots.ask(100) == {}
    slots.leave(A)
    assert slots.ask(100) == {A: 1}


def test_a_lease_is_extended_when_half_of_it_is_over() -> None:
    leases = Leases()
    leases.add((1, 1), lease_s=10, now=100)
    leases.add((2, 1), lease_s=4, now=100)
    assert leases.next_at == 102
    assert leases.take_due(101.9) == []
    assert leases.take_due(102) == [Extension(step_id=2, token=1, lease_ms=4_000)]
    assert leases.next_at == 104
    assert [extension.key for extension in leases.take_due(105)] == [(1, 1), (2, 1)]
    leases.drop((1, 1))
    leases.drop((2, 1))
    assert leases.take_due(1000) == []
    assert leases.next_at == float("inf")


def test_a_lease_without_an_end_is_never_extended() -> None:
    leases = Leases()
    leases.add((1, 1), lease_s=0, now=100)
    assert leases.take_due(1e9) == []


@pytest.mark.parametrize(
    ("lease_ms", "polled", "deadline", "length"),
    [
        (500, 1000, 9000, 500),
        (None, 1000, 9000, 8000),
        (None, 1000, 0, 0),
        (None, 0, 9000, 0),
        (None, 9, 8, 0),
    ],
)
def test_the_length_of_a_lease(lease_ms: int | None, polled: int, deadline: int, length: int) -> None:
    request = WorkRequest(
        process_id=1, step_id=2, token=3, name="work", lease_ms=lease_ms, polled=polled, deadline=deadline
    )
    assert request.lease_length_ms == length


def test_results_leave_in_order_and_in_bounded_calls() -> None:
    outbox = Outbox()
    for step_id in range(1, MOST_RESULTS + 3):
        outbox.put(result(step_id))
    assert ids(outbox.take()) == list(range(1, MOST_RESULTS + 1))
    assert ids(outbox.take()) == [MOST_RESULTS + 1, MOST_RESULTS + 2]
    assert outbox.take() == []


def test_large_results_travel_apart() -> None:
    outbox = Outbox()
    for step_id in (1, 2, 3):
        outbox.put(result(step_id, "x" * (MOST_BYTES - 200)))
    assert [ids(outbox.take()) for _ in range(3)] == [[1], [2], [3]]


def test_one_result_that_is_refused_does_not_hold_up_the_others() -> None:
    """A server that refuses every call with step 3 in it, until that is a plain failure."""
    outbox = Outbox()
    for step_id in range(1, 8):
        outbox.put(result(step_id, {"step": step_id}))
    passed: list[Finished] = []
    calls = 0
    while results := outbox.take():
        calls += 1
        assert calls < 30
        if any(finished.step_id == 3 and not finished.is_replacement for finished in results):
            assert outbox.refused(results, "HTTP 413") == []
        else:
            outbox.accepted()
            passed += results
    assert sorted(ids(passed)) == [1, 2, 3, 4, 5, 6, 7]
    assert [finished.step_id for finished in passed if finished.is_replacement] == [3]
    assert not outbox.is_careful


def test_a_lone_result_is_tried_alone_before_it_is_replaced() -> None:
    """The poll in the same call may have been the culprit."""
    outbox = Outbox()
    outbox.put(result(1))
    outbox.refused(outbox.take(), "HTTP 400")
    assert outbox.is_careful
    again = outbox.take()
    assert not again[0].is_replacement
    outbox.refused(again, "HTTP 400")
    assert outbox.take()[0].is_replacement


def test_a_replacement_that_is_refused_is_given_up() -> None:
    outbox = Outbox()
    outbox.put(result(1))
    for _ in range(2):
        assert outbox.refused(outbox.take(), "HTTP 400") == []
    assert ids(outbox.refused(outbox.take(), "HTTP 400")) == [1]
    assert len(outbox) == 0


def test_the_back_off_doubles_up_to_its_cap_and_is_spread() -> None:
    longest = [delay_s(attempt, 1.0) for attempt in range(1, 12)]
    assert longest[0] == pytest.approx(0.1)
    assert all(later == pytest.approx(min(10.0, earlier * 2)) for earlier, later in pairwise(longest))
    assert delay_s(1000, 1.0) == 10.0
    assert delay_s(1, 0.0) == pytest.approx(0.05)


def test_the_bearer_is_the_published_one() -> None:
    assert Target("http://x", "cid-1", "tok-1").authorization == (
        "Bearer client.sdk.cid-1.65dcf16ea3dfa49069628089eb4a75483070f5584b2a21ee64912b5f621f12da"
    )
