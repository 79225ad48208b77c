"""LIST: one child after the other."""

import pytest

from tests.engine.play import (
    definition,
    done,
    everything_done,
    fail,
    failed,
    noop,
    play,
    resumed,
    sequence,
    terminated,
    worker,
)

LIST = definition(sequence("l", worker("a"), worker("b"), noop("c", of="{{ steps.b.output.n }}")))


def test_children_begin_one_after_the_other():
    world = play(LIST)
    assert world.statuses() == {"l": "RUNNING", "a": "SCHEDULED"}
    done("a")(world)
    assert world.statuses() == {"l": "RUNNING", "a": "COMPLETED", "b": "SCHEDULED"}
    done("b", n=5)(world)
    assert set(world.statuses().values()) == {"COMPLETED"}
    assert world.output("l") == {"of": 5}
    assert world.process_output == {"of": 5}


@pytest.mark.parametrize(
    ("children", "moves", "statuses", "output"),
    [
        ([worker("a"), worker("b")], [failed("a", "no")], {"l": "FAILED", "a": "FAILED"}, "no"),
        ([fail("a"), worker("b")], [], {"l": "FAILED", "a": "FAILED"}, "failed on purpose"),
        (
            [worker("a", optional=True), worker("b")],
            [failed("a"), done("b", x=1)],
            {"l": "COMPLETED", "a": "FAILED", "b": "COMPLETED"},
            {"x": 1},
        ),
        (
            [worker("a"), worker("b", optional=True), fail("c", optional=True)],
            [done("a", x=2), failed("b")],
            {"l": "COMPLETED", "a": "COMPLETED", "b": "FAILED", "c": "FAILED"},
            {"x": 2},
        ),
        ([worker("a", optional=True)], [failed("a")], {"l": "COMPLETED", "a": "FAILED"}, {}),
    ],
    ids=["failed", "failed at once", "optional failed", "last two failed", "nothing completed"],
)
@pytest.mark.parametrize("cold", [False, True])
def test_how_it_ends(children, moves, statuses, output, cold):
    world = play(definition(sequence("l", *children)), *moves, cold=cold)
    assert world.statuses() == statuses
    if isinstance(output, str):
        a = world.step("a")
        assert world.output("l") == {"error": output, "failedStepRef": "a", "failedStepId": a.id}
    else:
        assert world.output("l") == output


def test_a_failure_names_the_leaf_however_deep():
    world = play(definition(sequence("x", sequence("y", sequence("z", worker("a"))))), failed("a", "deep"))
    leaf = {"error": "deep", "failedStepRef": "a", "failedStepId": world.step("a").id}
    assert [world.output(ref) for ref in "xyz"] == [leaf] * 3
    assert world.process_output == leaf


def test_a_worker_cannot_say_that_another_step_failed():
    moves = [failed("a", failedStepId=1, failedStepRef="nobody")]
    world = play(definition(sequence("l", worker("a"))), *moves)
    assert world.process_output["failedStepRef"] == "a"
    assert world.process_output["failedStepId"] == world.step("a").id


@pytest.mark.parametrize("cold", [False, True])
def test_resume_goes_on_with_the_child_that_failed(cold):
    world = play(LIST, done("a"), failed("b"), resumed, cold=cold)
    assert world.statuses() == {"l": "RUNNING", "a": "COMPLETED", "b": "SCHEDULED"}
    assert (world.step("l").execution, world.step("l").container_runs) == (1, 2)
    assert (world.step("a").execution, world.step("b").execution) == (1, 2)
    done("b", n=1)(world)
    assert world.process_output == {"of": 1}


def test_terminated_and_resumed():
    world = play(LIST, done("a"), terminated())
    assert world.statuses() == {"l": "CANCELLED", "a": "COMPLETED", "b": "CANCELLED"}
    resumed(world)
    everything_done(world)
    assert set(world.statuses().values()) == {"COMPLETED"}
