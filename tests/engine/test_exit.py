"""EXIT: ends the process here."""

import pytest

from tests.engine.play import (
    claimed,
    definition,
    done,
    everything_done,
    exit,
    foreach,
    noop,
    parallel,
    play,
    resumed,
    sequence,
    worker,
)


def after(**input):
    return definition(noop("first", x=1), exit("e", **input), worker("w"), noop("z"))


@pytest.mark.parametrize(
    ("input", "process", "step", "output"),
    [
        ({}, "COMPLETED", "COMPLETED", {}),
        ({"status": None}, "COMPLETED", "COMPLETED", {}),
        (
            {"status": "COMPLETED", "output": {"a": "{{ steps.first.output.x }}"}},
            "COMPLETED",
            "COMPLETED",
            {"a": 1},
        ),
        ({"status": "FAILED", "output": {"error": "no"}}, "FAILED", "FAILED", {"error": "no"}),
        ({"status": "TERMINATED"}, "TERMINATED", "COMPLETED", {}),
        ({"status": "TERMINATED", "output": {"a": 1}}, "TERMINATED", "COMPLETED", {"a": 1}),
    ],
)
def test_status_and_output(input, process, step, output):
    world = play(after(**input))
    assert world.statuses() == {"first": "COMPLETED", "e": step, "w": "SKIPPED", "z": "SKIPPED"}
    assert (world.ended_as, world.process_output) == (process, output)


def test_failed_without_an_output_names_itself():
    world = play(after(status="FAILED"))
    assert world.process_output == {
        "error": "ended by e",
        "failedStepRef": "e",
        "failedStepId": world.step("e").id,
    }


@pytest.mark.parametrize("status", ["DONE", 7, ["FAILED"], {"a": 1}, "completed"])
def test_a_status_that_is_none_fails_the_step(status):
    world = play(definition(exit("e", status="{{ input.status }}")), input={"status": status})
    assert world.statuses() == {"e": "FAILED"}
    assert world.ended_as == "FAILED"
    assert "COMPLETED, FAILED, TERMINATED" in world.process_output["error"]


def test_an_output_that_is_no_object_fails_the_step():
    assert play(after(output=[1])).ended_as == "FAILED"


@pytest.mark.parametrize("cold", [False, True])
def test_open_steps_are_cancelled_and_siblings_that_have_not_begun_skipped(cold):
    story = definition(
        parallel(
            "p", worker("a"), sequence("l", worker("b"), exit("e"), worker("c"), worker("d")), worker("f")
        ),
        worker("z"),
    )
    world = play(story, claimed("a"), done("b"), cold=cold)
    assert world.statuses() == {
        "p": "CANCELLED",
        "a": "CANCELLED",
        "l": "CANCELLED",
        "b": "COMPLETED",
        "e": "COMPLETED",
        "c": "SKIPPED",
        "d": "SKIPPED",
        "f": "CANCELLED",
    }
    assert world.ended_as == "COMPLETED"


def test_in_the_middle_of_a_parallel_that_opens():
    world = play(definition(parallel("p", worker("a"), exit("e"), worker("b"))))
    assert world.statuses() == {"p": "CANCELLED", "a": "CANCELLED", "e": "COMPLETED", "b": "SKIPPED"}


@pytest.mark.parametrize("cold", [False, True])
def test_in_a_loop_with_many_siblings(cold):
    later = [noop(f"n{number}") for number in range(30)]
    child = sequence("l", worker("w"), exit("e"), *later)
    world = play(definition(foreach("f", [1, 2, 3], child)), done("w[0]"), cold=cold)
    assert world.status("n29[0]") == "SKIPPED"
    assert world.status("l[1]") is None
    assert max(world.rounds) < 8


def test_a_process_that_it_terminated_can_be_resumed():
    world = play(definition(parallel("p", worker("a"), exit("e", status="TERMINATED")), worker("z")), resumed)
    everything_done(world)
    assert world.statuses() == {"p": "COMPLETED", "a": "COMPLETED", "e": "COMPLETED", "z": "COMPLETED"}
    assert world.ended_as == "COMPLETED"
