"""Every row of the documented table of step statuses (spec 2.2), and how each is reached."""

import pytest

from stepwell.model.step import StepStatus
from tests.engine.play import (
    claimed,
    definition,
    done,
    exit,
    failed,
    noop,
    parallel,
    passed,
    play,
    policy,
    resumed,
    terminated,
    worker,
)

POLICIES = [policy("late", startTimeout={"duration": 100})]


@pytest.mark.parametrize(
    ("status", "is_open", "is_complete", "is_failed"),
    [
        ("PENDING", True, False, False),
        ("SCHEDULED", True, False, False),
        ("RUNNING", True, False, False),
        ("PAUSED", True, False, False),
        ("COMPLETED", False, True, False),
        ("FAILED", False, False, True),
        ("TIMED_OUT", False, False, True),
        ("SKIPPED", False, True, False),
        ("CANCELLED", False, False, True),
    ],
)
def test_the_table(status, is_open, is_complete, is_failed):
    value = StepStatus(status)
    assert (value.is_open, value.is_complete, value.is_failed) == (is_open, is_complete, is_failed)


@pytest.mark.parametrize(
    ("moves", "optional", "status", "next_begins"),
    [
        ([], False, "SCHEDULED", False),
        ([claimed("a")], False, "RUNNING", False),
        ([done("a")], False, "COMPLETED", True),
        ([failed("a")], False, "FAILED", False),
        ([failed("a")], True, "FAILED", True),
        ([passed(100)], False, "TIMED_OUT", False),
        ([passed(100)], True, "TIMED_OUT", True),
        ([terminated()], False, "CANCELLED", False),
        ([terminated()], True, "CANCELLED", False),
    ],
)
def test_what_begins_after_it(moves, optional, status, next_begins):
    story = definition(worker("a", optional=optional, policy="late"), noop("b"))
    world = play(story, *moves, policies=POLICIES)
    assert world.status("a") == status
    assert (world.status("b") == "COMPLETED") is next_begins


def test_skipped_counts_as_complete():
    """A resumed process goes past what an EXIT had skipped."""
    story = definition(exit("e", status="TERMINATED"), worker("skipped"), noop("z"))
    world = play(story, resumed)
    assert world.statuses() == {"e": "COMPLETED", "skipped": "SKIPPED", "z": "SKIPPED"}
    assert world.ended_as == "COMPLETED"


def test_a_cancelled_optional_step_runs_again_when_resumed():
    world = play(definition(worker("a", optional=True), noop("b")), terminated(), resumed)
    assert world.statuses() == {"a": "SCHEDULED"}


def test_containers_are_running_while_a_child_is_open():
    world = play(definition(parallel("p", worker("a"), worker("b"))), done("a"))
    assert world.status("p") == "RUNNING"
