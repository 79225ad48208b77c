"""PARALLEL: its children at once."""

import pytest

from stepwell.model.step import Children
from tests.engine.play import (
    answered,
    definition,
    done,
    everything_done,
    fail,
    failed,
    foreach,
    noop,
    parallel,
    play,
    resumed,
    sequence,
    step,
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


# -- join policies


def join(policy, *children, count=None, **fields):
    given = {"joinPolicy": policy} | ({} if count is None else {"joinCount": count})
    return parallel("p", *children, input=given, **fields)


WORKERS = (worker("a"), worker("b"), worker("c"))


@pytest.mark.parametrize("cold", [False, True])
def test_any_goes_on_with_the_first_that_ends_well(cold):
    world = play(definition(join("ANY", *WORKERS), noop("after")), failed("a"), done("b", x=1), cold=cold)
    assert world.statuses() == {
        "p": "COMPLETED",
        "a": "FAILED",
        "b": "COMPLETED",
        "c": "CANCELLED",
        "after": "COMPLETED",
    }
    assert (world.output("p"), world.ended_as, world.ready()) == ({}, "COMPLETED", [])


def test_a_report_of_a_loser_comes_too_late():
    world = play(definition(join("ANY", *WORKERS), worker("after")))
    late = world.take_one("c")
    done("a")(world)
    assert world.report(late).name == "STALE"
    assert world.status("after") == "SCHEDULED"


def test_n_waits_for_so_many():
    world = play(definition(join("N", *WORKERS, count=2), noop("after")), done("a"))
    assert world.status("p") == "RUNNING"
    done("c")(world)
    assert (world.status("p"), world.status("b"), world.ended_as) == ("COMPLETED", "CANCELLED", "COMPLETED")


def test_n_that_cannot_be_reached_any_more_lets_the_rest_end():
    world = play(definition(join("N", *WORKERS, count=2)), failed("a", "first"), failed("b"))
    assert (world.status("p"), world.status("c")) == ("RUNNING", "SCHEDULED")
    done("c")(world)
    assert (world.status("p"), world.output("p")["error"]) == ("FAILED", "first")
    resumed(world)
    assert (world.status("a"), world.status("b"), world.status("c")) == (
        "SCHEDULED",
        "SCHEDULED",
        "COMPLETED",
    )
    done("b")(world)
    assert (world.status("p"), world.status("a")) == ("COMPLETED", "CANCELLED")


def test_any_when_all_fail():
    world = play(definition(join("ANY", *WORKERS)), failed("a", "first"), failed("b"), failed("c"))
    assert (world.status("p"), world.output("p")["failedStepRef"]) == ("FAILED", "a")


@pytest.mark.parametrize("cold", [False, True])
def test_losers_are_closed_with_all_that_is_in_them(cold):
    children = (
        worker("a"),
        sequence("l", worker("b"), worker("never")),
        parallel("q", worker("c"), foreach("f", [1, 2], worker("d"), 2)),
        step("WAIT", "w", input={"durationMs": 500}),
        step("SWITCH", "s", worker("x"), input={"value": 1, "responseMapping": [{"value": 1, "targetRef": "x"}]}),
        step("WHILE", "h", noop("n"), input={"script": "() => true"}),
    )  # fmt: skip
    world = play(definition(join("ANY", *children), worker("after")), done("a"), cold=cold)
    statuses = world.statuses()
    assert {ref for ref, status in statuses.items() if status == "CANCELLED"} == {
        "l", "b", "q", "c", "f", "d[0]", "d[1]", "w", "s", "x", "h",
    }  # fmt: skip
    assert (statuses["p"], statuses["after"]) == ("COMPLETED", "SCHEDULED")
    assert [step.ref for step in world.ready()] == ["after"]
    assert world.dues == {}


def test_losers_in_an_iteration_are_only_those_of_that_iteration():
    child = parallel("p", worker("a"), worker("b"), input={"joinPolicy": "ANY"})
    world = play(definition(foreach("f", [1, 2], child, 2)), done("a[1]"))
    assert [world.status(f"b[{n}]") for n in range(2)] == ["SCHEDULED", "CANCELLED"]
    assert [world.status(f"p[{n}]") for n in range(2)] == ["RUNNING", "COMPLETED"]


def test_children_that_win_before_the_others_begin():
    world = play(definition(join("ANY", noop("a"), worker("b")), noop("after")))
    assert world.statuses() == {"p": "COMPLETED", "a": "COMPLETED", "after": "COMPLETED"}


def test_a_child_that_fails_at_once_does_not_keep_the_others_from_beginning():
    world = play(definition(join("ANY", fail("a"), worker("b"), worker("c"))))
    assert world.statuses() == {"p": "RUNNING", "a": "FAILED", "b": "SCHEDULED", "c": "SCHEDULED"}
    assert len(world.decisions) == 1


def test_an_optional_child_always_ends_well():
    world = play(definition(join("ANY", worker("a", optional=True), worker("b"))), failed("a"))
    assert (world.status("p"), world.status("b")) == ("COMPLETED", "CANCELLED")


@pytest.mark.parametrize(
    ("policy", "count", "said"),
    [
        ("SOME", None, 'joinPolicy must be ALL, ANY or N, not "SOME"'),
        ("N", None, "joinCount must be from 1"),
        ("N", 0, "joinCount must be from 1"),
        ("N", 4, "joinCount must be from 1"),
        ("N", "2", "joinCount must be from 1"),
        ("N", True, "joinCount must be from 1"),
    ],
)
def test_what_cannot_be_joined(policy, count, said):
    world = play(definition(join(policy, *WORKERS, count=count)))
    assert said in world.output("p")["error"]
    assert world.statuses() == {"p": "FAILED"}
    resumed(world)
    assert world.statuses() == {"p": "FAILED"}


def test_all_is_what_happens_anyway():
    world = play(definition(join("ALL", *WORKERS)), done("a"))
    assert (world.status("p"), world.status("b")) == ("RUNNING", "SCHEDULED")


def test_in_a_loop_every_pass_joins_anew():
    story = definition(step("WHILE", "w", join("ANY", *WORKERS[:2]), input={"script": "() => true"}))
    world = play(story, answered("w", True), done("a"), answered("w", True))
    assert world.statuses() == {"w": "RUNNING", "p": "RUNNING", "a": "SCHEDULED", "b": "SCHEDULED"}
    done("b")(world)
    assert (world.status("a"), world.status("p")) == ("CANCELLED", "COMPLETED")
