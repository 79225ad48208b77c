"""The user's own variables: reserved keys in outputs. Spec section 5."""

import pytest

from tests.engine.play import (
    definition,
    done,
    failed,
    noop,
    parallel,
    play,
    policy,
    resumed,
    retrying,
    running,
    worker,
)

PAIR = definition(worker("a"), worker("b"))


@pytest.mark.parametrize(
    ("outputs", "state"),
    [
        ([{"__statePut": {"k": 1}}], {"k": 1}),
        ([{"__statePut": {"k": {"deep": 1}}}, {"__statePut": {"k": {"other": 2}}}], {"k": {"other": 2}}),
        ([{"__statePut": {"k": 1, "m": 2}}, {"__stateRemove": ["k", "absent"]}], {"m": 2}),
        ([{"__statePut": {"k": 1, "m": 2}}, {"__statePutRemove": ["k"]}], {"m": 2}),
        ([{"__statePut": {"k": 1}, "__stateRemove": ["k"]}], {}),
        ([{"__statePut": {}}, {"__stateRemove": []}], {}),
    ],
    ids=["put", "top level only", "remove", "its other name", "remove comes after put", "nothing"],
)
def test_put_and_remove(outputs, state):
    refs = ["a", "b"]
    world = play(PAIR, *(done(ref, x=1, **output) for ref, output in zip(refs, outputs, strict=False)))
    assert world.state == state
    assert world.output("a") == {"x": 1}


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"__statePut": 1}, "__statePut must be an object"),
        ({"__statePut": None}, "__statePut must be an object"),
        ({"__stateRemove": "k"}, "__stateRemove must be a list of keys"),
        ({"__stateRemove": [1]}, "__stateRemove must be a list of keys"),
        ({"__secretStatePut": {"k": 1}}, "in the output of a step that does work"),
        ({"__secretStateRemove": ["k"]}, "in the output of a step that does work"),
    ],
)
@pytest.mark.parametrize("move", [done, running])
def test_what_cannot_be_applied_fails_the_attempt(output, said, move):
    world = play(PAIR, move("a", **output))
    assert world.status("a") == "FAILED"
    assert said in world.output("a")["error"]
    assert world.state == {}


def test_the_last_writer_wins_between_branches():
    world = play(
        definition(parallel("p", worker("a"), worker("b"))),
        done("b", __statePut={"k": "b", "b": 1}),
        done("a", __statePut={"k": "a", "a": 1}),
    )
    assert world.state == {"k": "a", "a": 1, "b": 1}


def test_keep_running_applies_at_once():
    world = play(PAIR, running("a", 1_000, progress=1, __statePut={"k": 1}))
    assert world.state == {"k": 1}
    assert world.output("a") == {"progress": 1}


@pytest.mark.parametrize(
    ("optional", "retries", "failures", "state"),
    [(False, 0, 1, {}), (True, 0, 1, {"k": 1}), (True, 1, 1, {}), (True, 1, 2, {"k": 1}), (False, 1, 2, {})],
)
def test_a_failed_attempt_counts_only_if_it_is_the_last_of_an_optional_step(
    optional, retries, failures, state
):
    story = definition(worker("a", optional=optional, policy="p"), worker("b"))
    policies = [policy("p", failure=retrying(retries, retryInterval=0))]
    world = play(story, *[failed("a", __statePut={"k": 1})] * failures, policies=policies)
    assert world.state == state
    output = world.output("a") or {"error": "broken"}
    assert output == {"error": "broken"}


def test_a_failed_optional_attempt_with_a_wrong_key_goes_on_with_a_warning():
    world = play(definition(worker("a", optional=True), noop("b")), failed("a", __statePut=1))
    assert (world.status("a"), world.status("b"), world.state) == ("FAILED", "COMPLETED", {})
    assert world.step("a").warning == "__statePut must be an object"


def test_a_resume_keeps_the_state():
    world = play(PAIR, done("a", __statePut={"k": 1}), failed("b"), resumed)
    assert world.state == {"k": 1}
