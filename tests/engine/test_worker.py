"""WORKER: offered, handed out, reported."""

import pytest

from stepwell.engine.steps import rank
from stepwell.model.codec import change
from stepwell.model.work import Acceptance
from tests.engine.play import (
    LEASE_MS,
    MAX_DELIVERIES,
    START,
    claimed,
    definition,
    done,
    expired,
    failed,
    noop,
    parallel,
    passed,
    play,
    resumed,
    running,
    terminated,
    worker,
)

ONE = definition(worker("a", input={"order": "{{ input.order }}"}), noop("b"))


def test_its_life():
    world = play(ONE, input={"order": 7})
    step = world.step("a")
    assert (step.shown_status, step.scheduled, step.schedule) == ("SCHEDULED", START, START)
    assert step.hand_out.ready == START
    assert world.input("a") == {"order": 7}
    world.now += 50
    taken = world.take_one("a")
    assert (taken.shown_status, taken.hand_out.token, taken.hand_out.runs) == ("RUNNING", 1, 1)
    assert (taken.hand_out.first_start, taken.hand_out.polled) == (START + 50, START + 50)
    world.now += 50
    assert world.report(taken, output={"x": 1}) is Acceptance.ACCEPTED
    assert world.status("a") == "COMPLETED"
    assert world.output("a") == {"x": 1}
    assert world.step("a").updated == START + 100
    assert world.step("a").hand_out.claim is None
    assert world.step("a").hand_out.first_start == START + 50


def test_the_best_rank_goes_first():
    children = [worker("low", priority=-1), worker("plain"), worker("high", priority=2), worker("next")]
    world = play(definition(parallel("p", *children)), priority=1)
    assert [step.ref for step in world.ready()] == ["high", "plain", "next", "low"]
    assert [step.ref for step in world.claim(2)] == ["high", "plain"]


@pytest.mark.parametrize(
    ("available_at", "priority", "expected"),
    [(5, 0, 5), (5, 1, 5 - 60_000), (5, -1, 5 + 60_000), (0, 2_000, -60_000_000), (0, -2_000, 60_000_000)],
)
def test_rank(available_at, priority, expected):
    assert rank(available_at, priority) == expected


@pytest.mark.parametrize(
    ("moves", "token", "reply"),
    [
        ([], 0, Acceptance.DUPLICATE),
        ([], 1, Acceptance.STALE),
        ([claimed("a")], 1, Acceptance.ACCEPTED),
        ([claimed("a")], 0, Acceptance.STALE),
        ([claimed("a")], 2, Acceptance.STALE),
        ([done("a")], 1, Acceptance.DUPLICATE),
        ([failed("a")], 1, Acceptance.DUPLICATE),
        ([running("a")], 1, Acceptance.DUPLICATE),
        ([running("a"), claimed("a")], 1, Acceptance.STALE),
        ([running("a"), claimed("a")], 2, Acceptance.ACCEPTED),
        ([expired("a")], 1, Acceptance.ACCEPTED),
        ([expired("a"), claimed("a")], 1, Acceptance.STALE),
        ([claimed("a"), terminated()], 1, Acceptance.STALE),
        ([failed("a"), resumed], 1, Acceptance.DUPLICATE),
        ([failed("a"), resumed, claimed("a")], 1, Acceptance.STALE),
        ([claimed("a"), terminated(), resumed], 1, Acceptance.STALE),
        ([expired("a"), terminated(), resumed], 1, Acceptance.STALE),
        ([terminated(), resumed], 0, Acceptance.DUPLICATE),
    ],
    ids=[
        "never handed out",
        "a token to come",
        "the token",
        "an older token",
        "a newer token",
        "done already",
        "failed already",
        "said to be running already",
        "handed out again",
        "the next token",
        "lease over, nobody else has it",
        "lease over, somebody has it",
        "terminated meanwhile",
        "resumed meanwhile",
        "resumed and handed out",
        "terminated and resumed meanwhile",
        "lease over, then terminated and resumed",
        "never handed out before the resume",
    ],
)
def test_which_reports_count(moves, token, reply):
    world = play(ONE, *moves)
    before = (world.now_process, dict(world.rows))
    step = world.step("a")
    said = change(step, hand_out=change(step.hand_out, token=token))
    assert world.report(said) is reply
    assert ((world.now_process, dict(world.rows)) == before) == (reply is not Acceptance.ACCEPTED)


def test_a_step_that_does_not_exist():
    world = play(ONE)
    taken = world.take_one("a")
    assert world.report(change(taken, id=taken.id + 99)) is Acceptance.UNKNOWN


def test_keep_running():
    world = play(ONE, running("a", 5_000, progress=10))
    step = world.step("a")
    assert (world.status("a"), step.hand_out.ready, world.output("a")) == ("RUNNING", None, {"progress": 10})
    assert step.schedule == START + 5_000
    passed(4_999)(world)
    assert world.ready() == []
    passed(1)(world)
    first = world.take_one("a")
    assert (first.execution, first.hand_out.runs, first.hand_out.token) == (1, 2, 2)
    assert (first.hand_out.start, first.hand_out.polled) == (START, START + 5_000)
    running("a", 0, progress=20)(world)
    assert world.output("a") == {"progress": 20}
    assert world.status("a") == "SCHEDULED"
    done("a", all=True)(world)
    assert world.output("a") == {"all": True}
    assert world.earlier("a") == []


def test_a_lost_lease_offers_the_same_attempt_again():
    world = play(ONE, claimed("a"), passed(LEASE_MS - 1))
    assert world.status("a") == "RUNNING"
    passed(1)(world)
    assert world.status("a") == "SCHEDULED"
    again = world.take_one("a")
    assert (again.execution, again.hand_out.runs, again.hand_out.token, again.hand_out.deliveries) == (
        1,
        2,
        2,
        2,
    )
    assert (again.hand_out.start, again.hand_out.polled) == (START, START + LEASE_MS)


def test_the_end_of_an_earlier_lease_means_nothing():
    world = play(ONE)
    first = world.take_one("a")
    world.expire(first)
    world.take_one("a")
    world.expire(first)
    assert world.status("a") == "RUNNING"


def test_nobody_ever_reports():
    world = play(ONE, *[expired("a")] * (MAX_DELIVERIES - 1))
    assert world.status("a") == "SCHEDULED"
    expired("a")(world)
    assert world.status("a") == "FAILED"
    assert "10 times in a row" in world.output("a")["error"]


def test_a_report_starts_the_count_anew():
    world = play(ONE, *[expired("a")] * 9, running("a"), *[expired("a")] * 9)
    assert world.status("a") == "SCHEDULED"
