"""What a step's input becomes: roots, types, sight from inside loops, what is missing."""

import pytest

from stepwell.model.definition import TagValue
from tests.engine.play import (
    PROCESS,
    START,
    claimed,
    definition,
    done,
    fail,
    failed,
    foreach,
    noop,
    play,
    resumed,
    sequence,
    worker,
)

INPUT = {"id": 7, "name": "Ada", "list": [1, {"k": "v"}], "none": None, "yes": True, "big": 1.5, "7": "seven"}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ input.id }}", 7),
        ("{{input.name}}", "Ada"),
        ("{{ input.list }}", [1, {"k": "v"}]),
        ("{{ input.list[1].k }}", "v"),
        ("{{ input.list.1.k }}", "v"),
        ("{{ input.7 }}", "seven"),
        ("{{ input.yes }}", True),
        ("{{ input.none }}", None),
        ("{{ input }}", INPUT),
        ("{{ context.input.big }}", 1.5),
        ("order {{ input.id }} of {{ input.name }}", "order 7 of Ada"),
        ("{{ input.list }}!", '[1,{"k":"v"}]!'),
        ("<{{ input.none }}>", "<>"),
        ("{{ context.id }}", PROCESS),
        ("{{ context.processId }}", PROCESS),
        ("{{ context.name }}", "story"),
        ("{{ context.status }}", "RUNNING"),
        ("{{ context.correlationId }}", "c-1"),
        ("{{ context.tags[0].name }}", "team"),
        ("{{ state.k }}", "s"),
        ("{{ context.state.k }}", "s"),
        ("{{ steps.a.output.n }}", {"deep": [3]}),
        ("{{ steps.a.output.n.deep[0] }}", 3),
        ("{{ steps.a.input.of }}", "in"),
        ("{{ steps.a.status }}", "COMPLETED"),
        ("{{ steps.a.ref }}", "a"),
        ("{{ steps.a.type }}", "WORKER"),
        ("{{ steps.a.start }}", START),
        ("{{ steps.a.parentId }}", None),
        ("{{ steps.bad.output.error }}", "no"),
        ("{{ steps.bad.status }}", "FAILED"),
        ("{{ steps.a.output.text }}", "{{ input.id }}"),
        ("{{ steps.c[1].output.at }}", 1),
        ("{{ steps.f.output.results[0].at }}", 0),
    ],
)
@pytest.mark.parametrize("cold", [False, True])
def test_values(template, value, cold):
    story = definition(
        worker("a", input={"of": "in"}),
        fail("bad", optional=True, input={"message": "no"}),
        foreach("f", [5, 6], noop("c", at="{{ foreach.index }}")),
        worker("between"),
        noop("x", it=template),
    )
    moves = [
        done("a", n={"deep": [3]}, text="{{ input.id }}", __statePut={"k": "s"}),
        done("between"),
    ]
    world = play(
        story, *moves, cold=cold, input=INPUT, correlation_id="c-1", tags=(TagValue(name="team", value="x"),)
    )
    assert world.output("x") == {"it": value}
    assert world.step("x").warning == ""


@pytest.mark.parametrize(
    "path",
    [
        "input.absent",
        "input.name.first",
        "input.list[9]",
        "input.list.first",
        "input.list.²",
        "input.list." + "9" * 5_000,
        "state.absent",
        "context.absent",
        "steps.later.output",
        "steps.nobody.output",
        "steps.x.output",
        "steps.__self.start",
        "steps.a.absent",
        "steps.a.output.absent",
        "steps.c.output.at",
        "steps.c[2].output.at",
        "steps.c[0][0].output.at",
        "steps.a[0].output",
        "foreach.index",
        "foreach.value",
    ],
)
@pytest.mark.parametrize("cold", [False, True])
def test_what_is_missing_is_null_alone_and_nothing_in_a_text(path, cold):
    story = definition(
        noop("a", n=1),
        foreach("f", [5, 6], noop("c", at="{{ foreach.index }}")),
        noop("x", alone="{{ " + path + " }}", inside="<{{ " + path + " }}>"),
        noop("later"),
    )
    world = play(story, cold=cold, input=INPUT)
    assert world.output("x") == {"alone": None, "inside": "<>"}
    assert world.step("x").warning == f"nothing found for {path}, {path}"


def test_inside_an_iteration_a_ref_means_the_nearest_step():
    inner = noop("b", near="{{ steps.a.output.n }}", far="{{ steps.out.output.n }}", i="{{ foreach.index }}")
    last = noop(
        "z",
        other="{{ steps.a[0].output.n }}",
        inner="{{ steps.b[1].output.i }}",
        full="{{ steps.b[0][1].output.near }}",
    )
    body = sequence("l", noop("a", n="{{ foreach.value }}"), foreach("g", [0, 1], inner), last)
    world = play(definition(noop("out", n="o"), foreach("f", ["p", "q"], body)))
    assert world.output("b[1][0]") == {"near": "q", "far": "o", "i": 0}
    assert world.output("z[1]") == {"other": "p", "inner": 1, "full": "p"}


@pytest.mark.parametrize("cold", [False, True])
def test_a_loop_around_a_loop_gives_its_own_value_only(cold):
    inner = foreach(
        "g", "{{ foreach.value.items }}", noop("c", v="{{ foreach.value }}", i="{{ foreach.index }}")
    )
    world = play(definition(foreach("f", [{"items": []}, {"items": ["x", "y"]}], inner)), cold=cold)
    assert world.output("c[1][1]") == {"v": "y", "i": 1}


def test_an_input_is_resolved_once():
    """A retry and a resume work on what the step was given; values are never looked at for templates again."""
    world = play(
        definition(worker("a", input={"text": "{{ input.text }}"})), failed("a"), resumed, claimed("a"),
        input={"text": "{{ context.status }}"},
    )  # fmt: skip
    assert world.input("a") == {"text": "{{ context.status }}"}


def test_the_state_of_the_moment():
    first = noop("a", __statePut={"k": 1})
    world = play(definition(noop("z", was="{{ state.k }}"), first, noop("b", k="{{ state.k }}")))
    assert (world.output("z"), world.output("b")) == ({"was": None}, {"k": 1})


def test_output_mapping():
    mapping = {
        "n": "{{ steps.a.output.n }}",
        "status": "{{ steps.b.status }}",
        "none": "{{ steps.c.output }}",
    }
    world = play(definition(noop("a", n=1), noop("b"), outputMapping=mapping))
    assert world.process_output == {"n": 1, "status": "COMPLETED", "none": None}
