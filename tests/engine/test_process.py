"""The process: its output (spec 0.4), its time limit, its hooks."""

import pytest

from stepwell.model.due import DueKind
from stepwell.model.process import TriggerType
from tests.engine.play import (
    PROCESS,
    START,
    claimed,
    definition,
    done,
    fail,
    failed,
    noop,
    parallel,
    passed,
    play,
    resumed,
    sequence,
    terminated,
    worker,
)


def test_its_life():
    world = play(definition(worker("a"), worker("b")), input={"x": 1}, priority=3, request_id="r")
    process = world.now_process
    assert (process.id, process.status, process.created, process.updated) == (
        PROCESS,
        "RUNNING",
        START,
        START,
    )
    assert (process.priority, process.request_id, process.input, process.ended) == (3, "r", b'{"x":1}', 0)
    world.now += 10
    done("a")(world)
    assert (world.now_process.updated, world.now_process.step_count) == (START + 10, 2)
    world.now += 10
    done("b")(world)
    assert (world.ended_as, world.now_process.ended) == ("COMPLETED", START + 20)


def test_times_never_go_back():
    world = play(definition(worker("a"), worker("b")))
    world.now -= 5_000
    done("a")(world)
    assert (world.now_process.updated, world.step("b").scheduled) == (START, START)


def test_the_revision_rises_with_every_change():
    world = play(definition(worker("a"), worker("b")), done("a"))
    assert world.now_process.revision == 2
    stale = world.step("a")
    world.report(stale)
    assert world.now_process.revision == 2


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize(
    ("steps", "fields", "output"),
    [
        ([noop("a", x=1), noop("b", y=2)], {}, {"y": 2}),
        ([noop("a", x=1), fail("b", optional=True)], {}, {"x": 1}),
        ([noop("a", x=1), parallel("p", noop("b", y=2))], {}, {}),
        ([noop("a", x=1), sequence("l", noop("b", y=2))], {}, {"y": 2}),
        ([fail("a", optional=True)], {}, {}),
        ([], {}, {}),
        ([noop("a", x=1)], {"defaultOutput": {"x": 0, "z": 3}}, {"x": 1, "z": 3}),
        ([], {"defaultOutput": {"z": 3}}, {"z": 3}),
        ([noop("a", x=1)], {"outputMapping": {"m": "{{ steps.a.output.x }}"}}, {"m": 1}),
        ([noop("a", x=1)], {"outputMapping": {"m": 1}, "defaultOutput": {"z": 3}}, {"m": 1, "z": 3}),
        ([noop("a", x=None)], {"defaultOutput": {"x": 3}}, {"x": None}),
    ],
)
def test_output(steps, fields, output, cold):
    world = play(definition(*steps, **fields), cold=cold)
    assert (world.ended_as, world.process_output) == ("COMPLETED", output)


def test_the_last_in_definition_order_gives_the_output_whoever_ended_last():
    world = play(definition(noop("a", x=1), worker("b")), done("b", y=2))
    assert world.process_output == {"y": 2}


def test_a_failed_process_says_why():
    world = play(definition(noop("a"), worker("b"), noop("c")), failed("b", "broken"))
    assert world.ended_as == "FAILED"
    assert world.process_output == {
        "error": "broken",
        "failedStepRef": "b",
        "failedStepId": world.step("b").id,
    }


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"error": "plain"}, "plain"),
        ({"error": {"code": 1}}, '{"code":1}'),
        ({"error": None, "lastError": "later"}, "later"),
        ({"error": 0}, "0"),
        ({"error": None}, "step b ended FAILED"),
    ],
)
def test_where_the_reason_is_found(output, said):
    world = play(definition(worker("b")), failed("b", **output))
    assert world.process_output["error"] == said


# -- its time limit


def limited(ms, *steps, **hooks):
    return definition(*steps, configuration={"completionTimeout": ms, **hooks})


@pytest.mark.parametrize("ms", [0, None])
def test_no_limit(ms):
    world = play(limited(ms, worker("a")), passed(10**10))
    assert (world.ended_as, world.now_process.deadline) == ("RUNNING", 0)


def test_the_limit():
    world = play(
        limited(1_000, parallel("p", worker("a"), worker("b"))), done("a"), claimed("b"), passed(999)
    )
    assert world.ended_as == "RUNNING"
    passed(1)(world)
    assert world.ended_as == "TIMED_OUT"
    assert world.statuses() == {"p": "CANCELLED", "a": "COMPLETED", "b": "CANCELLED"}
    assert world.process_output == {"error": "not done within 1000 ms"}


def test_the_limit_starts_anew_with_a_resume():
    world = play(limited(1_000, worker("a")), passed(600), failed("a"), passed(600), resumed)
    assert world.now_process.deadline == world.now + 1_000
    assert world.due_of() == {DueKind.PROCESS_TIMEOUT: 1_000}
    passed(1_000)(world)
    assert world.ended_as == "TIMED_OUT"
    assert world.process_output == {"error": "not done within 1000 ms"}


@pytest.mark.parametrize("moves", [[], [done("a")], [failed("a")], [terminated()]])
def test_nothing_is_due_once_it_has_ended(moves):
    first = worker("a") if moves else noop("a")
    assert play(limited(1_000, first), *moves).dues == {}


def test_an_old_limit_does_not_end_a_resumed_process():
    """One turn took the row, decided a terminate and a resume, and then meets the row."""
    world = play(limited(1_000, worker("a")))
    (due,) = world.dues.values()
    world.now = due.at
    world.dues.clear()
    terminated()(world)
    resumed(world)
    world.fire(due)
    assert world.ended_as == "RUNNING"


# -- hooks

HOOKS = {
    "onCompleteProcess": {"name": "completed", "input": {"own": 1}},
    "onFailProcess": {"name": "failed", "namespace": "other"},
    "onTimeoutProcess": {"name": "late", "version": 3},
    "onCancelProcess": {"name": "cancelled"},
}


@pytest.mark.parametrize(
    ("moves", "name", "source"),
    [
        ([done("a", x=1)], "completed", {"status": "COMPLETED", "output": {"x": 1}}),
        ([failed("a", "no")], "failed", {"status": "FAILED", "error": "no"}),
        ([passed(1_000)], "late", {"status": "TIMED_OUT", "error": "not done within 1000 ms"}),
        ([terminated()], None, {}),
    ],
)
def test_hooks(moves, name, source):
    world = play(limited(1_000, worker("a"), **HOOKS), *moves, correlation_id="c")
    assert [body.request.name for body in world.started] == ([name] if name else [])
    for body in world.started:
        given = body.request.input["__source"]
        assert {**given, **source} == given
        assert (given["processId"], given["name"]) == (PROCESS, "story")
        assert body.request.correlation_id == "c"
        assert body.source_id == PROCESS
    if name == "completed":
        assert world.started[0].request.input["own"] == 1
    if name == "failed":
        assert world.started[0].request.namespace == "other"
    if name == "late":
        assert world.started[0].request.version == 3


def test_a_hook_runs_once_for_each_end():
    world = play(limited(1_000, worker("a"), **HOOKS), failed("a"), resumed, failed("a"), resumed, done("a"))
    assert [body.request.name for body in world.started] == ["failed", "failed", "completed"]


def test_a_hooks_process_runs_no_hooks():
    world = play(limited(1_000, worker("a"), **HOOKS), failed("a"), trigger=TriggerType.STEP)
    assert world.started == []
