"""UPDATE_STEP: completes, fails or feeds a waiting step."""

import pytest

from stepwell.engine.effects import KnownProcess
from stepwell.engine.events import TimerFired
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepStatus
from stepwell.model.work import Acceptance
from tests.engine.play import (
    PROCESS,
    World,
    claimed,
    definition,
    done,
    foreach,
    noop,
    parallel,
    play,
    sequence,
    step,
    worker,
)

FAR = 77


def update(ref="u", **input):
    return step("UPDATE_STEP", ref, input=input)


def wait(ref="w", **fields):
    return step("WAIT", ref, input={"forSignal": "answer"}, **fields)


def beside(waiting, **input):
    return definition(parallel("p", waiting, sequence("l", worker("before"), update(**input))), noop("z"))


def let(world):
    world.report(world.take_one("before"))
    world.settle()
    return world


@pytest.mark.parametrize("waiting", [wait(), worker("w"), step("WAIT", "w", input={"durationMs": 10**9})])
def test_complete(waiting):
    world = let(play(beside(waiting, targetRef="w", output={"a": 1, "__statePut": {"k": 2}})))
    assert world.ended_as == "COMPLETED"
    assert world.output("w") == {"a": 1}
    assert world.state == {"k": 2}
    assert world.output("u") == {"processId": PROCESS, "targetRef": "w", "action": "COMPLETE"}
    assert not world.dues


@pytest.mark.parametrize("waiting", [wait(optional=True), worker("w", optional=True)])
def test_fail(waiting):
    world = let(play(beside(waiting, targetRef="w", action="FAIL", output={"code": 3})))
    assert world.output("w") == {"code": 3, "error": "failed by UPDATE_STEP"}
    assert (world.status("w"), world.status("u"), world.ended_as) == ("FAILED", "COMPLETED", "COMPLETED")


def test_feeding_a_wait_is_its_signal():
    world = let(play(beside(wait(), targetRef="w", action="FEED", output={"yes": True})))
    assert (world.output("w"), world.ended_as) == ({"yes": True}, "COMPLETED")


def test_feeding_a_worker_step_sets_its_output_so_far():
    story = beside(worker("w"), targetRef="w", action="FEED", output={"half": 1, "__statePut": {"k": 1}})
    world = let(play(story, claimed("w")))
    held = world.step("w")
    assert (world.status("w"), world.output("w"), world.state) == ("RUNNING", {"half": 1}, {"k": 1})
    assert world.status("u") == "COMPLETED"
    assert world.report(held, output={"whole": 2}) is Acceptance.ACCEPTED
    assert world.ended_as == "COMPLETED"


def test_a_step_whose_jq_program_runs_takes_no_input():
    """Its output is what the program works on."""
    story = beside({**worker("w"), "configuration": {"jqTransformer": "."}}, targetRef="w", action="FEED")
    world = play(story, done("w", items=1))
    taken = world.take_one("w")
    let(world)
    assert (world.status("u"), world.output("u")["error"]) == ("FAILED", "step w waits for no input")
    world.report(taken, output={"result": {"n": 2}})
    assert world.output("w") == {"n": 2}


def test_the_worker_that_held_it_comes_too_late():
    world = play(beside(worker("w"), targetRef="w"), claimed("w"))
    held = world.step("w")
    let(world)
    assert world.report(held) is Acceptance.DUPLICATE
    assert world.ended_as == "COMPLETED"


def test_an_iteration_is_named_by_its_index():
    story = definition(
        parallel("p", foreach("f", [1, 2], wait(), 2), update(targetRef="w[1]", output={"x": 1}))
    )
    world = play(story)
    assert (world.status("w[0]"), world.status("w[1]")) == ("RUNNING", "COMPLETED")


def test_a_failure_that_ends_the_process_ends_it_once():
    story = definition(parallel("p", wait(), update(targetRef="w", action="FAIL"), joinPolicy="ALL"))
    world = play(story)
    assert world.ended_as == "FAILED"
    assert world.statuses() == {"p": "FAILED", "w": "FAILED", "u": "COMPLETED"}


def test_when_the_update_ends_its_own_container():
    story = definition(parallel("p", wait(), update(targetRef="w"), input={"joinPolicy": "ANY"}), noop("z"))
    world = play(story)
    assert world.ended_as == "COMPLETED"
    assert world.status("u") == "CANCELLED"
    assert world.step("z").execution == 1


@pytest.mark.parametrize(
    ("input", "said"),
    [
        ({}, "targetRef"),
        ({"targetRef": "w", "action": "END"}, "COMPLETE, FAIL, FEED"),
        ({"targetRef": "w", "output": [1]}, "object"),
        ({"targetRef": "w", "processId": "7"}, "processId"),
        ({"targetRef": "nobody"}, "has not begun"),
        ({"targetRef": "z"}, "has not begun"),
        ({"targetRef": "before"}, "is COMPLETED"),
        ({"targetRef": "p"}, "ends with what is below it"),
        ({"targetRef": "u"}, "cannot update itself"),
        ({"targetRef": "w", "output": {"__statePut": 3}}, "__statePut"),
    ],
)
def test_what_it_refuses(input, said):
    world = let(play(beside(wait(), **input)))
    assert world.status("u") == "FAILED"
    assert said in world.output("u")["error"]
    assert world.status("w") == "RUNNING"


def test_only_what_waits_for_input_is_fed():
    slow = step("WAIT", "w", input={"durationMs": 10**9})
    world = let(play(beside(slow, targetRef="w", action="FEED")))
    assert "waits for no input" in world.output("u")["error"]


# -- another process


def to_far(status="RUNNING", w="RUNNING", **input):
    world = World(definition(update(processId=FAR, targetRef="w", **input)))
    steps = {} if w is None else {"w": StepStatus(w)}
    far = KnownProcess(
        id=FAR, namespace="n", name="far", version=1, status=ProcessStatus(status), steps=steps
    )
    world.others = [(0, far)]
    world.start()
    world.settle()
    return world


def test_another_process_gets_a_row_and_follows_it():
    sender = to_far(action="FEED", output={"yes": 1})
    assert sender.output("u") == {"processId": FAR, "targetRef": "w", "action": "FEED"}
    (row,) = sender.sent
    assert (row.process_id, row.step_id, row.kind) == (FAR, sender.step("u").id, DueKind.UPDATE)

    far = play(definition(wait(), noop("z")))
    far.take(TimerFired(kind=row.kind, step_id=row.step_id, body=row.body))
    assert (far.output("w"), far.ended_as) == ({"yes": 1}, "COMPLETED")
    # Again, or too late: nothing happens.
    far.take(TimerFired(kind=row.kind, step_id=row.step_id, body=row.body))
    assert far.decisions[-1][1].process is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "COMPLETED"}, "is COMPLETED"),
        ({"w": "SKIPPED"}, "is SKIPPED"),
        ({"w": None}, "has not begun"),
        ({"processId": 78}, "no process 78"),
    ],
)
def test_what_it_finds_closed_there(fields, said):
    input = {"processId": fields.pop("processId")} if "processId" in fields else {}
    world = World(definition(update(**{"processId": FAR, "targetRef": "w", **input})))
    world.others = to_far(**fields).others
    world.start()
    assert said in world.output("u")["error"]
    assert not world.sent
