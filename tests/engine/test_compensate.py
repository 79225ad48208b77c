"""Undoing: in reverse order of completion, durable, retried, and the final status only afterwards."""

from typing import Any

import pytest

from stepwell.engine.effects import Refusal
from stepwell.engine.events import (
    CancelRequested,
    RerunFromRequested,
    ResumeRequested,
    SignalReceived,
    StepOrder,
    StepOrdered,
    TimerFired,
)
from stepwell.model.codec import encode
from stepwell.model.due import DueKind
from stepwell.model.work import Acceptance
from tests.engine.play import (
    World,
    claimed,
    definition,
    done,
    everything_done,
    exit,
    failed,
    foreach,
    noop,
    parallel,
    passed,
    play,
    policy,
    retrying,
    running,
    sequence,
    step,
    terminated,
    worker,
)

COLD = pytest.mark.parametrize("cold", [False, True])


def undoable(ref: str, **compensation: Any) -> dict[str, Any]:
    undo = {"type": "WORKER", "name": "undo", "input": {"of": "{{ steps." + ref + ".output.id }}"}}
    return worker(ref, compensate={**undo, **compensation})


def cancelled(world: World) -> None:
    assert world.take(CancelRequested(reason="not wanted")) is None


def order_of_undoing(world: World) -> list[str]:
    """Workers do all that is left; the refs in the order in which they were handed out."""
    order = []
    while steps := world.claim():
        assert len(steps) == 1, [each.ref for each in steps]
        order.append(steps[0].ref)
        world.report(steps[0])
        world.settle()
    return order


@COLD
def test_the_last_completed_step_is_undone_first(cold):
    world = play(
        definition(parallel("p", undoable("a"), undoable("b")), undoable("c"), worker("d")),
        done("b", id=2),
        passed(5),
        done("a", id=1),
        passed(5),
        done("c", id=3),
        failed("d", "no stock"),
        cold=cold,
    )
    process = world.now_process
    assert (process.status, process.goes_on, process.ended) == ("RUNNING", False, 0)
    assert world.process_output["error"] == "no stock"
    assert world.input("c~undo") == {"of": 3}
    assert order_of_undoing(world) == ["c~undo", "a~undo", "b~undo"]
    assert (world.input("a~undo"), world.input("b~undo")) == ({"of": 1}, {"of": 2})
    assert (world.ended_as, world.process_output["failedStepRef"]) == ("FAILED", "d")
    assert world.now_process.ended == world.now


def test_within_one_moment_the_later_step_goes_first():
    steps = [undoable("a"), undoable("b"), step("NOOP", "n", compensate={"type": "WORKER", "name": "u"})]
    world = play(definition(*steps, worker("z")), done("a"), done("b"), failed("z"))
    assert order_of_undoing(world) == ["n~undo", "b~undo", "a~undo"]


def test_a_process_that_completes_undoes_nothing():
    world = play(definition(undoable("a"), worker("b")), done("a"), done("b", x=1))
    assert (world.ended_as, world.process_output, len(world.rows)) == ("COMPLETED", {"x": 1}, 2)


@pytest.mark.parametrize(
    ("moves", "status"),
    [
        ([failed("b")], "FAILED"),
        ([cancelled], "CANCELLED"),
        ([passed(1_000)], "TIMED_OUT"),
        ([terminated()], None),
    ],
)
def test_which_ends_undo(moves, status):
    world = play(
        definition(undoable("a"), worker("b"), configuration={"completionTimeout": 1_000}), done("a"), *moves
    )
    if status is None:
        assert (world.ended_as, world.find("a~undo")) == ("TERMINATED", None)
        return
    assert world.ended_as == "RUNNING"
    passed(5_000)(world)
    assert order_of_undoing(world) == ["a~undo"]
    assert world.ended_as == status


def test_only_what_completed_is_undone():
    world = play(
        definition(parallel("p", undoable("a"), undoable("b"), undoable("c")), undoable("d")),
        done("a", id=1),
        failed("b"),
        claimed("c"),
        cancelled,
    )
    late = world.step("c")
    assert (late.status, world.report(late)) == ("CANCELLED", Acceptance.STALE)
    assert order_of_undoing(world) == ["a~undo"]
    assert world.ended_as == "CANCELLED"


def test_a_failed_process_without_completed_steps_ends_at_once_and_can_be_resumed():
    world = play(definition(undoable("a")), failed("a"))
    assert (world.ended_as, world.now_process.compensating) == ("FAILED", b"")
    assert world.take(ResumeRequested()) is None


@COLD
def test_iterations_are_undone_each_by_itself(cold):
    inner = sequence("l", undoable("a"), worker("b"))
    world = play(definition(foreach("f", [7, 8, 9], inner, 3)), cold=cold)
    for index in (2, 0, 1):
        done(f"a[{index}]", id=index)(world)
        passed(1)(world)
    done("b[0]")(world)
    done("b[1]")(world)
    failed("b[2]")(world)
    world.settle()
    assert order_of_undoing(world) == ["a~undo[1]", "a~undo[0]", "a~undo[2]"]
    assert [world.input(f"a~undo[{index}]") for index in range(3)] == [{"of": 0}, {"of": 1}, {"of": 2}]
    assert world.ended_as == "FAILED"


@pytest.mark.parametrize("cold", [False, True])
def test_what_a_rerun_with_fewer_items_has_left_is_undone_too(cold):
    each = undoable("a")
    world = play(definition(foreach("f", [0, 1], each, 2), worker("z")), done("a[0]"), done("a[1]"), terminated(),
                 cold=cold)  # fmt: skip
    assert world.take(RerunFromRequested(ref="f", input=encode({"inputArray": ["only"]}))) is None
    for move in (done("a[0]"), failed("z"), everything_done):
        move(world)
        world.settle()
    assert {step.ref for step in world.rows.values() if "~" in step.ref} == {"a~undo[0]", "a~undo[1]"}


def test_a_compensation_is_retried_by_its_own_policy():
    undo = {"configuration": {"errorPolicyName": "r"}}
    world = play(
        definition(undoable("a", **undo), worker("b")),
        done("a"),
        failed("b"),
        failed("a~undo"),
        passed(50),
        running("a~undo", 20),
        passed(20),
        policies=[policy("r", failure=retrying(3, retryInterval=50))],
    )
    assert world.ended_as == "RUNNING"
    assert order_of_undoing(world) == ["a~undo"]
    assert (world.ended_as, world.step("a~undo").execution) == ("FAILED", 2)
    assert "compensationErrors" not in world.process_output


def test_one_that_fails_for_good_is_told_and_the_others_still_run():
    world = play(
        definition(undoable("a"), undoable("b"), undoable("c"), worker("d")),
        done("a"),
        done("b"),
        done("c"),
        cancelled,
        done("c~undo"),
        failed("b~undo", "refused"),
        done("a~undo"),
    )
    assert world.ended_as == "FAILED"
    assert world.process_output == {"compensationErrors": [{"ref": "b~undo", "error": "refused"}]}
    assert world.now_process.reason == "not wanted"


def test_an_exit_that_fails_stops_what_follows_and_undoes():
    world = play(
        definition(undoable("a"), sequence("l", exit("e", status="FAILED"), worker("b")), worker("c")),
        done("a"),
    )
    assert world.statuses() == {
        "a": "COMPLETED",
        "l": "CANCELLED",
        "e": "FAILED",
        "b": "SKIPPED",
        "a~undo": "SCHEDULED",
    }
    assert order_of_undoing(world) == ["a~undo"]
    assert world.ended_as == "FAILED"


def test_many_open_steps_are_cancelled_before_anything_is_undone():
    many = foreach("f", list(range(600)), worker("i"), 600)
    world = play(definition(undoable("a"), many), done("a"))
    cancelled(world)
    assert world.find("a~undo") is None
    world.settle()
    assert [each.ref for each in world.ready()] == ["a~undo"]
    assert {row.status for row in world.rows.values() if row.path[0] == "i"} == {"CANCELLED"}
    assert order_of_undoing(world) == ["a~undo"]
    assert world.ended_as == "CANCELLED"


def test_compensations_that_wait_for_nobody_are_bounded_in_a_decision():
    silent = step("NOOP", "n", compensate={"type": "NOOP"})
    world = play(definition(foreach("f", list(range(1_000)), silent, 100), worker("z")), failed("z"))
    assert world.ended_as == "FAILED"
    assert sum(row.path[0] == "n~undo" for row in world.rows.values()) == 1_000
    assert max(len(decision.steps) for _, decision in world.decisions) <= 300


def test_terminate_ends_the_undoing():
    world = play(definition(undoable("a"), undoable("b"), worker("c")), done("a"), done("b"), failed("c"))
    terminated("enough")(world)
    assert (world.ended_as, world.status("b~undo"), world.find("a~undo")) == ("TERMINATED", "CANCELLED", None)


def test_what_is_refused_while_it_undoes_and_afterwards():
    world = play(definition(undoable("a"), worker("b")), done("a"), failed("b"))
    for event in (
        CancelRequested(),
        ResumeRequested(),
        SignalReceived(name="s", payload=b"{}"),
        StepOrdered(ref="b", order=StepOrder.COMPLETE),
    ):
        assert isinstance(world.take(event), Refusal)
    assert world.take(StepOrdered(ref="a~undo", order=StepOrder.COMPLETE, output=b"{}")) is None
    assert world.ended_as == "FAILED"
    for event in (ResumeRequested(), RerunFromRequested(ref="a")):
        reply = world.take(event)
        assert isinstance(reply, Refusal) and "have been undone" in reply.message


def test_a_parents_order_to_resume_tells_it_that_the_child_stays_failed():
    world = play(
        definition(undoable("a"), worker("b")),
        done("a"),
        failed("b"),
        everything_done,
        parent_id=1,
        parent_step_id=2,
    )
    assert world.ended_as == "FAILED"
    world.take(TimerFired(kind=DueKind.ORDER, step_id=0, body=b'"RESUME"'))
    assert list(world.decisions[-1][1].due) == [(1, 2, DueKind.NEWS)]


def test_state_that_a_compensation_writes_is_kept():
    world = play(
        definition(undoable("a"), worker("b")),
        done("a"),
        failed("b"),
        done("a~undo", __statePut={"undone": 1}),
    )
    assert (world.ended_as, world.state) == ("FAILED", {"undone": 1})


def test_the_hook_runs_once_and_after_the_undoing():
    hooks = {"onFailProcess": {"name": "tell"}}
    world = play(definition(undoable("a"), worker("b"), configuration=hooks), done("a"), failed("b"))
    assert world.started == []
    done("a~undo")(world)
    assert [body.request.name for body in world.started] == ["tell"]


def test_a_graph_undoes_too():
    edges = {"dependencies": [{"ref": "b", "deps": "a"}, {"ref": "c", "deps": "a"}]}
    world = play(
        definition(undoable("a"), undoable("b"), worker("c"), metadata=edges),
        done("a"),
        failed("c"),
        done("b"),
    )
    assert world.ended_as == "RUNNING"
    assert set(order_of_undoing(world)) == {"a~undo", "b~undo"}
    assert world.ended_as == "FAILED"


def test_numbers_of_compensations_lie_behind_all_others():
    plan = World(
        definition(undoable("a"), foreach("f", [1], sequence("l", undoable("i"), noop("j"))), worker("z"))
    ).plan
    assert {ref: each.number for ref, each in plan.steps.items() if not each.loops} == {
        "a": 1,
        "f": 2,
        "z": 3,
        "a~undo": 4,
    }
    assert (plan.size, plan.steps["f"].iteration_size, plan.steps["i~undo"].number) == (5, 4, 3)
