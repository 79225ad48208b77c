"""SWITCH: one of its children."""

import pytest

from tests.engine.play import (
    answered,
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
    play,
    resumed,
    sequence,
    step,
    terminated,
    worker,
)

SCRIPT = "(steps, context) => context.input.size"
MAPPING = [
    {"value": "L", "targetRef": "truck"},
    {"value": "S", "targetRef": "mail"},
    {"targetRef": "pigeon", "defaultBranch": True},
]


def switch(*children, ref="s", mapping=MAPPING, **fields):
    input = {key: fields.pop(key) for key in ("script", "value") if key in fields}
    return step("SWITCH", ref, *children, input={**input, "responseMapping": mapping}, **fields)


THREE = (worker("truck"), worker("mail"), worker("pigeon"))
STORY = definition(switch(*THREE, script=SCRIPT), noop("after"))
BY_VALUE = definition(switch(*THREE, value="{{ input.size }}"), noop("after"))


def test_the_script_is_work_for_the_server():
    world = play(STORY)
    assert world.statuses() == {"s": "RUNNING"}
    (offered,) = world.ready()
    assert (offered.ref, offered.phase) == ("s", "EVALUATING")


@pytest.mark.parametrize("cold", [False, True])
def test_the_chosen_child_runs_and_the_others_are_skipped(cold):
    world = play(STORY, answered("s", "S", "looked"), cold=cold)
    assert world.statuses() == {"s": "RUNNING", "truck": "SKIPPED", "mail": "SCHEDULED", "pigeon": "SKIPPED"}
    done("mail", x=1)(world)
    assert world.output("s") == {"output": "S", "logs": ["looked"]}
    assert (world.status("s"), world.status("after"), world.ended_as) == ("COMPLETED",) * 3
    assert world.step("s").hand_out.runs + world.step("s").container_runs == 1


@pytest.mark.parametrize(
    ("size", "chosen"), [("L", "truck"), ("S", "mail"), ("XL", "pigeon"), ("l", "pigeon"), (None, "pigeon")]
)
def test_by_value_no_script_is_needed(size, chosen):
    world = play(BY_VALUE, input={"size": size})
    assert [ref for ref, status in world.statuses().items() if status == "SCHEDULED"] == [chosen]


@pytest.mark.parametrize(
    ("written", "case"), [(7, 7), ("7", 7), (7, "7"), (True, True), ("true", True), (1.5, 1.5)]
)
def test_cases_that_are_no_texts_are_compared_as_texts(written, case):
    mapping = [{"value": written, "targetRef": "truck"}]
    world = play(definition(switch(*THREE, script=SCRIPT, mapping=mapping)), answered("s", case))
    assert world.status("truck") == "SCHEDULED"


def test_the_first_mapping_that_fits_decides_and_a_default_only_after_all():
    mapping = [
        {"targetRef": "pigeon", "defaultBranch": True},
        {"value": "x", "targetRef": "mail"},
        {"value": "x", "targetRef": "truck"},
    ]
    world = play(definition(switch(*THREE, value="x", mapping=mapping)))
    assert world.status("mail") == "SCHEDULED"


@pytest.mark.parametrize(
    ("mapping", "case", "said"),
    [
        (MAPPING[:2], "XL", 'no child matches the case "XL", and there is no default branch'),
        (MAPPING[:2], None, "no child matches the case null, and there is no default branch"),
        ([], "L", 'no child matches the case "L", and there is no default branch'),
        (None, "L", 'no child matches the case "L", and there is no default branch'),
        ([{"value": "L", "targetRef": "nobody"}], "L", '\'nobody\', chosen by the case "L", is no child of this step'),
        ([{"value": "L"}], "L", '\'None\', chosen by the case "L", is no child of this step'),
        (MAPPING, {"a": 1}, 'the case must be a text, not {"a":1}'),
        (MAPPING, ["L"], 'the case must be a text, not ["L"]'),
    ],
)  # fmt: skip
def test_no_choice_fails(mapping, case, said):
    world = play(definition(switch(*THREE, script=SCRIPT, mapping=mapping)), answered("s", case))
    assert world.statuses() == {"s": "FAILED"}
    assert world.output("s") == {"error": said}
    assert world.ended_as == "FAILED"


def test_skipped_children_have_no_records_below_them():
    story = definition(switch(sequence("truck", worker("load"), worker("drive")), worker("mail"), value="S"))
    world = play(story)
    assert world.statuses() == {"s": "RUNNING", "truck": "SKIPPED", "mail": "SCHEDULED"}


def test_a_list_as_target():
    story = definition(switch(sequence("truck", worker("load"), worker("drive")), worker("mail"), value="L"))
    world = play(story, done("load"), done("drive", at="sea"))
    assert world.output("truck") == {"at": "sea"}
    assert world.ended_as == "COMPLETED"


def test_a_child_that_closes_at_once():
    world = play(definition(switch(noop("truck"), noop("mail"), value="L")))
    assert world.statuses() == {"s": "COMPLETED", "truck": "COMPLETED", "mail": "SKIPPED"}


def test_a_failed_child_fails_it_and_the_case_stays_known():
    world = play(BY_VALUE, failed("mail", "no stamp"), input={"size": "S"})
    assert world.status("s") == "FAILED"
    assert world.output("s") == {
        "output": "S",
        "logs": [],
        "error": "no stamp",
        "failedStepRef": "mail",
        "failedStepId": world.step("mail").id,
    }
    assert world.process_output["failedStepRef"] == "mail"


def test_an_optional_child_that_failed_completes_it():
    world = play(definition(switch(fail("truck", optional=True), value="L")))
    assert (world.status("truck"), world.status("s")) == ("FAILED", "COMPLETED")


@pytest.mark.parametrize("cold", [False, True])
def test_a_resume_runs_the_chosen_child_again_without_asking(cold):
    world = play(STORY, answered("s", "S", "looked"), failed("mail"), resumed, cold=cold)
    assert world.statuses() == {"s": "RUNNING", "truck": "SKIPPED", "mail": "SCHEDULED", "pigeon": "SKIPPED"}
    assert (world.step("s").execution, world.step("mail").execution) == (1, 2)
    assert world.output("s") == {"output": "S", "logs": ["looked"]}
    done("mail")(world)
    assert world.output("s") == {"output": "S", "logs": ["looked"]}
    assert world.ended_as == "COMPLETED"


def test_a_resume_after_a_terminate_runs_the_chosen_child_again():
    world = play(STORY, answered("s", "S"), terminated(), resumed)
    assert world.status("mail") == "SCHEDULED"
    done("mail")(world)
    assert world.output("s") == {"output": "S", "logs": []}


@pytest.mark.parametrize("cold", [False, True])
def test_a_resume_asks_again_when_nothing_was_chosen(cold):
    story = definition(switch(*THREE, script=SCRIPT, mapping=MAPPING[:2]))
    world = play(story, answered("s", "XL"), resumed, answered("s", "L"), cold=cold)
    assert world.step("s").execution == 2
    assert world.earlier("s")[0].runs == 1
    assert world.status("truck") == "SCHEDULED"


def test_a_resume_after_a_terminate_while_the_script_ran():
    world = play(STORY, terminated(), resumed, answered("s", "L"))
    assert world.status("truck") == "SCHEDULED"


def test_a_resume_inside_of_a_chosen_list():
    story = definition(
        switch(sequence("truck", worker("load"), worker("drive")), worker("mail"), script=SCRIPT)
    )
    world = play(story, answered("s", "L"), done("load"), failed("drive"), resumed)
    assert [world.step(ref).execution for ref in ("s", "truck", "load", "drive")] == [1, 1, 1, 2]
    done("drive")(world)
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("optional", [False, True])
def test_a_failing_script(optional):
    story = definition(switch(*THREE, script=SCRIPT, optional=optional), noop("after"))
    world = play(story, failed("s", "size is undefined", logs=["hm"]))
    assert world.status("s") == "FAILED"
    assert world.output("s") == {"error": "size is undefined", "logs": ["hm"]}
    assert world.ended_as == ("COMPLETED" if optional else "FAILED")


def test_a_server_that_died_over_the_script_runs_it_again():
    world = play(STORY, expired("s"), answered("s", "L"))
    assert world.status("truck") == "SCHEDULED"
    assert (world.step("s").execution, world.step("s").hand_out.runs) == (1, 2)


def test_an_answer_counts_once():
    world = play(STORY)
    asked = world.take_one("s")
    answered("s", "L")(world)
    assert world.report(asked, output={"result": "S", "logs": []}).name == "DUPLICATE"
    assert world.step("s").hand_out.claim is None
    assert world.statuses() == {"s": "RUNNING", "truck": "SCHEDULED", "mail": "SKIPPED", "pigeon": "SKIPPED"}


def test_an_exit_as_the_chosen_child_ends_the_process():
    world = play(definition(switch(exit("truck"), worker("mail"), value="L"), worker("after")))
    assert world.ended_as == "COMPLETED"
    assert world.statuses() == {"s": "CANCELLED", "truck": "COMPLETED", "mail": "SKIPPED"}


def test_a_resume_does_not_choose_again_behind_an_exit():
    """Its child has ended well, so there is nothing to run again: the choice stands."""
    stop = exit("truck", status="TERMINATED")
    world = play(definition(switch(stop, worker("mail"), script=SCRIPT), worker("after")), answered("s", "L"))
    assert world.ended_as == "TERMINATED"
    resumed(world)
    assert world.step("s").execution == 1
    assert world.statuses() == {
        "s": "COMPLETED",
        "truck": "COMPLETED",
        "mail": "SKIPPED",
        "after": "SCHEDULED",
    }


def test_inside_of_an_iteration():
    child = switch(worker("truck"), worker("mail"), value="{{ foreach.value }}")
    world = play(definition(foreach("f", ["L", "S"], child, 2)))
    assert world.statuses() == {
        "f": "RUNNING",
        "s[0]": "RUNNING",
        "truck[0]": "SCHEDULED",
        "mail[0]": "SKIPPED",
        "s[1]": "RUNNING",
        "truck[1]": "SKIPPED",
        "mail[1]": "SCHEDULED",
    }
    everything_done(world)
    assert world.output("f")["results"] == [{"output": "L", "logs": []}, {"output": "S", "logs": []}]


def test_switches_in_a_switch_and_beside_each_other():
    inner = switch(noop("truck"), noop("mail"), ref="t", value="S")
    mapping = [{"value": 1, "targetRef": "t"}]
    story = definition(parallel("p", switch(inner, noop("no"), value=1, mapping=mapping), worker("w")))
    assert play(story).statuses() == {
        "p": "RUNNING",
        "s": "COMPLETED",
        "t": "COMPLETED",
        "truck": "SKIPPED",
        "mail": "COMPLETED",
        "no": "SKIPPED",
        "w": "SCHEDULED",
    }
