"""Edges between top-level steps: what is written, what follows from it."""

import pytest

from stepwell.definition.check import read_and_check
from stepwell.definition.dependencies import Graph, dependents_of, edges_of, has_edges
from stepwell.model.definition import StepType


def metadata(*pairs):
    return {"dependencies": [{"ref": ref, "deps": deps} for ref, deps in pairs]}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], {}),
        ([("b", "a")], {"a": (), "b": ("a",), "c": ("a",), "d": ("c",)}),
        ([("b", "")], {"a": (), "b": (), "c": ("a",), "d": ("c",)}),
        ([("a", "d")], {"a": ("d",), "b": (), "c": ("b",), "d": ("c",)}),
        (
            [("d", "a , b"), ("d", "b,c"), ("c", "a")],
            {"a": (), "b": ("a",), "c": ("a",), "d": ("a", "b", "c")},
        ),
    ],
)
def test_who_waits_for_whom(pairs, expected):
    assert edges_of(metadata(*pairs), "abcd") == expected
    assert has_edges(metadata(*pairs)) == bool(expected)


def test_the_other_way_round():
    assert dependents_of({"a": (), "b": ("a",), "c": ("a", "b")}) == {"a": ("b", "c"), "b": ("c",)}


def test_before_is_transitive():
    graph = Graph({"d": ("b", "c"), "a": (), "b": ("a",), "c": (), "e": ()})
    before = {(one, other) for one in "abcde" for other in "abcde" if graph.is_before(one, other)}
    assert before == {("a", "b"), ("a", "d"), ("b", "d"), ("c", "d")}


def test_in_a_circle_nothing_is_before():
    graph = Graph({"a": ("b",), "b": ("a",)})
    assert not graph.is_before("a", "b")


def problems(steps, *pairs):
    value = {"name": "p", "steps": steps, "metadata": metadata(*pairs)}
    _, found = read_and_check(value, known=frozenset(StepType), policies=lambda name: True)
    return [(problem.path, problem.code, problem.warning) for problem in found]


def step(ref, uses=None, **fields):
    input = {"x": "{{ steps." + uses + ".output }}"} if uses else {}
    return {"type": "NOOP", "ref": ref, "input": input, **fields}


def test_templates_may_name_what_the_edges_put_before():
    steps = [step("a", uses="b"), step("b"), step("c", uses="a")]
    assert problems(steps, ("a", "b"), ("c", "a")) == []
    assert problems(steps, ("a", "b"), ("c", "b")) == [("steps[2].input.x", "NOT_RUN_YET", True)]


def test_inside_of_one_top_level_step_list_order_rules():
    inner = [step("x", uses="y"), step("y")]
    steps = [{"type": "LIST", "ref": "l", "children": inner}, step("b")]
    assert problems(steps, ("b", "")) == [("steps[0].children[0].input.x", "NOT_RUN_YET", True)]


def test_only_top_level_steps_have_edges():
    steps = [{"type": "LIST", "ref": "l", "children": [step("x")]}, step("b")]
    assert problems(steps, ("x", "b"), ("b", "x")) == [
        ("metadata.dependencies[0].ref", "NOT_TOP_LEVEL", False),
        ("metadata.dependencies[1].deps", "NOT_TOP_LEVEL", False),
        ("metadata.dependencies", "CYCLE", False),
    ]
