"""What operators do to a process: cancel, pause, run again from a step, repair a step, edit state. Spec 6.7, 6.8."""

from typing import Any

import pytest

from stepwell.engine.effects import Mark, Refusal
from stepwell.engine.events import (
    CancelRequested,
    PauseRequested,
    RerunFromRequested,
    ResumeRequested,
    SignalReceived,
    StateEdited,
    StepOrder,
    StepOrdered,
    StepRemoved,
    UnpauseRequested,
)
from stepwell.engine.pause import SLICE
from stepwell.engine.steps import HOLD_LOOK_MS
from stepwell.model.codec import decode, encode
from stepwell.model.due import DueKind
from stepwell.model.step import StepStatus
from tests.engine.play import (
    Move,
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
    resumed,
    retrying,
    running,
    sequence,
    step,
    terminated,
    worker,
)

POLICIES = [
    policy("retry", failure=retrying(3, retryInterval=100)),
    policy("at_once", failure=retrying(3, retryInterval=0)),
    policy("clocks", startTimeout={"duration": 500}, completionTimeout={"duration": 2_000}),
]


def taken(event: Any) -> Move:
    """An operation that must be allowed."""

    def move(world: World) -> None:
        reply = world.take(event)
        assert reply is None, reply

    return move


def rerun_from(ref: str, **input: Any) -> Move:
    return taken(RerunFromRequested(ref=ref, input=encode(input) if input else None))


def ordered(order: StepOrder, ref: str, **output: Any) -> Move:
    return taken(StepOrdered(ref=ref, order=order, output=encode(output)))


def marked(ref: str, mark: Mark | None) -> Move:
    def move(world: World) -> None:
        if mark is None:
            world.marks.pop(ref)
        else:
            world.marks[ref] = mark

    return move


paused, unpaused = taken(PauseRequested()), taken(UnpauseRequested())


def refused(world: World, event: Any, code: str = "CONFLICT") -> str:
    """Why it is refused; nothing may have changed."""
    before = (world.now_process, dict(world.rows), dict(world.dues))
    reply = world.take(event)
    assert isinstance(reply, Refusal), f"{event} was allowed"
    assert reply.code == code
    assert (world.now_process, dict(world.rows), dict(world.dues)) == before
    return reply.message


def executions(world: World, *refs: str) -> list[int]:
    return [world.step(ref).execution for ref in refs]


def wait(ref: str, **input: Any) -> dict[str, Any]:
    return step("WAIT", ref, input=input)


def sub_process(ref: str) -> dict[str, Any]:
    return step("SUB_PROCESS", ref, input={"processName": "child"})


def loop(ref: str, *children: dict[str, Any]) -> dict[str, Any]:
    return step("WHILE", ref, *children, input={"script": "() => true"})


# -- cancel


def test_cancel_ends_as_cancelled_and_runs_its_hook():
    hooks = {"onCancelProcess": {"name": "tidy"}}
    world = play(
        definition(worker("a"), configuration=hooks), claimed("a"), taken(CancelRequested(reason="x"))
    )
    assert (world.ended_as, world.now_process.reason) == ("CANCELLED", "x")
    assert world.statuses() == {"a": "CANCELLED"}
    assert [body.request.name for body in world.started] == ["tidy"]
    assert "CANCELLED" in refused(world, CancelRequested())
    resumed(world)
    everything_done(world)
    assert world.ended_as == "COMPLETED"


# -- running again from a step


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_from_a_step_runs_it_and_what_follows(cold):
    story = definition(worker("a"), worker("b", input={"x": "{{ steps.a.output.n }}"}), worker("c"))
    world = play(story, done("a", n=1), done("b"), done("c"), rerun_from("b"), cold=cold)
    assert world.ended_as == "RUNNING"
    assert world.statuses() == {"a": "COMPLETED", "b": "SCHEDULED", "c": "COMPLETED"}
    assert world.input("b") == {"x": 1}
    done("b", again=True)(world)
    assert world.status("c") == "SCHEDULED"
    done("c", last=True)(world)
    assert executions(world, "a", "b", "c") == [1, 2, 2]
    assert (world.ended_as, world.process_output) == ("COMPLETED", {"last": True})
    assert [decode(kept.output) for kept in world.earlier("b")] == [{}]


@pytest.mark.parametrize(
    "end", [[done("a"), failed("b")], [done("a"), terminated()], [done("a"), done("b")]],
    ids=["FAILED", "TERMINATED", "COMPLETED"],
)  # fmt: skip
def test_rerun_with_edited_input(end):
    world = play(
        definition(worker("a"), worker("b", input={"x": 1})), *end, rerun_from("b", x=2), claimed("b")
    )
    assert world.input("b") == {"x": 2}
    done("b")(world)
    assert world.ended_as == "COMPLETED"


def test_rerun_needs_an_ended_process_and_a_step_that_has_run():
    story = definition(worker("a"), worker("b"), foreach("f", [1], worker("c")))
    world = play(story)
    assert "end it before" in refused(world, RerunFromRequested(ref="a"))
    failed("a")(world)
    for ref in ("b", "nope", "c[0]", "c", "a[0]", "a[", "[1]", "a[x]"):
        assert "no step" in refused(world, RerunFromRequested(ref=ref), "NOT_FOUND")


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_inside_a_list_marks_later_siblings_on_every_level(cold):
    story = definition(
        worker("z"), sequence("l", worker("a"), worker("b"), worker("c")), noop("n"), worker("y")
    )
    world = play(story, done("z"), done("a"), done("b"), done("c"), done("y"), rerun_from("b"), cold=cold)
    assert world.statuses() | {"n": "-"} == {
        "z": "COMPLETED", "l": "RUNNING", "a": "COMPLETED", "b": "SCHEDULED", "c": "COMPLETED", "n": "-",
        "y": "COMPLETED",
    }  # fmt: skip
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert executions(world, "z", "l", "a", "b", "c", "n", "y") == [1, 1, 1, 2, 2, 2, 2]
    assert world.step("l").container_runs == 2


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_in_a_parallel_leaves_its_siblings(cold):
    story = definition(
        parallel("p", worker("a"), worker("b"), sequence("l", worker("c"), worker("d"))), worker("z")
    )
    world = play(story, done("a"), done("b"), done("c"), failed("d"), rerun_from("c"), cold=cold)
    assert (world.counters("p").open, world.counters("p").failed) == (1, 0)
    done("c")(world)
    done("d")(world)
    assert world.statuses()["p"] == "COMPLETED"
    done("z")(world)
    assert executions(world, "p", "a", "b", "l", "c", "d") == [1, 1, 1, 1, 2, 2]
    assert world.ended_as == "COMPLETED"


def test_rerun_of_one_failed_child_while_another_stays_failed():
    world = play(definition(parallel("p", worker("a"), worker("b"))), failed("a", "1"), failed("b", "2"))
    rerun_from("a")(world)
    assert (world.counters("p").open, world.counters("p").failed) == (1, 1)
    done("a")(world)
    assert (world.ended_as, world.status("p")) == ("FAILED", "FAILED")
    assert world.process_output["failedStepRef"] == "p"
    world.take(RerunFromRequested(ref="b"))
    assert world.counters("p").failed == 0
    done("b")(world)
    assert world.ended_as == "COMPLETED"


def test_the_first_failure_stays_named_when_the_second_runs_again():
    world = play(definition(parallel("p", worker("a"), worker("b"))), failed("a", "1"), failed("b", "2"))
    rerun_from("b")(world)
    failed("b", "3")(world)
    assert (world.process_output["error"], world.process_output["failedStepRef"]) == ("1", "a")


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_after_a_terminate_counts_the_cancelled_siblings(cold):
    """They stay CANCELLED, so the container ends badly; a resume then runs them."""
    story = definition(parallel("p", worker("a"), worker("b"), worker("c")))
    world = play(story, done("a"), terminated(), rerun_from("b"), done("b"), cold=cold)
    assert world.statuses() == {"p": "FAILED", "a": "COMPLETED", "b": "COMPLETED", "c": "CANCELLED"}
    resumed(world)
    done("c")(world)
    assert world.ended_as == "COMPLETED"
    assert executions(world, "a", "b", "c") == [1, 2, 2]


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_in_a_foreach_leaves_the_other_iterations(cold):
    inner = sequence("l", worker("a", input={"v": "{{ foreach.value }}"}), worker("b"))
    world = play(definition(foreach("f", ["x", "y", "z"], inner, 3)), cold=cold)
    everything_done(world)
    rerun_from("a[1]")(world)
    assert world.counters("f").open == 1
    assert world.statuses()["l[0]"] == world.statuses()["l[2]"] == "COMPLETED"
    assert world.input("a[1]") == {"v": "y"}
    done("a[1]")(world)
    done("b[1]", new=True)(world)
    assert world.ended_as == "COMPLETED"
    assert world.output("f") == {"results": [{"by": "b[0]"}, {"new": True}, {"by": "b[2]"}]}
    assert executions(world, "a[0]", "a[1]", "b[1]", "b[2]") == [1, 2, 2, 1]


@pytest.mark.parametrize("cold", [False, True])
def test_a_terminated_foreach_goes_on_with_what_had_not_begun(cold):
    world = play(
        definition(foreach("f", list(range(5)), worker("a"), 2)), done("a[0]"), terminated(), cold=cold
    )
    rerun_from("a[1]")(world)
    world.settle()
    assert {"a[3]", "a[1]"} <= {step.ref for step in world.ready()}
    everything_done(world)
    assert world.status("a[2]") == "CANCELLED"
    assert (world.ended_as, world.status("f")) == ("FAILED", "FAILED")
    assert world.counters("f").failed == 1
    resumed(world)
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert {world.status(f"a[{index}]") for index in range(5)} == {"COMPLETED"}


def test_rerun_of_what_an_exit_left():
    """The child that ended the process was opened, but not counted yet."""
    world = play(definition(parallel("p", worker("a"), sequence("l", noop("n"), exit("e")), worker("b"))))
    assert (world.ended_as, world.status("l")) == ("COMPLETED", "CANCELLED")
    rerun_from("n")(world)
    assert world.ended_as == "COMPLETED"
    assert executions(world, "n", "e") == [2, 2]


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "let go later"])
@pytest.mark.parametrize(
    "around", [parallel("p", exit("e")), foreach("p", [0, 1], exit("e"))], ids=["PARALLEL", "FOREACH"]
)
def test_an_exit_is_counted_by_what_it_stands_in(around, late, cold):
    """Whoever runs it again finds counters that count: one child open, none that has ended badly."""
    world = World(definition(around), cold=cold)
    held, free = marked("e", Mark.HOLD), marked("e", None)
    moves = [held, free, passed(HOLD_LOOK_MS)] if late else []
    for move in moves[:1]:
        move(world)
    world.start()
    for move in moves[1:]:
        move(world)
    assert world.ended_as == "COMPLETED"
    held(world)
    rerun_from(next(step.ref for step in world.rows.values() if step.ref.startswith("e")))(world)
    assert (world.status("p"), world.counters("p").open, world.counters("p").failed) == ("RUNNING", 1, 0)


@pytest.mark.parametrize("cold", [False, True])
def test_what_an_exit_opened_beside_itself_is_counted(cold):
    story = definition(parallel("p", worker("a"), exit("e", status="FAILED"), worker("c")))
    world = play(story, rerun_from("e", status="NONE"), cold=cold)
    assert world.statuses() == {"p": "FAILED", "a": "CANCELLED", "e": "FAILED", "c": "SKIPPED"}
    assert (world.counters("p").open, world.counters("p").failed, world.counters("p").next) == (0, 2, 3)


def test_what_was_open_in_many_slices_is_counted_once(monkeypatch):
    """The end of a process cancels what is open slice by slice, long after the counters were written."""
    monkeypatch.setattr("stepwell.engine.process.CLOSING_SLICE", 1)
    children = [worker("a"), sequence("l", worker("b"), exit("e")), worker("c")]
    world = play(definition(parallel("p", *children)), done("b"), rerun_from("b"))
    assert (world.counters("p").open, world.counters("p").failed) == (1, 2)


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_of_what_ran_in_an_earlier_execution_of_a_parallel_is_refused(cold):
    """The first child was enough this time: the others left no more than a record of before."""
    race = parallel("p", worker("a"), sequence("l", worker("b")), input={"joinPolicy": "ANY"})
    world = play(definition(worker("z"), race), done("z"), done("b"), cold=cold)
    world.marks["a"] = Mark.SKIP
    for move in (rerun_from("z"), done("z")):
        move(world)
    assert (world.ended_as, executions(world, "p", "a", "l")) == ("COMPLETED", [2, 2, 1])
    for ref in ("l", "b"):
        assert "run that one again" in refused(world, RerunFromRequested(ref=ref))


def test_rerun_in_a_loop_that_was_held_before_any_pass_is_refused():
    world = play(definition(worker("z"), loop("w", worker("a"))), done("z"), done("w", result=True), done("a"),
                 done("w", result=False))  # fmt: skip
    world.marks["w"] = Mark.HOLD
    for move in (rerun_from("z"), done("z"), terminated()):
        move(world)
    assert world.step("w").children is None
    assert "run that one again" in refused(world, RerunFromRequested(ref="a"))


def test_a_container_that_was_to_begin_anew_and_was_entered_does_not_begin_anew():
    """Its child was run again by itself; a resume of what failed behind it leaves it alone."""
    world = play(definition(worker("a"), sequence("l", worker("b"), worker("c")), worker("z")))
    everything_done(world)
    for move in (
        rerun_from("a"),
        failed("a"),
        rerun_from("c"),
        done("c"),
        failed("z"),
        resumed,
        done("a"),
        done("z"),
    ):
        move(world)
    assert world.ended_as == "COMPLETED"
    assert executions(world, "l", "b", "c", "z") == [1, 1, 2, 3]


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_below_a_parallel_that_has_not_begun_again_is_refused(cold):
    """It was held when the process ended: nothing has been opened by its new execution, and nothing counted."""
    world = play(definition(sequence("l", parallel("p", worker("a"), worker("b")))), cold=cold)
    everything_done(world)
    world.marks["p"] = Mark.HOLD
    rerun_from("l")(world)
    terminated()(world)
    assert "run that one again" in refused(world, RerunFromRequested(ref="a"))
    world.marks.clear()
    rerun_from("p")(world)
    everything_done(world)
    assert (world.ended_as, executions(world, "l", "p", "a", "b")) == ("COMPLETED", [2, 3, 2, 2])


def test_a_foreach_that_was_held_before_its_second_execution_is_no_longer_held_after_a_resume():
    world = play(definition(worker("a"), foreach("f", [0], worker("c"))), done("a"), done("c[0]"))
    world.marks["f"] = Mark.HOLD
    rerun_from("a")(world)
    done("a")(world)
    assert world.status("f") == "PAUSED"
    terminated()(world)
    world.marks.clear()
    resumed(world)
    assert (world.step("f").phase, world.status("f"), world.status("c[0]")) == ("", "RUNNING", "SCHEDULED")
    done("c[0]")(world)
    assert world.ended_as == "COMPLETED"


def test_rerun_of_an_exit_that_failed_its_process():
    world = play(definition(foreach("f", [0, 1, 2], exit("e", status="FAILED"))))
    assert (world.ended_as, world.status("f"), world.status("e[0]")) == ("FAILED", "CANCELLED", "FAILED")
    rerun_from("e[0]", status="COMPLETED")(world)
    assert (world.ended_as, executions(world, "e[0]")) == ("COMPLETED", [2])
    assert (world.counters("f").failed, world.counters("f").next) == (0, 1)


@pytest.mark.parametrize("cold", [False, True])
def test_rerun_of_a_container_begins_everything_in_it_anew(cold):
    inner = foreach("f", "{{ input.items }}", worker("a", input={"v": "{{ foreach.value }}"}), 9)
    world = play(definition(sequence("l", noop("n"), inner)), cold=cold, input={"items": [1, 2]})
    everything_done(world)
    ids = {step.ref: step.id for step in world.rows.values()}
    rerun_from("l")(world)
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert {step.ref: step.id for step in world.rows.values()} == ids
    assert executions(world, "l", "n", "f", "a[0]", "a[1]") == [2, 2, 2, 2, 2]
    rerun_from("f", inputArray=["p", "q", "r"], concurrency=9)(world)
    assert [world.input(f"a[{index}]")["v"] for index in range(3)] == ["p", "q", "r"]
    everything_done(world)
    assert len(world.output("f")["results"]) == 3


def test_rerun_with_more_items_than_there_was_room_for():
    world = play(definition(foreach("f", [1], worker("a"), 99)), done("a[0]"))
    before = len(world.blocks)
    rerun_from("f", inputArray=list(range(70)), concurrency=99)(world)
    assert len(world.blocks) == before + 1
    everything_done(world)
    assert len(world.output("f")["results"]) == 70


def test_rerun_in_a_loop_goes_on_with_its_pass():
    world = play(
        definition(loop("w", worker("a"), worker("b"))), done("w", result=True), done("a"), failed("b")
    )
    rerun_from("a")(world)
    assert (world.status("w"), world.status("a"), world.status("b")) == ("RUNNING", "SCHEDULED", "FAILED")
    done("a")(world)
    done("b")(world)
    done("w", result=False)(world)
    assert (world.ended_as, world.output("w")) == ("COMPLETED", {"passes": 1})
    assert executions(world, "a", "b") == [2, 2]


def test_rerun_in_a_loop_that_was_terminated_while_its_script_ran():
    world = play(
        definition(loop("w", worker("a"))), done("w", result=True), done("a"), terminated(), rerun_from("a")
    )
    assert world.step("w").phase == ""
    done("a")(world)
    done("w", result=False)(world)
    assert world.ended_as == "COMPLETED"


def test_a_resume_takes_up_the_branch_that_ended_badly():
    """Also when people have had another one of the SWITCH run before."""
    mapping = [{"value": "x", "targetRef": "a"}, {"targetRef": "b", "defaultBranch": True}]
    switch = step("SWITCH", "s", worker("a"), worker("b"), input={"value": "y", "responseMapping": mapping})
    world = play(
        definition(switch), done("b"), rerun_from("a"), done("a"), rerun_from("b"), failed("b"), resumed
    )
    assert (world.status("s"), world.status("a"), world.status("b")) == ("RUNNING", "COMPLETED", "SCHEDULED")
    done("b")(world)
    assert (world.ended_as, executions(world, "a", "b")) == ("COMPLETED", [2, 3])


def test_rerun_in_a_branch_keeps_the_choice():
    mapping = [{"value": "x", "targetRef": "a"}, {"targetRef": "b", "defaultBranch": True}]
    switch = step("SWITCH", "s", worker("a"), worker("b"), input={"value": "x", "responseMapping": mapping})
    world = play(definition(switch, worker("z")), done("a"), done("z"), rerun_from("a"), done("a"), done("z"))
    assert (world.ended_as, world.status("b")) == ("COMPLETED", "SKIPPED")
    assert world.output("s") == {"output": "x", "logs": []}
    assert executions(world, "s", "a", "z") == [1, 2, 2]


def test_a_foreach_in_a_loop_reads_its_items_anew_in_each_pass():
    inner = foreach("f", "{{ state.items }}", worker("a", input={"v": "{{ foreach.value }}"}), 9)
    world = play(definition(loop("w", worker("s"), inner)), done("w", result=True))
    done("s", __statePut={"items": [1, 2]})(world)
    everything_done_but_the_loop(world)
    done("w", result=True)(world)
    done("s", __statePut={"items": [7, 8]})(world)
    assert [world.input(f"a[{index}]") for index in (0, 1)] == [{"v": 7}, {"v": 8}]
    assert len([row for row in world.rows.values() if row.ref == "a[0]"]) == 1


def everything_done_but_the_loop(world: World) -> None:
    for each in world.ready():
        if each.ref != "w":
            done(each.ref)(world)


# -- pausing


@pytest.mark.parametrize("cold", [False, True])
def test_pause_holds_what_is_ready_and_lets_hands_finish(cold):
    story = definition(
        parallel("p", worker("ready"), sequence("l", worker("busy"), worker("next"))), worker("z")
    )
    world = play(story, claimed("busy"), paused, cold=cold)
    assert world.statuses() == {"p": "RUNNING", "ready": "PAUSED", "l": "RUNNING", "busy": "RUNNING"}
    assert world.ready() == [] and world.due_of("ready") == {}
    done("busy", x=1)(world)
    assert (world.status("next"), world.ready()) == ("PAUSED", [])
    assert "paused" in refused(world, PauseRequested())
    unpaused(world)
    assert {step.ref for step in world.ready()} == {"ready", "next"}
    assert "paused" in refused(world, UnpauseRequested())
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert executions(world, "ready", "busy", "next", "z") == [1, 1, 1, 1]


@pytest.mark.parametrize("moves", [[running("a")], [failed("a")], [claimed("a"), passed(600_000)]],
                         ids=["keep running", "retry at once", "lease ended"])  # fmt: skip
def test_what_comes_back_to_a_paused_process_waits(moves):
    world = play(definition(worker("a", policy="at_once")), claimed("a"), paused, *moves, policies=POLICIES)
    assert (world.status("a"), world.ready()) == ("PAUSED", [])
    unpaused(world)
    done("a")(world)
    assert world.ended_as == "COMPLETED"


def test_a_delayed_step_is_held_when_its_time_comes():
    world = play(definition(worker("a", policy="retry")), failed("a"), paused, policies=POLICIES)
    assert (world.status("a"), world.due_of("a")) == ("SCHEDULED", {DueKind.READY: 100})
    world.advance(100)
    assert (world.status("a"), world.due_of("a"), world.ready()) == ("PAUSED", {}, [])
    unpaused(world)
    assert [step.ref for step in world.ready()] == ["a"]


def test_a_delayed_step_outlives_a_short_pause():
    world = play(definition(worker("a", policy="retry")), failed("a"), paused, unpaused, policies=POLICIES)
    assert world.due_of("a") == {DueKind.READY: 100}
    world.advance(100)
    done("a")(world)
    assert world.ended_as == "COMPLETED"


def test_the_start_timeout_does_not_run_in_a_pause_and_the_completion_timeout_does():
    story = definition(worker("a", policy="clocks"))
    world = play(story, paused, passed(1_000), policies=POLICIES)
    assert (world.status("a"), world.due_of("a")) == ("PAUSED", {DueKind.COMPLETION_TIMEOUT: 1_000})
    unpaused(world)
    assert world.due_of("a") == {DueKind.START_TIMEOUT: 500, DueKind.COMPLETION_TIMEOUT: 1_000}
    paused(world)
    world.advance(1_000)
    assert (world.status("a"), world.ended_as) == ("TIMED_OUT", "FAILED")


def test_a_late_result_of_a_held_step_counts():
    world = play(definition(worker("a"), worker("b")), claimed("a"), passed(599_999), paused)
    held = world.step("a")
    world.advance(1)
    assert world.status("a") == "PAUSED"
    world.report(held)
    assert (world.status("a"), world.status("b")) == ("COMPLETED", "PAUSED")


def test_a_paused_process_can_be_ended_and_resumed():
    world = play(
        definition(worker("a"), sequence("l", worker("b"))), claimed("a"), paused, done("a"), terminated()
    )
    assert world.statuses() == {"a": "COMPLETED", "l": "CANCELLED"}
    resumed(world)
    assert (world.now_process.paused, world.statuses()["b"]) == (False, "SCHEDULED")
    everything_done(world)
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_wide_process_is_paused_in_slices(cold):
    count = 3 * SLICE
    world = play(definition(foreach("f", list(range(count)), worker("a"), count)), cold=cold)
    taken(PauseRequested())(world)
    held = [step for step in world.rows.values() if step.status is StepStatus.PAUSED]
    assert 0 < len(held) <= SLICE
    world.settle()
    assert world.ready() == []
    taken(UnpauseRequested())(world)
    world.settle()
    assert len(world.ready()) == count
    assert world.due_of() == {}
    everything_done(world)
    assert world.ended_as == "COMPLETED"


def test_pausing_and_going_on_at_once_leaves_nothing_held():
    count = 3 * SLICE
    world = play(definition(foreach("f", list(range(count)), worker("a"), count)))
    for event in (PauseRequested(), UnpauseRequested(), PauseRequested(), UnpauseRequested()):
        taken(event)(world)
    world.settle()
    assert len(world.ready()) == count


@pytest.mark.parametrize("cold", [False, True])
def test_going_on_lets_steps_end_that_need_nobody(cold):
    story = definition(
        foreach("f", list(range(300)), sequence("l", worker("a"), noop("n")), 300), worker("z")
    )
    world = play(story, cold=cold)
    hands = world.claim()
    paused(world)
    for each in hands:
        world.report(each)
    world.settle()
    assert {world.status(f"n[{index}]") for index in range(300)} == {"PAUSED"}
    unpaused(world)
    world.settle()
    assert world.status("z") == "SCHEDULED"
    assert max(world.rounds) < 16


# -- marks


def test_a_held_step_waits_until_the_mark_is_gone():
    world = play(definition(noop("n"), worker("a"), worker("b")))
    world.marks["b"] = Mark.HOLD
    done("a")(world)
    assert (world.status("b"), world.due_of("b")) == ("PAUSED", {DueKind.READY: HOLD_LOOK_MS})
    world.advance(10 * HOLD_LOOK_MS)
    assert world.status("b") == "PAUSED"
    world.marks.clear()
    world.advance(HOLD_LOOK_MS)
    done("b")(world)
    assert (world.ended_as, executions(world, "b")) == ("COMPLETED", [1])


def test_a_mark_holds_beyond_the_end_of_a_pause():
    world = play(
        definition(worker("a"), worker("b")), claimed("a"), paused, marked("b", Mark.HOLD), done("a")
    )
    unpaused(world)
    assert (world.status("b"), world.due_of("b")) == ("PAUSED", {DueKind.READY: HOLD_LOOK_MS})
    marked("b", None)(world)
    world.advance(HOLD_LOOK_MS)
    assert world.status("b") == "SCHEDULED"


@pytest.mark.parametrize("kind", ["LIST", "PARALLEL", "WAIT"])
def test_a_step_that_nobody_polls_is_held_too(kind):
    held = wait("h", durationMs=5) if kind == "WAIT" else step(kind, "h", worker("in"))
    world = play(definition(worker("a"), held), marked("h", Mark.HOLD), done("a"))
    assert world.statuses() == {"a": "COMPLETED", "h": "PAUSED"}
    marked("h", None)(world)
    world.advance(HOLD_LOOK_MS)
    assert world.status("h") == "RUNNING"


def test_a_skipped_step_never_runs_and_what_follows_does():
    world = play(definition(worker("a"), worker("b"), worker("c")), marked("b", Mark.SKIP), done("a"))
    assert world.statuses() == {"a": "COMPLETED", "b": "SKIPPED", "c": "SCHEDULED"}


def test_a_held_step_may_be_skipped_instead():
    world = play(definition(worker("a"), worker("b"), worker("c")), marked("b", Mark.HOLD), done("a"))
    marked("b", Mark.SKIP)(world)
    world.advance(HOLD_LOOK_MS)
    assert world.statuses() == {"a": "COMPLETED", "b": "SKIPPED", "c": "SCHEDULED"}


@pytest.mark.parametrize("around", [lambda step: step, lambda step: parallel("p", step, worker("x"))])
def test_a_resume_skips_a_failed_step_that_is_marked(around):
    world = play(definition(around(worker("a")), worker("b")))
    failed("a")(world)
    if world.find("x"):
        done("x")(world)
    world.marks["a"] = Mark.SKIP
    resumed(world)
    assert (world.status("a"), world.status("b")) == ("SKIPPED", "SCHEDULED")
    assert world.earlier("a")[0].output == b'{"error":"broken"}'


def test_a_resume_holds_a_failed_step_that_is_marked():
    world = play(definition(worker("a")), failed("a"), marked("a", Mark.HOLD), resumed)
    assert (world.status("a"), world.ready()) == ("PAUSED", [])
    marked("a", None)(world)
    world.advance(HOLD_LOOK_MS)
    done("a")(world)
    assert (world.ended_as, executions(world, "a")) == ("COMPLETED", [2])


def test_a_further_pass_skips_what_is_marked():
    world = play(
        definition(loop("w", worker("a"))), done("w", result=True), done("a"), marked("a", Mark.SKIP)
    )
    done("w", result=True)(world)
    assert world.status("a") == "SKIPPED"
    done("w", result=False)(world)
    assert world.ended_as == "COMPLETED"


# -- orders to one step


def test_complete_a_step_in_a_workers_hands():
    world = play(definition(worker("a"), worker("b", input={"x": "{{ steps.a.output.x }}"})), claimed("a"))
    hands = world.step("a")
    ordered(StepOrder.COMPLETE, "a", x=7, __statePut={"k": 1})(world)
    assert (world.output("a"), world.input("b"), world.state) == ({"x": 7}, {"x": 7}, {"k": 1})
    assert str(world.report(hands)) == "DUPLICATE"
    assert "no open step a" in refused(world, StepOrdered(ref="a", order=StepOrder.COMPLETE))


def test_fail_a_step_without_its_policy():
    world = play(definition(worker("a", policy="retry")), policies=POLICIES)
    ordered(StepOrder.FAIL, "a", error="gave up", __statePut={"k": 1})(world)
    assert (world.ended_as, world.process_output["error"], world.state) == ("FAILED", "gave up", {})


def test_complete_a_wait_and_one_held():
    world = play(definition(wait("w", forSignal="go", timeoutMs=50), worker("a")))
    ordered(StepOrder.COMPLETE, "w", by="me")(world)
    assert (world.output("w"), world.dues) == ({"by": "me"}, {})
    paused(world)
    ordered(StepOrder.COMPLETE, "a")(world)
    assert world.ended_as == "COMPLETED"


def test_orders_to_iterations_leave_their_siblings():
    world = play(definition(foreach("f", [1, 2, 3], worker("a"), 3)))
    ordered(StepOrder.COMPLETE, "a[1]", x=1)(world)
    ordered(StepOrder.FAIL, "a[2]", error="no")(world)
    assert [world.status(f"a[{index}]") for index in range(3)] == ["SCHEDULED", "COMPLETED", "FAILED"]
    done("a[0]")(world)
    assert world.process_output["failedStepRef"] == "a[2]"


@pytest.mark.parametrize("order", [StepOrder.COMPLETE, StepOrder.FAIL])
def test_the_process_below_is_told_to_end_when_nobody_waits_for_it_any_more(order):
    world = play(definition(sub_process("s")))
    child = world.started[0]
    ordered(order, "s", x=1)(world)
    told = [(due.kind, due.process_id, due.body) for due in world.sent]
    assert told == [(DueKind.ORDER, world.step("s").children.base, b'"TERMINATE"')]
    assert (child.parent_step_id, world.output("s")) == (world.step("s").id, {"x": 1})
    assert world.ended_as == ("COMPLETED" if order is StepOrder.COMPLETE else "FAILED")


@pytest.mark.parametrize("order", StepOrder)
def test_orders_that_cannot_be(order):
    world = play(definition(sequence("l", worker("a")), worker("b")))
    for ref in ("l", "b", "nope", "a[0]"):
        refused(world, StepOrdered(ref=ref, order=order))
    done("a")(world)
    terminated()(world)
    refused(world, StepOrdered(ref="b", order=order))


@pytest.mark.parametrize("moves", [[failed("a")], [running("a", 900)], [claimed("a")]])
def test_retry_now(moves):
    world = play(definition(worker("a", policy="retry")), *moves, policies=POLICIES)
    before = world.step("a")
    assert world.ready() == []
    ordered(StepOrder.RETRY_NOW, "a")(world)
    assert [step.ref for step in world.ready()] == ["a"]
    assert (world.step("a").execution, world.dues) == (before.execution, {})
    ordered(StepOrder.RETRY_NOW, "a")(world)
    assert len(world.ready()) == 1
    done("a")(world)
    assert world.ended_as == "COMPLETED"


def test_retry_now_hurries_nothing_that_is_held_or_waits_for_no_worker():
    world = play(definition(parallel("p", worker("a"), wait("w", durationMs=50))), paused)
    assert "paused" in refused(world, StepOrdered(ref="a", order=StepOrder.RETRY_NOW))
    unpaused(world)
    assert "no worker" in refused(world, StepOrdered(ref="w", order=StepOrder.RETRY_NOW))


# -- removing a step


def test_remove_an_open_step():
    world = play(definition(worker("a"), worker("b")), claimed("a"))
    taken(StepRemoved(ref="a"))(world)
    assert world.statuses() == {"a": "SKIPPED", "b": "SCHEDULED"}
    assert "SKIPPED already" in refused(world, StepRemoved(ref="a"))


def test_remove_an_open_container():
    world = play(definition(parallel("p", worker("a"), sequence("l", worker("b"))), worker("z")), done("a"))
    taken(StepRemoved(ref="p"))(world)
    assert world.statuses() == {
        "p": "SKIPPED", "a": "COMPLETED", "l": "CANCELLED", "b": "CANCELLED", "z": "SCHEDULED",
    }  # fmt: skip


@pytest.mark.parametrize("cold", [False, True])
def test_remove_steps_that_have_not_begun(cold):
    story = definition(
        sequence("l", worker("a"), worker("b")), foreach("f", [1, 2, 3], worker("c")), noop("n"), worker("z")
    )
    world = play(story, taken(StepRemoved(ref="b")), taken(StepRemoved(ref="n")), cold=cold)
    assert "SKIPPED already" in refused(world, StepRemoved(ref="b"))
    refused(world, StepRemoved(ref="c[1]"), "NOT_FOUND")
    done("a")(world)
    taken(StepRemoved(ref="c[1]"))(world)
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert [ref for ref, status in world.statuses().items() if status == "SKIPPED"] == ["b", "n", "c[1]"]
    assert world.output("f") == {"results": [{"by": "c[0]"}, None, {"by": "c[2]"}]}


def test_remove_inside_a_container_that_has_not_begun_is_refused():
    world = play(definition(worker("a"), sequence("l", worker("b"))))
    assert "remove that one" in refused(world, StepRemoved(ref="b"))
    taken(StepRemoved(ref="l"))(world)
    done("a")(world)
    assert (world.ended_as, world.statuses()) == ("COMPLETED", {"a": "COMPLETED", "l": "SKIPPED"})


def test_a_step_removed_from_a_loop_comes_back_in_the_next_pass():
    world = play(
        definition(loop("w", worker("a"), worker("b"))), done("w", result=True), taken(StepRemoved(ref="b"))
    )
    done("a")(world)
    assert world.status("b") == "SKIPPED"
    done("w", result=True)(world)
    taken(StepRemoved(ref="a"))(world)
    assert (world.status("a"), world.status("b")) == ("SKIPPED", "SCHEDULED")


def test_a_branch_that_was_removed_is_not_taken():
    mapping = [{"value": "x", "targetRef": "a"}]
    switch = step("SWITCH", "s", worker("a"), worker("b"), input={"script": "…", "responseMapping": mapping})
    world = play(definition(switch, worker("z")), taken(StepRemoved(ref="a")), done("s", result="x"))
    assert world.statuses() == {"s": "COMPLETED", "a": "SKIPPED", "b": "SKIPPED", "z": "SCHEDULED"}


def test_nothing_is_removed_from_an_ended_process():
    world = play(definition(worker("a")), done("a"))
    refused(world, StepRemoved(ref="a"))
    world = play(definition(worker("a"), worker("b")), done("a"))
    assert "COMPLETED already" in refused(world, StepRemoved(ref="a"))
    refused(world, StepRemoved(ref="nope"), "NOT_FOUND")


# -- state and signals


def test_state_is_edited_while_the_process_may_go_on():
    world = play(
        definition(worker("a"), worker("b", input={"x": "{{ state.x }}"})), done("a", __statePut={"y": 1})
    )
    edit = StateEdited(put=b'{"x":2,"z":[1]}', remove=("y",))
    for _ in range(2):
        taken(edit)(world)
        assert world.state == {"x": 2, "z": [1]}
    failed("b")(world)
    taken(StateEdited(put=b'{"x":3}'))(world)
    resumed(world)
    assert world.state["x"] == 3
    done("b")(world)
    assert world.ended_as == "COMPLETED"
    refused(world, edit)


def test_a_signal_waits_for_a_step_that_is_held():
    world = play(definition(worker("a"), wait("w", forSignal="go")), claimed("a"), paused, done("a"))
    taken(SignalReceived(name="go", payload=b'{"x":1}'))(world)
    assert world.status("w") == "PAUSED"
    unpaused(world)
    assert (world.ended_as, world.output("w")) == ("COMPLETED", {"x": 1})
    assert isinstance(world.take(SignalReceived(name="go", payload=b"{}")), Refusal)
    assert isinstance(world.take(ResumeRequested()), Refusal)


# -- while a process undoes its steps


def undone(ref: str) -> dict[str, Any]:
    return worker(ref, compensate={"type": "WORKER", "name": "undo"})


def test_undoing_can_be_paused_and_repaired_but_not_removed_ahead():
    world = play(definition(undone("a"), undone("b"), worker("c")), done("a"), done("b"))
    refused(world, StepRemoved(ref="a~undo"))
    failed("c")(world)
    world.settle()
    assert (world.ended_as, world.status("b~undo")) == ("RUNNING", "SCHEDULED")
    paused(world)
    assert (world.status("b~undo"), world.ready()) == ("PAUSED", [])
    unpaused(world)
    ordered(StepOrder.COMPLETE, "b~undo")(world)
    world.settle()
    done("a~undo")(world)
    assert world.ended_as == "FAILED"
    refused(world, RerunFromRequested(ref="c"))


def test_going_on_begins_nothing_that_is_about_to_be_cancelled():
    count = 2 * SLICE
    story = definition(undone("a"), foreach("f", list(range(count)), worker("x"), count))
    world = play(story, done("a"), paused)
    world.take(CancelRequested())
    world.take(UnpauseRequested())
    assert [step.ref for step in world.ready()] in ([], ["a~undo"])
    world.settle()
    assert [step.ref for step in world.ready()] == ["a~undo"]
    done("a~undo")(world)
    assert world.ended_as == "CANCELLED"
    assert not any(step.status.is_open for step in world.rows.values())


@pytest.mark.parametrize("order", [StepOrder.COMPLETE, StepOrder.FAIL])
def test_whoever_held_a_step_that_was_ordered_and_runs_again_comes_too_late(order):
    world = play(definition(worker("a"), worker("b")), claimed("a"))
    late = world.step("a")
    ordered(order, "a")(world)
    assert str(world.report(late)) == "DUPLICATE"
    if order is StepOrder.COMPLETE:
        terminated()(world)
    rerun_from("a")(world)
    assert [str(world.report(late, output={"late": True})) for _ in range(2)] == ["STALE", "STALE"]
    done("a", x=1)(world)
    assert world.output("a") == {"x": 1}
