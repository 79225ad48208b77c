"""Variables and secrets as the engine sees them: the values of the former, only the existence of the latter."""

import pytest

from stepwell.engine.events import StepReported
from stepwell.model.codec import decode, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.secret import SealedChange, decode_places
from stepwell.model.work import WorkStatus
from tests.engine.play import (
    START,
    World,
    definition,
    done,
    failed,
    noop,
    parallel,
    passed,
    policy,
    resumed,
    retrying,
    worker,
)


def entry(kind, name, body="x", namespace="default", **more):
    return Entry(kind=EntryKind(kind), namespace=namespace, name=name, body=encode(body), **more)


def play(written, *moves, entries=(), cold=False, policies=(), **start):
    world = World(written, policies=policies, cold=cold)
    world.entries = list(entries)
    world.start(**start)
    for move in moves:
        move(world)
    return world


def sealed(ref, status="COMPLETED", put=None, remove=()):
    def report(world):
        step = world.take_one(ref)
        world.take(
            StepReported(
                step_id=step.id,
                token=step.hand_out.token,
                status=WorkStatus(status),
                output=b"{}",
                sealed=SealedChange(put or {}, tuple(remove)),
            )
        )

    return report


def gone(name):
    def remove(world):
        world.entries = [each for each in world.entries if each.name != name]

    return remove


USES = definition(worker("a", input={"s": "{{ secrets.s }}", "t": "<{{ secrets.t }}>"}))
BOTH = (entry("SECRET", "s"), entry("SECRET", "t"))


@pytest.mark.parametrize("cold", [False, True])
def test_the_input_holds_masks_and_the_step_knows_where(cold):
    world = play(USES, entries=BOTH, cold=cold)
    assert world.input("a") == {"s": "***", "t": "<***>"}
    assert [(p.path, p.at, p.name) for p in decode_places(world.step("a").secrets)] == [
        (("s",), None, "s"),
        (("t",), 1, "t"),
    ]


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        ((), "s"),
        ((entry("SECRET", "s"),), "t"),
        ((entry("SECRET", "t"),), "s"),
        ((entry("SECRET", "s"), entry("VARIABLE", "t")), "t"),
        ((entry("SECRET", "s"), entry("SECRET", "t", namespace="other")), "t"),
        ((entry("SECRET", "s"), entry("SECRET", "t", expires=START)), "t"),
    ],
)
def test_one_that_is_missing_fails_the_step_before_it_is_offered(entries, missing):
    world = play(USES, entries=entries)
    assert (world.status("a"), world.ended_as) == ("FAILED", "FAILED")
    assert world.output("a") == {"error": f"there is no secret '{missing}'"}
    assert world.step("a").hand_out.runs == 0 and not world.dues


def test_the_own_namespace_and_the_default_one():
    for namespace in ("here", "default"):
        world = play(USES, entries=(*BOTH[:1], entry("SECRET", "t", namespace=namespace)), namespace="here")
        assert world.status("a") == "SCHEDULED"


def test_one_that_is_gone_at_a_retry_or_a_resume():
    retries = definition(worker("a", input={"s": "{{ secrets.s }}"}, configuration={"errorPolicyName": "p"}))
    policies = [policy("p", failure=retrying(5))]
    world = play(retries, gone("s"), failed("a"), passed(600_000), entries=BOTH, policies=policies)
    assert world.output("a") == {"error": "there is no secret 's'"}
    assert len(world.earlier("a")) == 1
    world.entries = list(BOTH)
    resumed(world)
    assert world.status("a") == "SCHEDULED" and world.input("a") == {"s": "***"}


def test_an_optional_step_that_lacks_one_is_passed_over():
    world = play(definition(worker("a", input={"s": "{{ secrets.s }}"}, optional=True), noop("b", x=1)))
    assert (world.status("a"), world.ended_as, world.process_output) == ("FAILED", "COMPLETED", {"x": 1})


def test_other_steps_see_the_mask():
    written = definition(worker("a", input={"s": "{{ secrets.s }}"}), noop("b", seen="{{ steps.a.input }}"))
    world = play(written, done("a"), entries=BOTH)
    assert world.process_output == {"seen": {"s": "***"}}
    assert world.step("b").secrets == b""


@pytest.mark.parametrize("cold", [False, True])
def test_variables_are_asked_for_at_once(cold):
    steps = [noop(f"n{n}", v=f"{{{{ variables.v{n} }}}}") for n in range(50)]
    entries = [entry("VARIABLE", f"v{n}", n) for n in range(50)]
    world = play(definition(parallel("p", *steps[:25]), *steps[25:]), entries=entries, cold=cold)
    assert world.process_output == {"v": 49}
    assert max(world.rounds) <= 8


def test_the_secret_state():
    written = definition(
        worker("a"), worker("b", input={"k": "{{ secretState.k }}", "no": "x{{ context.secretState.no.y }}"})
    )
    world = play(written, sealed("a", put={"k": "c1", "j": "c2"}))
    assert decode(world.process.secret_state) == {"j": "c2", "k": "c1"}
    assert world.input("b") == {"k": "***", "no": "x***"}
    assert world.step("b").warning == "nothing found for context.secretState.no.y"
    sealed("b", put={"k": "c3"}, remove=["j", "absent"])(world)
    assert decode(world.process.secret_state) == {"k": "c3"}
    assert world.state == {}


def test_the_secret_state_that_is_empty_is_nothing():
    assert (
        play(definition(worker("a")), sealed("a", put={"k": "c"}, remove=["k"])).process.secret_state == b""
    )


@pytest.mark.parametrize(
    ("status", "optional", "kept"),
    [("COMPLETED", False, True), ("RUNNING", False, True), ("FAILED", False, False), ("FAILED", True, True)],
)
def test_when_it_applies(status, optional, kept):
    world = play(definition(worker("a", optional=optional)), sealed("a", status, put={"k": "c"}))
    assert bool(world.process.secret_state) is kept
