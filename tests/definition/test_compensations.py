"""What may be written as a compensation."""

from typing import Any

import pytest

from stepwell.definition.check import read_and_check
from stepwell.engine.control.table import CONTROLS

UNDO = {"type": "WORKER", "name": "undo"}


def problems(*steps: dict[str, Any]) -> list[tuple[str, bool]]:
    written = {"name": "p", "steps": list(steps)}
    _, found = read_and_check(written, known=CONTROLS, policies=lambda name: name == "known")
    return [(problem.path, problem.warning) for problem in found]


def step(ref: str, type: str = "WORKER", compensate: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": type, "ref": ref, "name": ref, "compensate": compensate, **fields}


def test_a_sound_one_may_name_what_any_step_has_left() -> None:
    undo = {**UNDO, "input": {"id": "{{ steps.a.output.id }}", "why": "{{ steps.later.output.error }}"}}
    undo["configuration"] = {"errorPolicyName": "known"}
    assert problems(step("a", compensate=undo), step("later")) == []


def test_inside_a_foreach_it_is_in_the_same_iteration() -> None:
    undo = {**UNDO, "input": {"id": "{{ steps.i.output.id }}", "of": "{{ foreach.value }}"}}
    loop = step("f", "FOREACH", input={"inputArray": [1]}, children=[step("i", compensate=undo)])
    assert problems(loop) == []


@pytest.mark.parametrize(
    ("compensate", "path"),
    [
        ("undo", ""),
        ({"name": "undo"}, ".type"),
        ({"type": "WORKER", "name": "undo", "ref": "mine"}, ".ref"),
        ({"type": "LIST", "children": [step("x")]}, ".children"),
        ({"type": "FAIL"}, ".type"),
        ({"type": "WAIT", "input": {"durationMs": 1}}, ".type"),
        ({**UNDO, "compensate": UNDO}, ".compensate"),
        ({**UNDO, "input": {"x": "{{ steps.nowhere.output }}"}}, ".input.x"),
        ({**UNDO, "configuration": {"errorPolicyName": "unknown"}}, ".configuration.errorPolicyName"),
    ],
)
def test_what_it_cannot_be(compensate: Any, path: str) -> None:
    found = problems(step("a", compensate=compensate))
    assert (f"steps[0].compensate{path}", False) in found, found


def test_its_ref_must_be_free() -> None:
    assert problems(step("a", compensate=UNDO), step("a~undo")) == [("steps[0].compensate.ref", False)]


def test_a_step_that_runs_many_times_cannot_be_undone() -> None:
    loop = step("w", "WHILE", input={"script": "() => false"}, children=[step("a", compensate=UNDO)])
    assert problems(loop) == [("steps[0].children[0].compensate", False)]
    gateway = step("g", "FLOW_GATEWAY", input={"rules": [{"condition": True, "targetRef": "a"}]})
    assert ("steps[0].compensate", True) in problems(step("a", compensate=UNDO), gateway)
