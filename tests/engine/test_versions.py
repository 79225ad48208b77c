"""Resume with another version: ids stay where they are, what is new runs, what cannot be kept is refused."""

from typing import Any

import pytest

from stepwell.definition.compile import build_plan
from stepwell.definition.plan import Plan
from stepwell.definition.renumber import follow, keep_numbers
from stepwell.engine.effects import Refusal, Reply
from stepwell.engine.events import ResumeRequested, TerminateRequested
from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.errors import Conflict
from tests.engine.play import (
    PROCESS,
    Move,
    World,
    claimed,
    definition,
    done,
    everything_done,
    failed,
    foreach,
    noop,
    parallel,
    passed,
    play,
    policy,
    resumed,
    retrying,
    sequence,
    terminated,
)
from tests.engine.play import step as written_step

COLD = pytest.mark.parametrize("cold", [False, True])


def step(
    type: str, ref: str, *children: dict[str, Any], policy: str | None = None, **given: Any
) -> dict[str, Any]:
    """With its input as keywords."""
    return written_step(type, ref, *children, input=given, **({"policy": policy} if policy else {}))


def worker(ref: str, **given: Any) -> dict[str, Any]:
    return step("WORKER", ref, **given)


def compiled(id: int, written: dict[str, Any]) -> Plan:
    return build_plan(id, decode_as(encode(written), ProcessDefinition))


def asked(world: World, written: dict[str, Any]) -> Reply:
    """Resume with that definition, as the shell does."""
    process, before = world.now_process, world.plan
    numbering = (*process.numbering, process.definition_id)
    new = compiled(numbering[-1] + 1, written)
    world.plan = keep_numbers(new, before)
    event = ResumeRequested(follow=0, definition_id=new.id, version=new.id, numbering=numbering)
    reply = world.take(event)
    if world.now_process.definition_id != new.id:
        world.plan = before
    world.settle()
    return reply


def resumed_with(*steps: dict[str, Any], **fields: Any) -> Move:
    def move(world: World) -> None:
        assert asked(world, definition(*steps, **fields)) is None

    return move


def refused(world: World, *steps: dict[str, Any]) -> str:
    reply = asked(world, definition(*steps))
    assert isinstance(reply, Refusal)
    assert world.ended_as == "FAILED"
    return reply.message


# -- what changes


@COLD
def test_a_changed_input_is_what_the_step_gets(cold):
    world = play(
        definition(worker("a", n=1), worker("b", wrong=True)),
        done("a", x=5),
        failed("b"),
        resumed_with(worker("a", n=2), worker("b", right="{{ steps.a.output.x }}")),
        cold=cold,
    )
    assert (world.input("a"), world.input("b")) == ({"n": 1}, {"right": 5})
    assert (world.step("a").execution, world.step("b").execution) == (1, 2)
    process = world.now_process
    assert (process.definition_id, process.version, process.numbering) == (2, 2, (1,))
    done("b", y=1)(world)
    assert (world.ended_as, world.process_output) == ("COMPLETED", {"y": 1})


@COLD
def test_an_inserted_step_runs_before_the_one_that_failed(cold):
    world = play(
        definition(worker("a"), worker("b")),
        done("a"),
        failed("b"),
        resumed_with(worker("first"), worker("a"), worker("between"), worker("b")),
        cold=cold,
    )
    assert world.statuses() == {"a": "COMPLETED", "b": "FAILED", "first": "SCHEDULED"}
    ids = {ref: world.step(ref).id - PROCESS for ref in ("a", "b", "first")}
    assert ids == {"a": 1, "b": 2, "first": 3}
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert world.step("between").id == PROCESS + 4


@COLD
def test_a_removed_step_stays_on_record_and_stops_nothing(cold):
    world = play(
        definition(sequence("l", worker("a"), worker("b")), worker("c")),
        done("a"),
        failed("b"),
        resumed_with(sequence("l", worker("a")), worker("c"), worker("d")),
        cold=cold,
    )
    assert world.statuses() == {"l": "COMPLETED", "a": "COMPLETED", "b": "FAILED", "c": "SCHEDULED"}
    assert world.plan.steps["b"].removed
    done("c")(world)
    assert world.step("d").id == PROCESS + 5
    assert world.output("l") == {}


def test_a_step_that_comes_back_has_its_old_record():
    first = definition(worker("a"), worker("b"))
    world = play(first, done("a"), failed("b"), resumed_with(worker("a"), worker("c")), failed("c"))
    assert asked(world, first) is None
    assert world.statuses() == {"a": "COMPLETED", "b": "SCHEDULED", "c": "FAILED"}
    assert world.step("b").execution == 2
    assert world.now_process.numbering == (1, 2)


def test_steps_may_change_their_order():
    world = play(
        definition(worker("a"), worker("b"), worker("c")),
        done("a"),
        failed("b"),
        resumed_with(worker("c"), worker("b"), worker("a")),
    )
    assert world.statuses() == {"a": "COMPLETED", "b": "FAILED", "c": "SCHEDULED"}
    done("c")(world)
    done("b")(world)
    assert world.ended_as == "COMPLETED"
    assert world.step("a").execution == 1


def test_what_has_not_begun_may_go_anywhere():
    world = play(
        definition(worker("a"), parallel("p", worker("b")), foreach("f", [1, 2], worker("i"))),
        failed("a"),
        resumed_with(
            worker("a"), foreach("f", [1, 2, 3], sequence("l", noop("b"), worker("i"))), worker("p")
        ),
    )
    everything_done(world)
    assert world.ended_as == "COMPLETED"
    assert len(world.rows) == 12 and world.status("b[2]") == "COMPLETED"


def test_another_type_of_work_and_another_policy():
    retries = policy("r", failure=retrying(1, retryInterval=10))
    world = play(
        definition(step("WAIT", "w", forSignal="never", timeoutMs=5)),
        passed(5),
        resumed_with(worker("w", policy="r", n=1)),
        failed("w"),
        passed(10),
        policies=[retries],
    )
    assert (world.status("w"), world.input("w"), world.step("w").execution) == ("SCHEDULED", {"n": 1}, 3)


@COLD
def test_inside_a_foreach_that_has_begun_inputs_may_change(cold):
    loop = foreach("f", [1, 2], sequence("l", worker("a"), worker("b", v="{{ foreach.value }}")), 2)
    fixed = foreach("f", [7], sequence("l", worker("b", w="{{ foreach.value }}"), worker("a")), 2)
    world = play(definition(loop), done("a[0]"), done("a[1]"), done("b[1]"), failed("b[0]"), cold=cold)
    ids = {row.ref: row.id for row in world.rows.values()}
    resumed_with(fixed, worker("after"))(world)
    assert {row.ref: row.id for row in world.rows.values()} == ids
    assert (world.input("b[0]"), world.input("b[1]")) == ({"w": 1}, {"v": 2})
    everything_done(world)
    assert world.ended_as == "COMPLETED"


def test_the_input_of_a_foreach_that_never_began_may_be_repaired():
    world = play(
        definition(foreach("f", "no list", worker("a"))),
        resumed_with(foreach("f", [1], sequence("l", worker("a")))),
    )
    assert world.status("a[0]") == "SCHEDULED"


def test_a_switch_chooses_again_when_its_branch_is_gone():
    def switch(*children: dict[str, Any]) -> dict[str, Any]:
        mapping = [{"value": "x", "targetRef": children[0]["ref"]}]
        return step("SWITCH", "s", *children, value="x", responseMapping=mapping)

    world = play(definition(switch(worker("a"))), failed("a"), resumed_with(switch(worker("b"))))
    assert world.status("b") == "SCHEDULED"
    done("b")(world)
    assert (world.ended_as, world.status("a")) == ("COMPLETED", "FAILED")


def test_a_later_plain_resume_keeps_the_version():
    world = play(
        definition(worker("a", n=1)),
        failed("a"),
        resumed_with(worker("a", n=2)),
        failed("a"),
        resumed,
    )
    assert (world.now_process.definition_id, world.input("a")) == (2, {"n": 2})


def test_the_time_limit_is_that_of_the_new_version():
    world = play(
        definition(worker("a")),
        failed("a"),
        resumed_with(worker("a"), configuration={"completionTimeout": 70}),
        passed(70),
    )
    assert world.ended_as == "TIMED_OUT"


# -- what is refused


@pytest.mark.parametrize(
    ("before", "moves", "after", "message"),
    [
        (
            [sequence("l", worker("a")), worker("b")],
            [done("a"), failed("b")],
            [worker("a"), worker("b")],
            "a stands inside another step",
        ),
        (
            [worker("a"), worker("b")],
            [done("a"), failed("b")],
            [sequence("l", worker("a")), worker("b")],
            "a stands inside another step",
        ),
        (
            [worker("a")],
            [failed("a")],
            [foreach("f", [1], worker("a"))],
            "a stands inside another step",
        ),
        (
            [foreach("f", [1], worker("a"))],
            [failed("a[0]")],
            [worker("a")],
            "a stands inside another step",
        ),
        (
            [sequence("l", worker("a"))],
            [failed("a")],
            [parallel("l", worker("a"))],
            "l is PARALLEL and was LIST",
        ),
        ([worker("a")], [failed("a")], [sequence("a", noop("x"))], "a is LIST and was WORKER"),
        (
            [foreach("f", [1], sequence("l", worker("a")))],
            [failed("a[0]")],
            [foreach("f", [1], sequence("l", worker("a"), noop("more")))],
            "the steps inside f are others",
        ),
        (
            [foreach("f", [1], sequence("l", worker("a"), noop("less")))],
            [failed("a[0]")],
            [foreach("f", [1], sequence("l", worker("a")))],
            "the steps inside f are others",
        ),
        (
            [step("FLOW_GATEWAY", "g", rules=[{"condition": True, "targetRef": "b"}]), worker("b")],
            [failed("b")],
            [noop("x"), step("FLOW_GATEWAY", "g"), worker("b")],
            "the steps around the gateway g are others",
        ),
    ],
)
@COLD
def test_what_has_begun_cannot_move(before, moves, after, message, cold):
    world = World(definition(*before), cold=cold).start()
    world.settle()
    for move in moves:
        move(world)
        world.settle()
    rows, process = dict(world.rows), world.process
    assert message in refused(world, *after)
    assert (world.rows, world.process) == (rows, process)
    resumed(world)
    assert world.ended_as == "RUNNING"


def test_new_steps_need_ids_that_the_process_has():
    many = [worker(f"n{number}") for number in range(63)]
    first = compiled(1, definition(worker("a")))
    assert keep_numbers(compiled(2, definition(worker("a"), *many[:62])), first).size == 64
    with pytest.raises(Conflict, match="ids for 62 more steps, this version brings 63"):
        keep_numbers(compiled(2, definition(worker("a"), *many)), first)
    replaced = keep_numbers(compiled(2, definition(*many[:40])), first)
    with pytest.raises(Conflict, match="22 more steps"):
        keep_numbers(compiled(3, definition(*many[40:], worker("a"))), replaced)


def test_only_one_that_ended_badly_takes_another_version():
    world = play(definition(worker("a")), claimed("a"))
    reply = asked(world, definition(worker("a"), worker("b")))
    assert isinstance(reply, Refusal) and "cannot be resumed" in reply.message
    assert world.now_process.definition_id == 1


def test_a_resume_that_comes_too_early_changes_nothing():
    world = play(definition(foreach("f", list(range(600)), worker("i"), 600)))
    world.take(TerminateRequested())
    reply = asked(world, definition(foreach("f", [1], worker("i", n=2))))
    assert isinstance(reply, Refusal) and "still being cancelled" in reply.message
    assert (world.now_process.definition_id, world.now_process.numbering) == (1, ())


def test_what_an_old_version_did_is_undone_by_it():
    undoable = {**worker("a"), "compensate": {"type": "WORKER", "name": "u"}}
    world = play(
        definition(undoable, worker("b")),
        done("a"),
        terminated(),
        resumed_with(worker("c"), worker("d")),
    )
    done("c")(world)
    failed("d")(world)
    world.settle()
    assert (world.ended_as, [each.ref for each in world.ready()]) == ("RUNNING", ["a~undo"])
    everything_done(world)
    assert world.ended_as == "FAILED"


# -- numbers


def test_numbers_are_the_same_whenever_they_are_made():
    versions = [
        compiled(1, definition(worker("a"), foreach("f", [1], sequence("l", worker("i"))), worker("b"))),
        compiled(2, definition(worker("c"), foreach("f", [1], worker("i")), worker("a"))),
        compiled(3, definition(worker("b"), foreach("f", [1], sequence("l", worker("i"), noop("j"))))),
    ]
    plan = follow(versions)
    assert plan == follow(versions)
    static = {ref: each.number for ref, each in plan.steps.items() if not each.loops}
    assert static == {"a": 1, "f": 2, "b": 3, "c": 4}
    assert {ref: plan.steps[ref].number for ref in ("l", "i", "j")} == {"l": 0, "i": 1, "j": 2}
    assert (plan.steps["f"].iteration_size, plan.size) == (3, 5)
    assert [ref for ref, each in plan.steps.items() if each.removed] == ["c", "a"]
