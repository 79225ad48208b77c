"""No decision is large: bounded transitions, bounded loads, and a cost that does not grow with width."""

import pytest

from stepwell.engine.draft import MAX_TRANSITIONS
from stepwell.engine.events import ProcessStarted, StepReported, TerminateRequested
from stepwell.engine.process import CLOSING_SLICE
from stepwell.model.due import DueKind
from tests.engine.play import (
    World,
    definition,
    done,
    everything_done,
    foreach,
    noop,
    parallel,
    play,
    resumed,
    sequence,
    terminated,
    worker,
)


def changed(world: World) -> list[int]:
    """How many rows each decision wrote."""
    return [len(decision.steps) for _, decision in world.decisions]


def go_ons(world: World) -> int:
    return sum(1 for _, d in world.decisions for key, due in d.due.items() if due and key[2] is DueKind.GO_ON)


WIDE = {
    "2,000 workers at once": definition(parallel("p", *(worker(f"w{n}") for n in range(2_000)))),
    "2,000 that close at once": definition(parallel("p", *(noop(f"n{n}") for n in range(2_000)))),
    "1,000 in a list": definition(sequence("l", *(noop(f"n{n}") for n in range(1_000)))),
    "1,000 at the top": definition(*(noop(f"n{n}") for n in range(1_000))),
    "3,000 iterations": definition(foreach("f", list(range(3_000)), worker("c"), 3_000)),
    "lists in a loop": definition(foreach("f", list(range(300)), sequence("l", noop("a"), worker("b")), 300)),
    "loops in a loop": definition(foreach("f", list(range(30)), foreach("g", [1, 2, 3], worker("c"), 3), 30)),
}


@pytest.mark.parametrize("story", WIDE.values(), ids=WIDE.keys())
def test_a_decision_goes_on_later_when_it_is_full(story):
    world = play(story)
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert go_ons(world) > 0
    assert max(changed(world)) <= MAX_TRANSITIONS + 8
    assert max(world.rounds) < 8
    assert world.dues == {}


def test_a_list_of_a_thousand_takes_a_few_turns():
    world = play(WIDE["1,000 in a list"])
    assert len(world.decisions) == 1 + 1_000 * 2 // MAX_TRANSITIONS


def test_terminating_a_thousand_open_steps_goes_in_slices():
    world = play(definition(foreach("f", list(range(1_000)), worker("c"), 1_000)))
    before = len(world.decisions)
    world.take(TerminateRequested(reason=""))
    assert world.ended_as == "TERMINATED"
    assert sum(step.status.is_open for step in world.rows.values()) == 1_001 - CLOSING_SLICE
    world.settle()
    assert not any(step.status.is_open for step in world.rows.values())
    assert changed(world)[before:] == [256, 256, 256, 233]


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("kind", ["parallel", "foreach"])
def test_a_result_costs_the_same_in_a_wide_process(kind, cold):
    costs = set()
    for width in (10, 2_000):
        if kind == "parallel":
            story = definition(parallel("p", *(worker(f"w{n}") for n in range(width))))
        else:
            story = definition(foreach("f", list(range(width)), worker("w"), width // 2))
        world = play(story, cold=cold)
        done("w3" if kind == "parallel" else "w[3]")(world)
        assert isinstance(world.decisions[-1][0], StepReported)
        costs.add((changed(world)[-1], world.loaded[-1], world.rounds[-1], len(world.decisions[-1][1].due)))
    assert len(costs) == 1, costs


def test_a_step_of_a_long_list_costs_the_same_at_its_end():
    world = play(definition(sequence("l", *(worker(f"w{n}") for n in range(400)))), cold=True)
    everything_done(world)
    assert max(changed(world)) == 2
    assert max(world.loaded) <= 4


def test_the_end_of_a_wide_container_does_not_look_at_all_children():
    world = play(definition(parallel("p", *(worker(f"w{n}") for n in range(1_500))), noop("z")), cold=True)
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    ends = [loaded for (event, _), loaded in zip(world.decisions, world.loaded, strict=True)
            if not isinstance(event, ProcessStarted)]  # fmt: skip
    assert max(ends) <= 5


@pytest.mark.parametrize("width", [100, 1_000])
def test_a_resumed_wide_process_is_looked_through_in_slices(width):
    story = definition(parallel("p", *(worker(f"w{n}") for n in range(width))))
    world = play(story, terminated(), resumed, cold=True)
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert max(world.loaded) <= 2 * MAX_TRANSITIONS
    assert max(world.rounds) < 8
