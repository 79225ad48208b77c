"""Terminate, resume, review: what each return does to contexts, executions and the process. Spec 0.2."""

import pytest

from stepwell.engine.effects import Refusal
from stepwell.engine.events import ResumeRequested, ReviewRequested, TerminateRequested
from stepwell.engine.process import CLOSING_SLICE
from tests.engine.play import (
    PROCESS,
    START,
    World,
    claimed,
    definition,
    done,
    everything_done,
    exit,
    expired,
    fail,
    failed,
    foreach,
    noop,
    parallel,
    passed,
    play,
    policy,
    resumed,
    retrying,
    reviewed,
    running,
    sequence,
    terminated,
    worker,
)

POLICIES = [
    policy("retry", failure=retrying(3, retryInterval=100)),
    policy("late", completionTimeout={"duration": 50}),
]


def one(name: str | None = None) -> dict:
    return definition(worker("a", **({"policy": name} if name else {})))


# -- the table: what comes back, and as what


@pytest.mark.parametrize(
    ("moves", "execution", "runs", "kept", "output"),
    [
        ([passed(10), claimed("a")], 1, 1, [], {}),
        ([claimed("a"), failed("a", "1"), passed(100), claimed("a")], 2, 1, [b'{"error":"1"}'], {}),
        ([claimed("a"), expired("a"), claimed("a")], 1, 2, [], {}),
        ([running("a", n=1), claimed("a")], 1, 2, [], {"n": 1}),
        ([running("a", n=1), running("a", n=2), claimed("a")], 1, 3, [], {"n": 2}),
        (
            [running("a", n=1), failed("a", "2"), passed(100), claimed("a")],
            2,
            1,
            [b'{"error":"2"}'],
            {},
        ),
        ([claimed("a"), terminated(), resumed, claimed("a")], 2, 1, [b"{}"], {}),
        ([running("a", n=1), terminated(), resumed, claimed("a")], 2, 1, [b'{"n":1}'], {}),
    ],
    ids=[
        "first hand-out",
        "policy retry",
        "redelivery after expiry",
        "keep-running",
        "keep-running twice",
        "keep-running, then a retry",
        "resume of a cancelled leaf",
        "resume of one that had said something",
    ],
)
def test_each_return(moves, execution, runs, kept, output):
    world = play(one("retry"), *moves, policies=POLICIES)
    step = world.step("a")
    assert (step.id, step.status, step.shown_status) == (PROCESS + 1, "SCHEDULED", "RUNNING")
    assert (step.execution, step.hand_out.runs) == (execution, runs)
    assert [earlier.output for earlier in world.earlier("a")] == kept
    assert world.output("a") == output
    assert step.hand_out.first_start == (START + 10 if execution == runs == 1 else START)
    assert (world.now_process.id, world.ended_as) == (PROCESS, "RUNNING")


@pytest.mark.parametrize(
    ("name", "moves", "was"),
    [
        (None, [claimed("a"), failed("a")], "FAILED"),
        ("late", [claimed("a"), passed(50)], "TIMED_OUT"),
        (None, [claimed("a"), terminated()], "CANCELLED"),
    ],
)
@pytest.mark.parametrize("cold", [False, True])
def test_resume_of_a_leaf(name, moves, was, cold):
    world = play(one(name), *moves, policies=POLICIES, cold=cold)
    assert world.status("a") == was
    before = world.step("a")
    world.now += 1_000
    resumed(world)
    step = world.step("a")
    assert (step.id, step.execution, step.retries) == (before.id, 2, 0)
    assert (step.scheduled, step.schedule) == (world.now, world.now)
    assert step.hand_out.first_start == START
    assert (step.hand_out.runs, step.hand_out.start, step.hand_out.token) == (0, 0, 1)
    (earlier,) = world.earlier("a")
    assert (earlier.id, earlier.output, earlier.runs, earlier.start) == (1, before.output, 1, START)
    assert world.output("a") == {}
    process = world.now_process
    assert (process.id, process.status, process.ended, process.output) == (PROCESS, "RUNNING", 0, b"{}")


def test_resume_runs_containers_on_the_path_once_more():
    inner = parallel("p", noop("good"), worker("bad"))
    world = play(
        definition(sequence("l", foreach("f", [1, 2], inner, 2))), failed("bad[1]"), done("bad[0]"), resumed
    )
    assert {
        ref: (world.step(ref).execution, world.step(ref).container_runs) for ref in ("l", "f", "p[0]", "p[1]")
    } == {
        "l": (1, 2),
        "f": (1, 2),
        "p[0]": (1, 1),
        "p[1]": (1, 2),
    }
    assert {ref: world.step(ref).execution for ref in ("good[0]", "bad[0]", "good[1]", "bad[1]")} == {
        "good[0]": 1,
        "bad[0]": 1,
        "good[1]": 1,
        "bad[1]": 2,
    }
    everything_done(world)
    assert world.ended_as == "COMPLETED"


def test_resume_leaves_a_failed_optional_step():
    world = play(definition(worker("o", optional=True), worker("a")), failed("o"), failed("a"), resumed)
    assert world.statuses() == {"o": "FAILED", "a": "SCHEDULED"}


@pytest.mark.parametrize(
    ("moves", "allowed"),
    [
        ([], False),
        ([done("a")], False),
        ([failed("a")], True),
        ([passed(500)], True),
        ([terminated()], True),
        ([failed("a"), reviewed()], False),
        ([failed("a"), resumed], False),
    ],
    ids=["RUNNING", "COMPLETED", "FAILED", "TIMED_OUT", "TERMINATED", "REVIEWED", "resumed"],
)
@pytest.mark.parametrize("event", [ResumeRequested(), ReviewRequested(reason="seen")])
def test_from_which_status(moves, allowed, event):
    world = play(definition(worker("a"), configuration={"completionTimeout": 500}), *moves)
    before = (world.now_process, dict(world.rows), dict(world.dues))
    reply = world.take(event)
    assert (reply is None) is allowed
    if not allowed:
        assert isinstance(reply, Refusal)
        assert (reply.code, world.ended_as.value in reply.message) == ("CONFLICT", True)
        assert (world.now_process, dict(world.rows), dict(world.dues)) == before


def test_review():
    world = play(one(), failed("a"), reviewed("known"))
    assert (world.ended_as, world.now_process.reason) == ("REVIEWED", "known")
    assert world.process_output["error"] == "broken"
    assert world.statuses() == {"a": "FAILED"}


# -- terminate


def test_terminate():
    story = definition(
        parallel("p", worker("a"), worker("b"), worker("c"), foreach("f", [1], worker("d"))), noop("z")
    )
    world = play(story, done("a", x=1), running("b", n=1), claimed("c"), terminated("enough"))
    assert world.statuses() == {
        "p": "CANCELLED",
        "a": "COMPLETED",
        "b": "CANCELLED",
        "c": "CANCELLED",
        "f": "CANCELLED",
        "d[0]": "CANCELLED",
    }
    assert (world.ended_as, world.now_process.reason, world.process_output) == ("TERMINATED", "enough", {})
    assert world.output("b") == {"n": 1}
    assert world.ready() == []
    assert not any(step.hand_out.claim for step in world.rows.values())


@pytest.mark.parametrize("moves", [[done("a")], [failed("a")], [terminated()], [failed("a"), reviewed()]])
def test_only_a_running_process_can_be_terminated(moves):
    world = play(one(), *moves)
    reply = world.take(TerminateRequested(reason="x"))
    assert isinstance(reply, Refusal)


def test_terminate_while_a_retry_waits():
    world = play(one("retry"), failed("a"), terminated(), policies=POLICIES)
    assert (world.statuses(), world.dues) == ({"a": "CANCELLED"}, {})
    resumed(world)
    assert world.step("a").hand_out.ready is not None
    assert [earlier.output for earlier in world.earlier("a")] == [b'{"error":"broken"}', b"{}"]


# -- many open steps


def wide(count: int) -> World:
    return play(definition(foreach("f", list(range(count)), worker("c"), count)))


def test_a_resume_waits_until_the_old_steps_are_closed():
    world = wide(300)
    world.take(TerminateRequested(reason=""))
    reply = world.take(ResumeRequested())
    assert isinstance(reply, Refusal)
    assert "still being cancelled" in reply.message
    world.settle()
    assert world.take(ResumeRequested()) is None
    world.settle()
    everything_done(world)
    assert world.ended_as == "COMPLETED"


def test_the_last_closing_row_may_come_after_a_resume():
    """Exactly as many as one decision closes: a row is left that has nothing to do any more."""
    world = wide(CLOSING_SLICE - 1)
    world.take(TerminateRequested(reason=""))
    (due,) = world.dues.values()
    assert not any(step.status.is_open for step in world.rows.values())
    resumed(world)
    assert due not in world.dues.values()
    world.fire(due)
    everything_done(world)
    assert world.ended_as == "COMPLETED"


def test_steps_that_closed_in_the_same_decision_do_not_hide_others():
    """An EXIT ends the process while its own decision has just closed other steps."""
    quick = sequence("l", worker("w"), *(noop(f"n{number}") for number in range(20)), exit("e"))
    world = play(
        definition(parallel("p", quick, foreach("f", list(range(400)), worker("c"), 400))), done("w")
    )
    assert world.ended_as == "COMPLETED"
    assert not any(step.status.is_open for step in world.rows.values())


@pytest.mark.parametrize("cold", [False, True])
def test_resume_of_many_failed_branches(cold):
    branch = sequence("l", sequence("m", noop("n"), fail("x", input={"message": "{{ foreach.index }}"})))
    world = play(definition(foreach("f", list(range(40)), branch, 7)), cold=cold)
    assert world.output("f")["error"] == "0"
    resumed(world)
    world.settle()
    assert world.ended_as == "FAILED"
    assert {world.step(f"x[{n}]").execution for n in range(40)} == {2}
    assert max(world.rounds) < 16
