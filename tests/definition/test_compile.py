"""Plans: every step has one place, and numbers leave no gap."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from stepwell.definition.compile import build_plan
from stepwell.model.definition import ProcessDefinition, StepConfiguration, StepDefinition, StepType


def step(ref: str, kind: str = "NOOP", *children: StepDefinition) -> StepDefinition:
    return StepDefinition(ref=ref, type=StepType(kind), children=children)


def test_numbers():
    plan = build_plan(
        7,
        ProcessDefinition(
            name="p",
            steps=(
                step("a"),
                step("l", "LIST", step("b"), step("f", "FOREACH", step("fl", "LIST", step("c"), step("d")))),
                step("g", "FOREACH", step("gl", "LIST", step("h", "FOREACH", step("i")), step("j"))),
                step("z"),
            ),
        ),
    )
    assert {ref: place.number for ref, place in plan.steps.items()} == (
        {"a": 1, "l": 2, "b": 3, "f": 4, "fl": 0, "c": 1, "d": 2}
        | {"g": 5, "gl": 0, "h": 1, "i": 0, "j": 2, "z": 6}
    )
    assert list(plan.steps) == ["a", "l", "b", "f", "fl", "c", "d", "g", "gl", "h", "i", "j", "z"]
    assert (plan.id, plan.size, plan.top) == (7, 7, ("a", "l", "g", "z"))
    assert {ref: place.iteration_size for ref, place in plan.steps.items() if place.iteration_size} == (
        {"f": 3, "g": 3, "h": 1}
    )
    assert plan.steps["i"].loops == ("g", "h")
    assert plan.steps["h"].loops == ("g",)
    assert (plan.steps["d"].parent, plan.steps["d"].position) == ("fl", 1)
    assert plan.steps["l"].children == ("b", "f")
    assert plan.steps["a"].parent is None


def test_what_the_engine_asks_for():
    worker = StepDefinition(
        ref="w",
        type=StepType.WORKER,
        name="work",
        optional=True,
        input={"x": "{{ input.y }}"},
        configuration=StepConfiguration(error_policy_name="retry"),
    )
    plan = build_plan(1, ProcessDefinition(steps=(worker,), output_mapping={"o": "{{ steps.w.output }}"}))
    place = plan.steps["w"]
    assert (place.optional, place.policy, place.type) == (True, "retry", StepType.WORKER)
    assert [reference.text for reference in place.input.references] == ["input.y"]
    assert plan.output is not None
    assert [reference.text for reference in plan.output.references] == ["steps.w.output"]
    assert build_plan(1, ProcessDefinition()).output is None
    assert build_plan(1, ProcessDefinition()).size == 1


SHAPES = st.recursive(
    st.just(("NOOP", [])),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["LIST", "PARALLEL"]), st.lists(inner, max_size=3)),
        st.tuples(st.just("FOREACH"), st.lists(inner, min_size=1, max_size=1)),
    ),
    max_leaves=12,
)


@given(st.lists(SHAPES, max_size=4))
def test_numbers_are_unique_and_dense(shapes):
    refs = iter(range(10_000))

    def build(shape):
        kind, children = shape
        return step(f"s{next(refs)}", kind, *(build(child) for child in children))

    plan = build_plan(1, ProcessDefinition(steps=tuple(build(shape) for shape in shapes)))
    assert len(plan.steps) == next(refs)
    numberings = defaultdict(list)
    for place in plan.steps.values():
        numberings[place.loops].append(place.number)
    assert numberings.pop((), []) == list(range(1, plan.size))
    for loops, numbers in numberings.items():
        assert numbers == list(range(plan.steps[loops[-1]].iteration_size))
