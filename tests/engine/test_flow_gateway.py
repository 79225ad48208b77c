"""FLOW_GATEWAY: where its sequence goes on."""

import pytest

from stepwell.model.codec import decode
from tests.engine.play import (
    answered,
    definition,
    done,
    everything_done,
    fail,
    failed,
    foreach,
    noop,
    parallel,
    play,
    resumed,
    sequence,
    step,
    worker,
)

SCRIPT = "(steps, context) => true"


def gateway(*rules, ref="g", **input):
    written = [{"condition": condition, "targetRef": target} for condition, target in rules]
    return step("FLOW_GATEWAY", ref, input={"rules": written, **input})


def test_no_rule_holds_and_the_next_step_follows():
    world = play(definition(noop("a"), gateway((False, "a")), noop("b")))
    assert world.statuses() == {"a": "COMPLETED", "g": "COMPLETED", "b": "COMPLETED"}
    assert world.output("g") == {"target": None, "logs": []}


def test_the_first_rule_that_holds_decides():
    world = play(
        definition(
            gateway((False, "c"), (True, "b"), (True, "c"), defaultTargetRef="c"), noop("b"), noop("c")
        )
    )
    assert world.output("g")["target"] == "b"


def test_scripts_are_evaluated_once_for_all_rules():
    story = definition(noop("a"), gateway((SCRIPT, "c"), (SCRIPT, "d")), noop("b"), noop("c"), noop("d"))
    world = play(story, answered("g", 1, "hm"))
    assert world.output("g") == {"target": "d", "logs": ["hm"]}
    assert world.statuses() == {
        "a": "COMPLETED",
        "g": "COMPLETED",
        "b": "SKIPPED",
        "c": "SKIPPED",
        "d": "COMPLETED",
    }


@pytest.mark.parametrize(("result", "target"), [(-1, "c"), (0, "b"), (0.0, "b")])
def test_the_default_target(result, target):
    story = definition(gateway((SCRIPT, "b"), defaultTargetRef="c"), noop("b"), noop("c"))
    assert play(story, answered("g", result)).output("g")["target"] == target


def test_a_template_can_be_the_condition():
    story = definition(gateway(("{{ input.ok }}", "c")), noop("b"), noop("c"))
    assert play(story, input={"ok": True}).status("b") == "SKIPPED"
    assert play(story, input={"ok": False}).status("b") == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_jump_back_runs_the_steps_from_there_again(cold):
    story = definition(
        worker("first"),
        worker("ask"),
        sequence("l", worker("check"), noop("seen", x="{{ steps.ask.output.ok }}")),
        gateway((SCRIPT, "ask")),
        worker("last"),
    )
    world = play(
        story,
        done("first"),
        done("ask", ok=1),
        done("check", n=1),
        answered("g", 0),
        cold=cold,
    )
    assert world.status("ask") == "SCHEDULED"
    assert world.step("ask").execution == 2
    # Until they begin again, the others show what they said in the pass before.
    assert world.output("check") == {"n": 1}
    for move in (done("ask", ok=2), done("check", n=2), answered("g", -1), done("last", z=1)):
        move(world)
        world.settle()
    assert world.ended_as == "COMPLETED"
    executions = {
        ref: world.step(ref).execution for ref in ("first", "ask", "l", "check", "seen", "g", "last")
    }
    assert executions == {"first": 1, "ask": 2, "l": 2, "check": 2, "seen": 2, "g": 2, "last": 1}
    assert world.output("seen") == {"x": 2}
    assert [len(world.earlier(ref)) for ref in ("ask", "check", "g")] == [1, 1, 1]
    assert world.process_output == {"z": 1}


def test_a_pass_in_the_same_decision_reads_its_own_input():
    story = definition(
        noop("n", was="{{ state.x }}", __statePut={"x": 1}),
        fail("f", input={"message": "it was {{ steps.n.output.was }}"}, optional=True),
        gateway(defaultTargetRef="n", maxExecutions=2),
    )
    world = play(story)
    assert [decode(kept.output)["error"] for kept in world.earlier("f")] == ["it was "]
    assert world.output("f") == {"error": "it was 1"}


def test_a_jump_back_inside_of_a_list():
    story = definition(sequence("l", worker("a"), gateway((SCRIPT, "a")), noop("b")), noop("z"))
    world = play(story, done("a"), answered("g", 0), done("a"), answered("g", -1))
    assert world.ended_as == "COMPLETED"
    assert (world.step("a").execution, world.step("b").execution) == (2, 1)


def test_a_jump_back_over_what_was_skipped_and_forward_over_what_has_run():
    story = definition(
        worker("a"), gateway((SCRIPT, "c"), ref="g"), noop("b"), worker("c"), gateway((SCRIPT, "a"), ref="h")
    )
    world = play(
        story,
        done("a"), answered("g", -1), done("c"), answered("h", 0),
        done("a"), answered("g", 0), done("c"), answered("h", 0),
        done("a"), answered("g", -1), done("c"), answered("h", -1),
    )  # fmt: skip
    assert world.ended_as == "COMPLETED"
    assert set(world.statuses().values()) == {"COMPLETED"}
    assert [world.step(ref).execution for ref in ("a", "g", "b", "c", "h")] == [3, 3, 3, 3, 3]


def test_skipped_in_a_later_pass():
    story = definition(
        worker("a"), gateway((SCRIPT, "c"), ref="g"), noop("b"), gateway((SCRIPT, "a"), ref="c")
    )
    world = play(story, done("a"), answered("g", -1), answered("c", 0), done("a"), answered("g", 0))
    assert (world.status("b"), world.step("b").execution) == ("SKIPPED", 2)
    answered("c", -1)(world)
    assert world.ended_as == "COMPLETED"


def test_exit_ends_the_process_well():
    story = definition(
        parallel("p", worker("w"), sequence("l", noop("a"), gateway((True, "EXIT")), noop("b"))), noop("z")
    )
    world = play(story)
    assert world.ended_as == "COMPLETED"
    assert world.statuses() == {
        "p": "CANCELLED",
        "w": "CANCELLED",
        "l": "CANCELLED",
        "a": "COMPLETED",
        "g": "COMPLETED",
        "b": "SKIPPED",
    }


def test_without_scripts_a_circle_ends_by_its_bound():
    world = play(definition(noop("a"), gateway((True, "a"), maxExecutions=500)))
    assert world.ended_as == "FAILED"
    assert "500" in world.process_output["error"]
    assert world.step("a").execution == 500
    assert len(world.decisions) > 3, "a decision does not run a circle to its end"


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (definition(gateway((True, "nobody"))), "nobody"),
        (definition(gateway((True, "g"))), "'g'"),
        (definition(noop("a"), sequence("l", gateway((True, "a")))), "'a'"),
        (definition(parallel("p", noop("a"), gateway((True, "a")))), "'a'"),
        (definition(step("FLOW_GATEWAY", "g", input={"rules": [{"targetRef": "g"}]})), "rules"),
        (definition(step("FLOW_GATEWAY", "g", input={"rules": 7})), "rules"),
        (definition(noop("a"), gateway(("{{ input.none }}", "a"))), "rules"),
    ],
)
def test_what_it_refuses(story, said):
    world = play(story)
    assert world.status("g") == "FAILED"
    assert said in world.output("g")["error"]


@pytest.mark.parametrize("result", [None, "b", 2, True, 0.5, -2])
def test_an_answer_that_is_no_rule(result):
    world = play(
        definition(gateway((SCRIPT, "b"), (SCRIPT, "c")), noop("b"), noop("c")), answered("g", result)
    )
    assert world.status("g") == "FAILED"


def test_a_script_that_fails():
    world = play(definition(noop("a"), gateway((SCRIPT, "a"))), failed("g", "x is not defined"))
    assert world.status("g") == "FAILED"
    assert world.process_output["error"] == "x is not defined"


@pytest.mark.parametrize("cold", [False, True])
def test_a_resume_in_the_second_pass(cold):
    story = definition(worker("a"), worker("b"), gateway((SCRIPT, "a")), noop("z"))
    world = play(
        story, done("a"), done("b"), answered("g", 0), done("a", pass_=2), failed("b"), resumed, cold=cold
    )
    assert world.statuses() == {"a": "COMPLETED", "b": "SCHEDULED", "g": "COMPLETED"}
    assert (world.step("a").execution, world.step("b").execution) == (2, 3)
    for move in (done("b"), answered("g", -1)):
        move(world)
        world.settle()
    assert world.ended_as == "COMPLETED"
    assert world.step("g").execution == 2


def test_a_resume_behind_a_jump_forward():
    story = definition(gateway((True, "c")), fail("b"), worker("c"))
    world = play(story, failed("c"), resumed)
    assert world.statuses() == {"g": "COMPLETED", "b": "SKIPPED", "c": "SCHEDULED"}


@pytest.mark.parametrize("cold", [False, True])
def test_in_every_iteration_for_itself(cold):
    child = sequence("l", worker("w"), gateway((SCRIPT, "w")), noop("n"))
    world = play(definition(foreach("f", [1, 2], child, 2)), done("w[0]"), done("w[1]"), answered("g[1]", 0),
                 answered("g[0]", -1), cold=cold)  # fmt: skip
    assert world.status("n[0]") == "COMPLETED"
    assert world.status("w[1]") == "SCHEDULED"
    done("w[1]")(world)
    answered("g[1]", -1)(world)
    world.settle()
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_long_pass_takes_few_rounds(cold):
    many = [noop(f"n{number}", x="{{ steps.w.output.x }}") for number in range(30)]
    world = play(definition(worker("w"), sequence("l", *many), gateway((SCRIPT, "w"))), cold=cold)
    for result in (0, 0, -1):
        done("w", x=result)(world)
        answered("g", result)(world)
        world.settle()
    assert world.ended_as == "COMPLETED"
    assert world.step("n29").execution == 3
    assert max(world.rounds) <= 7
    everything_done(world)
