"""WHILE: its children again and again."""

import pytest

from tests.engine.family import Family, sub
from tests.engine.play import (
    MAX_DELIVERIES,
    answered,
    claimed,
    definition,
    done,
    exit,
    expired,
    fail,
    failed,
    foreach,
    noop,
    parallel,
    passed,
    play,
    resumed,
    sequence,
    step,
    terminated,
    worker,
)

SCRIPT = "(steps, context) => !context.state.done"


def loop(*children, ref="w", **fields):
    input = {key: fields.pop(key) for key in ("maxIterations",) if key in fields}
    return step("WHILE", ref, *children, input={"script": SCRIPT, **input}, **fields)


STORY = definition(loop(worker("a"), worker("b")), noop("after"))


def yes(ref="w"):
    return answered(ref, True)


def no(ref="w"):
    return answered(ref, False)


def test_the_condition_comes_before_the_first_pass():
    world = play(STORY)
    assert world.statuses() == {"w": "RUNNING"}
    no()(world)
    assert world.statuses() == {"w": "COMPLETED", "after": "COMPLETED"}
    assert world.output("w") == {"passes": 0}
    assert world.step("w").execution == 1


@pytest.mark.parametrize("cold", [False, True])
def test_children_run_in_order_and_the_script_is_asked_again(cold):
    world = play(STORY, yes(), done("a"), cold=cold)
    assert world.statuses() == {"w": "RUNNING", "a": "COMPLETED", "b": "SCHEDULED"}
    done("b")(world)
    assert [step.ref for step in world.ready()] == ["w"]
    for move in (yes(), done("a"), done("b"), no()):
        move(world)
    assert world.output("w") == {"passes": 2}
    assert world.ended_as == "COMPLETED"


def test_a_pass_is_an_execution():
    world = play(STORY, yes(), passed(10), done("a", n=1), done("b", n=1), passed(10), yes())
    first, again = world.earlier("w"), world.step("w")
    assert [(kept.id, kept.runs, kept.output) for kept in first] == [(1, 1, b'{"passes":1}')]
    assert (again.execution, again.scheduled, again.hand_out.first_start) == (2, 1_000_010, 1_000_000)
    # The inner step keeps its context: id and start; its execution is new and belongs to the new pass.
    a = world.step("a")
    assert (a.execution, a.parent_execution_id, a.status, a.output) == (2, 2, "SCHEDULED", b"{}")
    assert a.hand_out.first_start == 1_000_010
    assert [(kept.id, kept.output) for kept in world.earlier("a")] == [(1, b'{"n":1}')]
    # The next one has not begun: what it said in the last pass can still be read.
    assert (world.step("b").execution, world.output("b")) == (1, {"n": 1})
    assert world.step("b").parent_execution_id == 1


def test_inner_templates_see_the_last_pass_until_a_step_begins_again():
    story = definition(loop(noop("n", last="{{ steps.b.output.n }}"), worker("b")))
    world = play(story, yes())
    assert world.output("n") == {"last": None}
    done("b", n=7)(world)
    yes()(world)
    assert world.output("n") == {"last": 7}
    assert world.input("n") == {"last": 7}
    assert world.output("b") == {}


def test_it_fails_when_it_is_still_true_after_all_passes():
    world = play(definition(loop(noop("n"), maxIterations=2)), yes(), yes(), yes())
    assert world.output("w") == {"error": "still true after 2 passes"}
    assert world.step("n").execution == 2
    assert world.ended_as == "FAILED"


def test_a_resume_after_all_passes_asks_again_and_runs_no_pass_of_its_own():
    world = play(definition(loop(noop("n"), maxIterations=1)), yes(), yes(), resumed)
    assert [step.ref for step in world.ready()] == ["w"]
    assert world.step("n").execution == 1
    no()(world)
    assert (world.output("w"), world.ended_as) == ({"passes": 1}, "COMPLETED")


def test_a_thousand_passes_by_default():
    world = play(definition(loop(noop("n"))), *[yes()] * 1_001)
    assert world.output("w") == {"error": "still true after 1000 passes"}
    assert world.step("n").execution == 1_000
    assert max(world.rounds) <= 2


@pytest.mark.parametrize("most", [0, -1, "2", True, 1.5, [], {}])
def test_passes_that_cannot_be_counted(most):
    world = play(definition(loop(noop("n"), maxIterations=most)), resumed)
    assert "maxIterations must be a whole number from 1" in world.output("w")["error"]
    assert world.statuses() == {"w": "FAILED"}


@pytest.mark.parametrize("result", [None, 0, 1, "true", {}, []])
def test_only_true_and_false_are_answers(result):
    world = play(STORY, answered("w", result))
    assert "the script must return true or false" in world.output("w")["error"]
    assert world.statuses() == {"w": "FAILED"}


@pytest.mark.parametrize("optional", [False, True])
def test_a_failing_script(optional):
    story = definition(loop(noop("n"), optional=optional), noop("after"))
    world = play(story, yes(), failed("w", "state is undefined", logs=[]))
    assert world.output("w") == {"error": "state is undefined", "logs": []}
    assert world.ended_as == ("COMPLETED" if optional else "FAILED")


def test_a_resume_after_a_failing_script_asks_again():
    world = play(STORY, yes(), done("a"), done("b"), failed("w"), resumed)
    assert [step.ref for step in world.ready()] == ["w"]
    yes()(world)
    assert world.step("a").execution == 2


def test_a_server_that_died_over_the_script_runs_it_again():
    world = play(STORY, expired("w"), yes())
    assert world.status("a") == "SCHEDULED"
    assert world.step("w").execution == 1


def test_an_answer_counts_once():
    world = play(STORY)
    asked = world.take_one("w")
    yes()(world)
    assert world.report(asked, output={"result": False, "logs": []}).name == "DUPLICATE"
    assert (world.status("w"), world.status("a")) == ("RUNNING", "SCHEDULED")


@pytest.mark.parametrize("end", ["nobody reported", "it failed", "it was terminated"])
def test_a_script_that_is_asked_again_is_answered_anew(end):
    """After a resume, in the same execution: whatever its last hand-out came to counts no more."""
    world = play(STORY)
    if end == "nobody reported":
        for _ in range(MAX_DELIVERIES):
            expired("w")(world)
    elif end == "it failed":
        failed("w")(world)
    else:
        claimed("w")(world)
        terminated()(world)
    late = world.step("w")
    assert late.status.is_failed
    resumed(world)
    assert world.report(late, output={"result": False, "logs": []}).name == "DUPLICATE"
    taken = world.take_one("w")
    assert taken.hand_out.deliveries == 1
    yes()(world)
    assert world.status("a") == "SCHEDULED"


# -- failures and resumes inside of a pass


def test_a_failed_child_fails_it():
    world = play(STORY, yes(), done("a"), failed("b", "no"))
    assert world.output("w")["failedStepRef"] == "b"
    assert world.status("after") is None


def test_an_optional_child_does_not():
    world = play(definition(loop(fail("f", optional=True), noop("n"))), yes(), no())
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_resume_goes_on_in_the_pass_that_failed(cold):
    moves = (yes(), done("a"), done("b"), yes(), done("a", n=2), failed("b"), resumed)
    world = play(STORY, *moves, cold=cold)
    assert world.statuses() == {"w": "RUNNING", "a": "COMPLETED", "b": "SCHEDULED"}
    assert [world.step(ref).execution for ref in ("w", "a", "b")] == [2, 2, 3]
    assert world.output("a") == {"n": 2}
    for move in (done("b"), no()):
        move(world)
    assert (world.output("w"), world.ended_as) == ({"passes": 2}, "COMPLETED")


@pytest.mark.parametrize("cold", [False, True])
def test_passes_after_a_resume_run_every_step_again(cold):
    moves = (yes(), done("a"), failed("b"), resumed, done("b"), yes(), done("a"), done("b"), no())
    world = play(STORY, *moves, cold=cold)
    assert [world.step(ref).execution for ref in ("w", "a", "b")] == [3, 2, 3]
    assert world.ended_as == "COMPLETED"


def test_a_resume_after_a_terminate_in_a_pass():
    world = play(STORY, yes(), done("a"), terminated(), resumed, done("b"), no())
    assert (world.output("w"), world.ended_as) == ({"passes": 1}, "COMPLETED")


def test_a_resume_after_a_terminate_before_a_pass():
    world = play(STORY, yes(), done("a"), done("b"), terminated(), resumed)
    assert [step.ref for step in world.ready()] == ["w"]
    no()(world)
    assert world.output("w") == {"passes": 1}


def test_an_exit_ends_the_process_from_within():
    world = play(definition(loop(noop("n"), exit("x"), worker("a")), worker("after")), yes())
    assert world.ended_as == "COMPLETED"
    assert world.statuses() == {"w": "CANCELLED", "n": "COMPLETED", "x": "COMPLETED", "a": "SKIPPED"}


# -- containers inside


@pytest.mark.parametrize("cold", [False, True])
def test_containers_begin_anew_in_every_pass(cold):
    inner = parallel("p", sequence("l", worker("a"), noop("n")), worker("b"))
    world = play(definition(loop(inner)), yes(), done("b"), done("a"), yes(), cold=cold)
    assert world.statuses() == {
        "w": "RUNNING",
        "p": "RUNNING",
        "l": "RUNNING",
        "a": "SCHEDULED",
        "n": "COMPLETED",
        "b": "SCHEDULED",
    }
    assert [world.step(ref).parent_execution_id for ref in ("p", "l", "a", "b", "n")] == [2, 2, 2, 2, 1]
    for move in (done("b"), done("a"), no()):
        move(world)
    assert [world.step(ref).execution for ref in ("w", "p", "l", "a", "b", "n")] == [3, 2, 2, 2, 2, 2]


def test_a_switch_may_choose_otherwise_in_the_next_pass():
    mapping = [{"value": "x", "targetRef": "x"}, {"targetRef": "y", "defaultBranch": True}]
    inner = step("SWITCH", "s", sequence("x", noop("in_x")), noop("y"),
                 input={"script": SCRIPT, "responseMapping": mapping})  # fmt: skip
    world = play(definition(loop(inner)), yes(), answered("s", "x"), yes(), answered("s", "z"))
    assert world.statuses()["x"] == "SKIPPED"
    assert (world.status("y"), world.step("y").execution) == ("COMPLETED", 2)
    # What stands below a step that is skipped now keeps what it has.
    assert (world.status("in_x"), world.step("in_x").execution) == ("COMPLETED", 1)
    yes()(world)
    answered("s", "x")(world)
    assert (world.status("x"), world.status("in_x"), world.status("y")) == (
        "COMPLETED",
        "COMPLETED",
        "SKIPPED",
    )
    assert (world.step("in_x").execution, world.step("in_x").parent_execution_id) == (2, 3)


def test_a_foreach_that_was_left_out_in_a_pass_finds_its_iterations_again():
    mapping = [{"value": "each", "targetRef": "f"}, {"targetRef": "n", "defaultBranch": True}]
    inner = step("SWITCH", "s", foreach("f", [1], worker("c")), noop("n"),
                 input={"script": SCRIPT, "responseMapping": mapping})  # fmt: skip
    world = play(definition(loop(inner)))
    for move in (yes(), answered("s", "each"), done("c[0]", n=1), yes(), answered("s", "other"), yes()):
        move(world)
    answered("s", "each")(world)
    done("c[0]", n=2)(world)
    assert [step.ref for step in world.rows.values()].count("c[0]") == 1
    assert (world.step("c[0]").execution, world.output("c[0]")) == (2, {"n": 2})


def test_a_loop_in_a_loop_counts_for_itself():
    world = play(definition(loop(loop(noop("n"), ref="v"))), yes(), yes("v"), no("v"))
    assert world.output("v") == {"passes": 1}
    for move in (yes(), yes("v"), yes("v"), no("v"), no()):
        move(world)
    assert (world.output("v"), world.output("w")) == ({"passes": 2}, {"passes": 2})
    assert world.step("n").execution == 3


ITEMS = definition(loop(foreach("f", "{{ state.items }}", worker("c"), 10)))


def items(*values):
    return lambda world: world.process and setattr(world, "process", _with(world.process, values))


def _with(process, values):
    from stepwell.model.codec import change, encode

    return change(process, state=encode({"items": list(values)}))


def finish(world):
    for each in world.claim():
        world.report(each, output={"at": each.ref})
    world.settle()


@pytest.mark.parametrize("cold", [False, True])
def test_a_foreach_uses_its_iterations_again(cold):
    world = play(ITEMS, items(1, 2, 3), yes(), finish, items(7, 8), yes(), cold=cold)
    ids = {ref: world.step(ref).id for ref in ("c[0]", "c[1]", "c[2]")}
    assert world.statuses() == {
        "w": "RUNNING",
        "f": "RUNNING",
        "c[0]": "SCHEDULED",
        "c[1]": "SCHEDULED",
        "c[2]": "COMPLETED",
    }
    assert [world.step(ref).execution for ref in ids] == [2, 2, 1]
    finish(world)
    assert world.output("f") == {"results": [{"at": "c[0]"}, {"at": "c[1]"}]}
    # As many as before fit again, although the pass between had fewer.
    items(1, 2, 3)(world)
    yes()(world)
    finish(world)
    no()(world)
    assert {ref: world.step(ref).id for ref in ids} == ids
    assert [world.step(ref).execution for ref in ids] == [3, 3, 2]
    assert len(world.blocks) == 1
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_foreach_with_more_items_than_there_is_room_for(cold):
    world = play(ITEMS, items(*range(64)), yes(), *[finish] * 7, cold=cold)
    items(*range(65))(world)
    yes()(world)
    for _ in range(7):
        finish(world)
    no()(world)
    assert [block.count for block in world.blocks] == [64, 128]
    assert (world.counters("f").total, world.counters("f").room) == (65, 128)
    assert len(world.output("f")["results"]) == 65
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("cold", [False, True])
def test_a_foreach_without_items_between_two_with(cold):
    world = play(ITEMS, items(1), yes(), finish, items(), yes(), items(1), yes(), finish, no(), cold=cold)
    assert (world.step("f").execution, world.step("c[0]").execution) == (3, 2)
    assert len(world.blocks) == 1


def test_a_foreach_that_is_refused_in_the_second_pass_is_looked_at_again_by_a_resume():
    world = play(ITEMS, items(1, 2), yes(), finish)
    world.process = _with_state(world.process, b'{"items":7}')
    yes()(world)
    assert world.ended_as == "FAILED"
    resumed(world)
    assert (world.ended_as, world.status("f")) == ("FAILED", "FAILED")
    assert world.step("c[0]").execution == 1


def _with_state(process, state):
    from stepwell.model.codec import change

    return change(process, state=state)


def test_a_failed_iteration_in_the_second_pass_is_resumed_there():
    world = play(ITEMS, items(1, 2), yes(), finish, yes(), done("c[0]"), failed("c[1]"), resumed)
    assert (world.status("c[0]"), world.status("c[1]")) == ("COMPLETED", "SCHEDULED")
    assert [world.step(ref).execution for ref in ("f", "c[0]", "c[1]")] == [2, 2, 3]
    done("c[1]", x=1)(world)
    assert world.output("f") == {"results": [{}, {"x": 1}]}


def test_each_pass_has_a_process_of_its_own():
    family = Family(definition(loop(sub("s", "child"))), child=definition(noop("n")))
    family.play("root", yes(), yes(), no())
    assert len(family.all("child")) == 2
    assert family.root.ended_as == "COMPLETED"
