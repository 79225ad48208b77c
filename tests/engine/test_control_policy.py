"""Error policies of steps that no worker polls: their scripts, their children's processes, their time."""

import pytest

from stepwell.engine.events import StepOrder, StepOrdered
from stepwell.model.due import DueKind
from tests.engine.family import Family, sub
from tests.engine.play import (
    START,
    answered,
    definition,
    done,
    fail,
    failed,
    noop,
    passed,
    play,
    policy,
    resumed,
    retrying,
    step,
    terminated,
    worker,
)

AGAIN = policy("again", failure=retrying(2, retryInterval=100))
SHORT = policy("short", completionTimeout={"duration": 50, "action": "FAIL"})


def scripted(kind, *children, **input):
    return step(kind, "s", *children, policy="again", input={"script": "() => 1", **input})


SCRIPTED = {
    "SWITCH": (scripted("SWITCH", noop("n"), responseMapping=[{"value": 1, "targetRef": "n"}]), 1),
    "WHILE": (scripted("WHILE", noop("n")), False),
    "WAIT": (scripted("WAIT"), {"waitUntil": 0}),
}


@pytest.mark.parametrize("kind", list(SCRIPTED))
@pytest.mark.parametrize("wrong", [failed("s"), answered("s", [])], ids=["raises", "answers nonsense"])
def test_a_script_that_fails_is_tried_again(kind, wrong):
    written, right = SCRIPTED[kind]
    world = play(definition(written), wrong, policies=[AGAIN])
    assert (world.status("s"), world.ready(), world.due_of("s")) == ("SCHEDULED", [], {DueKind.READY: 100})
    passed(100)(world)
    wrong(world)
    passed(100)(world)
    answered("s", right)(world)
    assert (world.ended_as, world.step("s").execution) == ("COMPLETED", 3)


@pytest.mark.parametrize("kind", list(SCRIPTED))
def test_a_script_that_keeps_failing(kind):
    moves = (failed("s"), passed(100), failed("s"), passed(100), failed("s", "at last"))
    world = play(definition(SCRIPTED[kind][0]), *moves, policies=[AGAIN])
    assert (world.status("s"), world.step("s").execution) == ("FAILED", 3)
    assert world.output("s")["error"] == "at last"
    resumed(world)
    answered("s", SCRIPTED[kind][1])(world)
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("broken", [failed("s"), terminated()], ids=["failed", "terminated while it waits"])
def test_a_loop_whose_script_fails_stays_before_its_pass(broken):
    yes, no = answered("s", True), answered("s", False)
    world = play(definition(scripted("WHILE", worker("a"))), yes, done("a"), failed("s"), policies=[AGAIN])
    assert world.status("a") == "COMPLETED"
    if broken is not None and world.due_of("s"):
        passed(100)(world)
    broken(world)
    if world.ended_as == "TERMINATED":
        resumed(world)
    passed(100)(world)
    assert [step.ref for step in world.ready()] == ["s"]
    yes(world)
    done("a")(world)
    no(world)
    assert (world.output("s"), world.step("a").execution) == ({"passes": 2}, 2)


def test_terminated_between_two_tries_of_a_loops_script():
    world = play(definition(scripted("WHILE", worker("a"))), answered("s", True), done("a"), failed("s"),
                 terminated(), resumed, policies=[AGAIN])  # fmt: skip
    assert [step.ref for step in world.ready()] == ["s"]
    assert world.step("a").execution == 1


def test_a_sub_process_that_fails_is_tried_with_a_new_child():
    family = Family(
        definition(sub("s", "child", policy="again")), child=definition(worker("a")), policies=[AGAIN]
    )
    family.play("child", failed("a"))
    family.advance(100)
    first, second = family.all("child")
    assert (first.ended_as, second.ended_as) == ("FAILED", "RUNNING")
    done("a")(second)
    family.settle()
    assert (family.root.ended_as, family.root.step("s").execution) == ("COMPLETED", 2)


@pytest.mark.parametrize(
    "written",
    [
        step("WAIT", "s", input={"durationMs": 500}, policy="short"),
        step("WAIT", "s", input={"forSignal": "go"}, policy="short"),
        step("LIST", "s", worker("a"), policy="short"),
        step("PARALLEL", "s", worker("a"), step("LIST", "l", worker("b")), policy="short"),
        step("WHILE", "s", worker("a"), input={"script": "() => true"}, policy="short"),
        step("SWITCH", "s", worker("a"), input={"script": "() => true"}, policy="short"),
    ],
)
def test_time_is_up_for_a_step_and_all_that_is_in_it(written):
    world = play(definition({**written, "optional": True}, noop("after")), passed(49), policies=[SHORT])
    assert world.status("s") == "RUNNING"
    passed(1)(world)
    assert (world.status("s"), world.output("s")) == ("TIMED_OUT", {"error": "not completed in time"})
    assert {world.status(ref) for ref in ("a", "b", "l")} <= {None, "CANCELLED"}
    assert (world.ended_as, world.dues) == ("COMPLETED", {})


def test_the_clock_of_a_loop_runs_over_all_its_passes():
    loop = step("WHILE", "s", worker("a"), input={"script": "() => true"}, policy="short")
    moves = (answered("s", True), passed(30), done("a"), answered("s", True), passed(20))
    world = play(definition(loop), *moves, policies=[SHORT])
    assert (world.status("s"), world.status("a"), world.ended_as) == ("TIMED_OUT", "CANCELLED", "FAILED")


@pytest.mark.parametrize(
    "written",
    [
        step("FOREACH", "s", worker("a"), input={"inputArray": 1}, policy="again"),
        step("PARALLEL", "s", worker("a"), input={"joinPolicy": "FEW"}, policy="again"),
        step("WHILE", "s", worker("a"), input={"script": "() => 1", "maxIterations": 0}, policy="again"),
    ],
)
def test_a_resume_gives_its_retries_back(written):
    world = play(definition(written), passed(100), passed(100), policies=[AGAIN])
    assert (world.status("s"), world.step("s").execution) == ("FAILED", 3)
    for move in (resumed, passed(100), passed(100)):
        move(world)
    assert (world.status("s"), world.step("s").execution) == ("FAILED", 5)


def test_a_resume_gives_a_sub_process_its_retries_back():
    family = Family(
        definition(sub("s", "child", policy="again")), child=definition(fail("f")), policies=[AGAIN]
    )
    family.advance(200)
    assert (family.root.ended_as, family.root.step("s").execution) == ("FAILED", 3)
    resumed(family.root)
    family.advance(200)
    assert (family.root.ended_as, family.root.step("s").execution) == ("FAILED", 5)


def test_time_is_up_for_a_sub_process_and_its_child():
    family = Family(
        definition(sub("s", "child", policy="short")), child=definition(worker("a")), policies=[SHORT]
    )
    family.advance(50)
    assert (family.root.status("s"), family.only("child").ended_as) == ("TIMED_OUT", "TERMINATED")


def test_a_step_in_time_takes_its_clock_away():
    world = play(
        definition(step("LIST", "s", worker("a"), policy="short"), worker("b")), done("a"), policies=[SHORT]
    )
    assert world.dues == {}


def test_a_step_that_sleeps_cannot_be_hurried():
    """Its script has been asked: in the queue of scripts it would be answered as if it were work."""
    world = play(definition(scripted("WAIT")), answered("s", {"waitUntil": START + 500}), policies=[AGAIN])
    assert world.take(StepOrdered(ref="s", order=StepOrder.RETRY_NOW)).code == "CONFLICT"
    assert world.ready() == []
