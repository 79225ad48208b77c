"""FOREACH: its child once for each item."""

import pytest

from stepwell.model.step import Children
from stepwell.model.work import WorkStatus
from tests.engine.play import (
    claimed,
    definition,
    done,
    everything_done,
    fail,
    failed,
    foreach,
    noop,
    play,
    resumed,
    sequence,
    worker,
)

ITEMS = "{{ input.items }}"


def test_iterations_are_opened_as_room_allows():
    world = play(definition(foreach("f", ITEMS, worker("c"), 2)), input={"items": [5, 6, 7]})
    assert world.statuses() == {"f": "RUNNING", "c[0]": "SCHEDULED", "c[1]": "SCHEDULED"}
    done("c[1]")(world)
    assert world.status("c[2]") == "SCHEDULED"
    assert world.counters("f") == Children(3, next=3, open=2, base=world.step("c[0]").id, room=64)


def test_one_at_a_time_is_the_default():
    world = play(definition(foreach("f", [1, 2], worker("c"))))
    assert world.status("c[1]") is None
    done("c[0]")(world)
    assert world.status("c[1]") == "SCHEDULED"


def test_results_stand_in_the_order_of_the_items():
    child = worker("c", input={"at": "{{ foreach.index }}", "is": "{{ foreach.value.n }}"})
    world = play(definition(foreach("f", [{"n": 7}, {"n": "x"}, {}], child, 3)))
    assert [world.input(f"c[{n}]") for n in range(3)] == [
        {"at": 0, "is": 7},
        {"at": 1, "is": "x"},
        {"at": 2, "is": None},
    ]
    for n in (2, 0, 1):
        done(f"c[{n}]", was=n)(world)
    assert world.output("f") == {"results": [{"was": 0}, {"was": 1}, {"was": 2}]}


@pytest.mark.parametrize(
    ("items", "concurrency", "status", "said"),
    [
        ([], None, "COMPLETED", {"results": []}),
        ([], 5, "COMPLETED", {"results": []}),
        ([1], None, "COMPLETED", {"results": [{"is": 1}]}),
        ([1, 2, 3], 2, "COMPLETED", {"results": [{"is": 1}, {"is": 2}, {"is": 3}]}),
        (None, None, "FAILED", "needs an array"),
        ({"a": 1}, None, "FAILED", "needs an array"),
        ("text", None, "FAILED", "needs an array"),
        ([1], 0, "FAILED", "whole number"),
        ([1], "2", "FAILED", "whole number"),
        ([1], True, "FAILED", "whole number"),
        ([1], 1.5, "FAILED", "whole number"),
    ],
)
def test_items_and_room(items, concurrency, status, said):
    world = play(definition(foreach("f", ITEMS, noop("c", **{"is": "{{ foreach.value }}"}), concurrency)),
                 input={"items": items})  # fmt: skip
    assert world.status("f") == status
    if isinstance(said, str):
        assert said in world.output("f")["error"]
    else:
        assert world.output("f") == said


def test_a_failed_iteration_does_not_stop_the_others():
    world = play(definition(foreach("f", [1, 2, 3], worker("c"))), done("c[0]"), failed("c[1]", "bad"))
    assert world.status("f") == "RUNNING"
    done("c[2]")(world)
    assert world.status("f") == "FAILED"
    assert world.output("f") == {
        "error": "bad",
        "failedStepRef": "c[1]",
        "failedStepId": world.step("c[1]").id,
    }


def test_an_optional_child_leaves_a_gap():
    world = play(
        definition(foreach("f", [1, 2], worker("c", optional=True), 2)), failed("c[0]"), done("c[1]")
    )
    assert world.output("f") == {"results": [None, {}]}


def test_loops_in_loops():
    inner = foreach("g", "{{ foreach.value }}", noop("c", at="{{ foreach.index }}", of="{{ foreach.value }}"))
    world = play(definition(foreach("f", [["a", "b"], ["c"]], inner)))
    assert world.output("c[0][1]") == {"at": 1, "of": "b"}
    assert world.output("f") == {
        "results": [
            {"results": [{"at": 0, "of": "a"}, {"at": 1, "of": "b"}]},
            {"results": [{"at": 0, "of": "c"}]},
        ]
    }
    assert world.step("g[1]").parent_id == world.step("f").id
    assert world.step("c[1][0]").parent_id == world.step("g[1]").id


def test_every_step_below_an_iteration_carries_its_index():
    world = play(definition(foreach("f", [1, 2], sequence("l", worker("a"), worker("b")), 2)), done("a[1]"))
    assert set(world.statuses()) == {"f", "l[0]", "a[0]", "l[1]", "a[1]", "b[1]"}


@pytest.mark.parametrize("cold", [False, True])
def test_resume_leaves_good_iterations_alone(cold):
    story = definition(foreach("f", [1, 2, 3], worker("c"), 3))
    world = play(story, done("c[0]", x=0), failed("c[1]"), done("c[2]", x=2), resumed, cold=cold)
    assert world.statuses() == {"f": "RUNNING", "c[0]": "COMPLETED", "c[1]": "SCHEDULED", "c[2]": "COMPLETED"}
    done("c[1]", x=1)(world)
    assert world.output("f") == {"results": [{"x": 0}, {"x": 1}, {"x": 2}]}
    assert [world.step(ref).execution for ref in ("f", "c[0]", "c[1]", "c[2]")] == [1, 1, 2, 1]


def test_a_refused_input_is_looked_at_again_by_a_resume():
    world = play(definition(foreach("f", 7, noop("c"))), resumed)
    assert world.status("f") == "FAILED"
    assert world.step("f").container_runs == 2


@pytest.mark.parametrize("cold", [False, True])
def test_more_results_than_an_output_holds(cold):
    child = noop("c", i="{{ foreach.index }}")
    world = play(definition(foreach("f", list(range(1_200)), child, 500)), cold=cold)
    output = world.output("f")
    assert (len(output["results"]), output["results"][-1], output["resultCount"]) == (
        1_000,
        {"i": 999},
        1_200,
    )


@pytest.mark.parametrize("cold", [False, True])
def test_templates_reach_every_result(cold):
    child = noop("c", i="{{ foreach.index }}", deep={"at": ["{{ foreach.value }}"]})
    after = noop(
        "z",
        own="{{ steps.f[1150].output.i }}",
        result="{{ steps.f.output.results[1150].deep.at[0] }}",
        near="{{ steps.f.output.results[999].i }}",
        whole="{{ steps.f.output.results[1001] }}",
        past="{{ steps.f.output.results[1200] }}",
        past_it="{{ steps.f[1200].output }}",
        text="no {{ steps.f.output.results[1000].i }}",
        odd="{{ steps.f.output.results[1000].nothing }}",
    )
    world = play(definition(foreach("f", list(range(1_200)), child, 500), after), cold=cold)
    assert world.output("z") == {
        "own": 1_150,
        "result": 1_150,
        "near": 999,
        "whole": {"i": 1_001, "deep": {"at": [1_001]}},
        "past": None,
        "past_it": None,
        "text": "no 1000",
        "odd": None,
    }
    assert "steps.f.output.results[1200], steps.f[1200].output, " in world.step("z").warning


def test_a_result_that_did_not_complete_is_null_past_the_first_thousand_too():
    child = worker("c", optional=True)
    after = noop("z", first="{{ steps.f.output.results[0] }}", far="{{ steps.f.output.results[1001] }}",
                 deep="{{ steps.f.output.results[1001].x }}")  # fmt: skip
    world = play(definition(foreach("f", list(range(1_002)), child, 2_000), after))
    for step in world.claim():
        bad = step.ref in ("c[0]", "c[1001]")
        world.report(step, WorkStatus.FAILED if bad else WorkStatus.COMPLETED, {"x": 1})
    assert world.output("z") == {"first": None, "far": None, "deep": None}


def test_a_loop_with_an_index_is_its_iteration():
    inner = foreach("g", "{{ foreach.value }}", noop("c", of="{{ foreach.value }}"))
    beside = noop("y", mine="{{ steps.g[0].output.results }}", one="{{ steps.g[1][0].output.of }}")
    world = play(definition(foreach("f", [["a"], ["b", "c"]], inner), beside))
    # With one index it is still the inner loop of an outer iteration.
    assert world.output("y") == {"mine": [{"of": "a"}], "one": "b"}


def test_a_failure_past_the_first_thousand_is_the_one_that_is_named():
    world = play(definition(foreach("f", list(range(1_100)), worker("c"), 2_000)))
    for step in world.claim():
        world.report(step, WorkStatus.FAILED if step.ref == "c[1050]" else WorkStatus.COMPLETED)
    assert world.output("f")["failedStepRef"] == "c[1050]"


def test_an_iteration_that_fails_at_once():
    world = play(definition(foreach("f", [1, 2], fail("c", input={"message": "no {{ foreach.value }}"}))))
    assert world.output("f")["error"] == "no 1"
    assert world.statuses() == {"f": "FAILED", "c[0]": "FAILED", "c[1]": "FAILED"}


def test_claimed_iterations_hold_their_room():
    world = play(definition(foreach("f", [1, 2, 3], worker("c"), 1)), claimed("c[0]"))
    assert world.status("c[0]") == "RUNNING"
    assert world.status("c[1]") is None
    everything = world.take_one("c[0]")
    world.report(everything)
    everything_done(world)
    assert world.status("f") == "COMPLETED"
