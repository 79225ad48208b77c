"""The top level as a graph: `metadata.dependencies`."""

import pytest

from stepwell.engine.events import RerunFromRequested
from tests.engine.play import (
    World,
    definition,
    done,
    everything_done,
    exit,
    fail,
    failed,
    noop,
    parallel,
    play,
    resumed,
    sequence,
    terminated,
    worker,
)


def rerun_from(ref):
    def move(world):
        assert world.take(RerunFromRequested(ref=ref)) is None

    return move


def graph(*steps, **edges):
    """Edges by step: `c="a, b"`."""
    entries = [{"ref": ref, "deps": deps} for ref, deps in edges.items()]
    return definition(*steps, metadata={"dependencies": entries})


DIAMOND = graph(worker("a"), worker("b"), worker("c"), worker("d"), b="a", c="a", d="b,c")


@pytest.mark.parametrize("cold", [False, True])
def test_a_diamond(cold):
    world = play(DIAMOND, done("a"), cold=cold)
    assert world.statuses() == {"a": "COMPLETED", "b": "SCHEDULED", "c": "SCHEDULED"}
    for move in (done("c", x=1), done("b")):
        assert world.status("d") is None
        move(world)
    done("d", end=True)(world)
    assert world.ended_as == "COMPLETED"
    assert world.process_output == {"end": True}


def test_without_an_entry_list_order_rules_among_themselves():
    story = graph(worker("a"), worker("far"), worker("b"), worker("free"), far="b", free="")
    world = play(story)
    assert world.statuses() == {"a": "SCHEDULED", "free": "SCHEDULED"}
    done("a")(world)
    assert world.status("b") == "SCHEDULED"
    assert world.status("far") is None
    done("b")(world)
    assert world.status("far") == "SCHEDULED"


def test_against_list_order():
    world = play(graph(noop("z", x="{{ steps.a.output.x }}"), noop("a", x=1), z="a"))
    assert world.output("z") == {"x": 1}
    assert world.process_output == {"x": 1}


def test_several_entries_for_a_step_add_up():
    entries = [{"ref": "c", "deps": "a"}, {"ref": "c", "deps": "b"}, {"ref": "b", "deps": ""}]
    world = play(definition(worker("a"), worker("b"), worker("c"), metadata={"dependencies": entries}))
    done("b")(world)
    assert world.status("c") is None
    done("a")(world)
    assert world.status("c") == "SCHEDULED"


def test_a_failure_lets_running_siblings_end_and_starts_nothing_new():
    story = graph(worker("a"), worker("b"), worker("c"), worker("d"), b="", c="", d="a")
    world = play(story, failed("b", "first"))
    assert world.ended_as == "RUNNING"
    done("a")(world)
    assert world.status("d") is None
    failed("c", "second")(world)
    assert world.ended_as == "FAILED"
    assert world.process_output == {
        "error": "first",
        "failedStepRef": "b",
        "failedStepId": world.step("b").id,
    }


def test_a_failure_at_the_start_opens_no_more():
    world = play(graph(fail("a"), worker("b"), b=""))
    assert world.statuses() == {"a": "FAILED"}
    assert world.ended_as == "FAILED"


def test_an_optional_failure_counts_as_done():
    world = play(graph(fail("a", optional=True), noop("b"), b="a"))
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_resume_goes_on_with_what_failed_and_what_had_to_wait(cold):
    story = graph(worker("a"), worker("b"), worker("c"), worker("d"), b="", c="a", d="b")
    world = play(story, failed("a"), done("b"), cold=cold)
    assert world.ended_as == "FAILED"
    resumed(world)
    assert world.statuses() == {"a": "SCHEDULED", "b": "COMPLETED", "d": "SCHEDULED"}
    assert world.step("b").execution == 1
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert world.process_output == {"by": "d"}


def test_containers_are_nodes_too():
    story = graph(
        sequence("l", worker("a"), worker("b")), parallel("p", worker("c")), noop("z"), p="", z="l, p"
    )
    world = play(story, done("a"), done("c"))
    assert world.status("z") is None
    done("b")(world)
    assert world.ended_as == "COMPLETED"


def test_exit_skips_every_step_that_has_not_begun():
    world = play(graph(noop("late"), worker("w"), exit("e"), late="w", w="", e=""))
    assert world.ended_as == "COMPLETED"
    assert world.statuses() == {"late": "SKIPPED", "w": "CANCELLED", "e": "COMPLETED"}


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("width", [10, 600])
def test_wide_and_deep_graphs_stay_within_bounds(width, cold):
    roots = [noop(f"r{number}") for number in range(width)]
    chain = [noop(f"c{number}", x="{{ steps.r0.output }}") for number in range(20)]
    edges = {f"r{number}": "" for number in range(width)}
    edges |= {"c0": ",".join(edges)} | {f"c{number}": f"c{number - 1}" for number in range(1, 20)}
    world = play(graph(*roots, *chain, **edges), cold=cold)
    assert world.ended_as == "COMPLETED"
    assert max(world.rounds) <= 7


def test_what_a_full_decision_has_not_come_to_is_not_forgotten(monkeypatch):
    """What it opened may end before the rest of it is taken up."""
    roots = {f"s{n}": "" for n in range(9)}
    monkeypatch.setattr("stepwell.engine.draft.MAX_TRANSITIONS", 4)
    world = World(graph(*(worker(ref) for ref in roots), **roots)).start()
    opened = [step.ref for step in world.ready()]
    assert 0 < len(opened) < 9
    for ref in opened:
        done(ref)(world)
    assert world.ended_as == "RUNNING"
    world.settle()
    everything_done(world)
    assert (world.ended_as, len(world.rows)) == ("COMPLETED", 9)


# -- running again from a step


TWO = graph(worker("a"), worker("b"), worker("c"), worker("d"), b="", c="a", d="b")


@pytest.mark.parametrize("cold", [False, True])
def test_a_branch_that_runs_again_does_not_hide_that_another_has_failed(cold):
    world = play(TWO, failed("a", "no a"), failed("b"), rerun_from("b"), done("b"), done("d"), cold=cold)
    assert world.statuses() == {"a": "FAILED", "b": "COMPLETED", "d": "COMPLETED"}
    assert (world.ended_as, world.process_output["failedStepRef"]) == ("FAILED", "a")
    resumed(world)
    done("a")(world)
    done("c")(world)
    assert world.ended_as == "COMPLETED"


def test_a_failure_that_nothing_waits_for_stays_one():
    world = play(graph(worker("a"), worker("b"), b=""), failed("a"), done("b"), rerun_from("b"), done("b"))
    assert (world.ended_as, world.process_output["failedStepRef"]) == ("FAILED", "a")


def test_what_runs_again_behind_a_failure_passes_it_over():
    """As in a list: who runs the later step again wants that."""
    world = play(DIAMOND, done("a"), done("b"), done("c"), terminated(), rerun_from("a"), failed("a"))
    assert (world.status("d"), world.ended_as) == ("CANCELLED", "FAILED")
    story = graph(worker("a"), worker("b"), b="a")
    world = play(story, done("a"), terminated(), rerun_from("a"), terminated(), rerun_from("b"), done("b"))
    assert (world.status("a"), world.ended_as) == ("CANCELLED", "COMPLETED")
