"""DEPENDSON: waits for other processes and their steps."""

import pytest

from stepwell.engine.effects import KnownProcess
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepStatus
from tests.engine.play import START, World, definition, passed, step

DAY_MS = 86_400_000
BOTH = "PROCESS('load', 'COMPLETED') AND STEP('bill', 'post[2]', 'COMPLETED')"


def known(name, status="COMPLETED", id=70, namespace="default", **steps):
    return KnownProcess(
        id=id,
        namespace=namespace,
        name=name,
        version=1,
        status=ProcessStatus(status),
        steps={ref: StepStatus(word) for ref, word in steps.items()},
    )


def waiting(statement, *others, at=START + 2 * DAY_MS, **input):
    written = step("DEPENDSON", "d", input={"dependsOnStatement": statement, **input})
    world = World(definition(written))
    world.now = at
    world.others = [(at, other) for other in others]
    world.start()
    world.settle()
    return world


def test_what_holds_already_completes_at_once():
    world = waiting(BOTH, known("load"), known("bill", "RUNNING", **{"post[2]": "COMPLETED"}))
    assert world.ended_as == "COMPLETED"
    assert world.output("d") == {
        "terms": [
            {"process": "load", "step": None, "status": "COMPLETED", "processId": 70, "is": "COMPLETED",
             "holds": True},
            {"process": "bill", "step": "post[2]", "status": "COMPLETED", "processId": 70, "is": "COMPLETED",
             "holds": True},
        ]
    }  # fmt: skip
    assert world.rounds == [1]


def test_what_does_not_is_looked_at_again():
    world = waiting(BOTH, known("load"), intervalSeconds=60)
    assert [term["holds"] for term in world.output("d")["terms"]] == [True, False]
    assert list(world.due_of("d").values()) == [60_000]
    passed(60_000)(world)
    assert world.status("d") == "RUNNING"
    world.others.append((world.now, known("bill", **{"post[2]": "FAILED"})))
    passed(60_000)(world)
    assert world.output("d")["terms"][1]["is"] == "FAILED"
    world.others.append((world.now, known("bill", id=71, **{"post[2]": "COMPLETED"})))
    passed(60_000)(world)
    assert world.ended_as == "COMPLETED"
    assert not world.dues


def test_the_interval_is_ten_seconds_by_default():
    assert list(waiting("PROCESS('a', 'FAILED')").due_of("d").values()) == [10_000]


@pytest.mark.parametrize(
    ("window", "age", "holds"),
    [(None, DAY_MS, True), (None, DAY_MS + 1, False), (60, 60_000, True), (60, 60_001, False)],
)
def test_the_window(window, age, holds):
    world = waiting("PROCESS('a', 'COMPLETED')", at=START + 2 * DAY_MS, windowSeconds=window)
    world.others = [(world.now - age + 10_000, known("a"))]
    passed(10_000)(world)
    assert (world.ended_as == "COMPLETED") is holds


def test_only_the_newest_run_counts():
    world = waiting("PROCESS('a', 'COMPLETED')", known("a", id=5), known("a", "RUNNING", id=9))
    assert world.status("d") == "RUNNING"


def test_only_this_namespace_counts():
    assert waiting("PROCESS('a', 'COMPLETED')", known("a", namespace="other")).status("d") == "RUNNING"


@pytest.mark.parametrize(
    "input",
    [
        {"statement": None},
        {"statement": " "},
        {"statement": 3},
        {"statement": "PROCESS('a')"},
        {"statement": "PROCESS('a', 'GONE')"},
        {"intervalSeconds": 0},
        {"intervalSeconds": 1.5},
        {"windowSeconds": -1},
    ],
)
def test_what_it_refuses(input):
    world = waiting(**{"statement": "PROCESS('a', 'COMPLETED')", **input})
    assert world.status("d") == "FAILED"
    assert "error" in world.output("d")
