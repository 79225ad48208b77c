"""PARALLEL: its children at once."""

import pytest

from stepwell.model.step import Children
from tests.engine.play import (
    definition,
    done,
    everything_done,
    failed,
    noop,
    parallel,
    play,
    resumed,
    sequence,
    worker,
)

THREE = definition(parallel("p", worker("a"), worker("b"), worker("c")), noop("after"))


def test_children_begin_together():
    world = play(THREE)
    assert world.statuses() == {"p": "RUNNING", "a": "SCHEDULED", "b": "SCHEDULED", "c": "SCHEDULED"}
    assert world.counters("p") == Children(total=3, next=3, open=3)


def test_it_ends_with_its_last_child_and_has_no_output():
    world = play(THREE, done("c", x=1), done("a"))
    assert world.status("p") == "RUNNING"
    assert world.counters("p").open == 1
    done("b")(world)
    assert world.status("p") == "COMPLETED"
    assert world.output("p") == {}
    assert world.status("after") == "COMPLETED"


def test_a_failure_does_not_stop_the_others():
    world = play(THREE, failed("b", "first"))
    assert world.statuses() == {"p": "RUNNING", "a": "SCHEDULED", "b": "FAILED", "c": "SCHEDULED"}
    assert world.counters("p") == Children(total=3, next=3, open=2, failed=1)
    failed("a", "second")(world)
    done("c")(world)
    assert world.status("p") == "FAILED"
    assert world.status("after") is None
    assert world.output("p") == {
        "error": "first",
        "failedStepRef": "b",
        "failedStepId": world.step("b").id,
    }
    assert world.process_output == world.output("p")


@pytest.mark.parametrize(
    ("children", "status"),
    [
        ([], "COMPLETED"),
        ([noop("a"), noop("b")], "COMPLETED"),
        ([noop("a"), {**worker("b", optional=True), "type": "FAIL"}], "COMPLETED"),
        ([noop("a"), {**worker("b"), "type": "FAIL"}, noop("c")], "FAILED"),
    ],
    ids=["empty", "at once", "optional failed at once", "failed at once"],
)
def test_without_waiting(children, status):
    world = play(definition(parallel("p", *children)))
    assert world.status("p") == status
    assert len(world.rows) == 1 + len(children)


def test_branches_go_their_own_pace():
    branches = parallel(
        "p", sequence("x", worker("x1"), worker("x2")), sequence("y", worker("y1"), worker("y2"))
    )
    world = play(definition(branches), done("x1"), done("x2"))
    assert world.statuses() == {
        "p": "RUNNING",
        "x": "COMPLETED",
        "x1": "COMPLETED",
        "x2": "COMPLETED",
        "y": "RUNNING",
        "y1": "SCHEDULED",
    }


@pytest.mark.parametrize("cold", [False, True])
def test_resume_runs_what_failed_and_nothing_else(cold):
    world = play(THREE, done("a", x=1), failed("b"), failed("c"), resumed, cold=cold)
    assert world.statuses() == {"p": "RUNNING", "a": "COMPLETED", "b": "SCHEDULED", "c": "SCHEDULED"}
    assert world.counters("p") == Children(total=3, next=3, open=2)
    assert [world.step(ref).execution for ref in ("p", "a", "b", "c")] == [1, 1, 2, 2]
    assert world.output("p") == {}
    everything_done(world)
    assert world.status("after") == "COMPLETED"
