"""PROCESS_TRACKER: how another process is doing."""

import pytest

from stepwell.engine.effects import KnownProcess
from stepwell.model.codec import change, encode
from stepwell.model.process import ProcessStatus
from tests.engine.play import PROCESS, World, definition, passed, step


def other(status="RUNNING", **output):
    return KnownProcess(
        id=77,
        namespace="n",
        name="far",
        version=3,
        status=ProcessStatus(status),
        output=encode(output),
    )


SHOWN = {"processId": 77, "namespace": "n", "name": "far", "version": 3}


def follow(known, **input):
    world = World(definition(step("PROCESS_TRACKER", "t", input={"processId": 77, **input})))
    world.others = [(0, known)]
    world.start()
    world.settle()
    return world


def test_a_look_at_one_that_runs():
    world = follow(other())
    assert world.output("t") == {**SHOWN, "status": "RUNNING"}
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "TERMINATED", "REVIEWED"])
def test_however_it_ended_the_tracker_completes(status):
    world = follow(other(status, a=1), waitForCompletion=True)
    assert world.output("t") == {**SHOWN, "status": status, "output": {"a": 1}}
    assert world.ended_as == "COMPLETED"


def test_waiting_looks_again_every_interval():
    world = follow(other(), waitForCompletion=True, intervalSeconds=3)
    for _ in range(2):
        passed(2_999)(world)
        assert world.status("t") == "RUNNING"
        passed(1)(world)
    world.others = [(0, change(other("COMPLETED"), output=b'{"x":1}'))]
    passed(2_999)(world)
    assert world.status("t") == "RUNNING"
    passed(1)(world)
    assert world.output("t")["output"] == {"x": 1}
    assert world.ended_as == "COMPLETED"
    assert not world.dues


def test_the_interval_is_ten_seconds_by_default():
    world = follow(other(), waitForCompletion=True)
    assert list(world.due_of("t").values()) == [10_000]


def test_one_that_is_about_to_begin():
    world = follow(other(), processId=78)
    assert world.status("t") == "RUNNING"
    world.others.append((0, change(other("COMPLETED"), id=78)))
    passed(1_000)(world)
    assert world.output("t")["processId"] == 78


def test_one_that_never_begins():
    world = follow(other(), processId=78)
    passed(1_000)(world)
    assert world.status("t") == "FAILED"
    assert world.output("t")["error"] == "there is no process 78"


@pytest.mark.parametrize(
    "input",
    [{"processId": None}, {"processId": "77"}, {"processId": 1.5}, {"processId": PROCESS},
     {"intervalSeconds": 0}, {"intervalSeconds": "1"}],
)  # fmt: skip
def test_what_it_refuses(input):
    world = follow(other(), **input)
    assert world.status("t") == "FAILED"
