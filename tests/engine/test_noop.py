"""NOOP: its input is its output."""

import pytest

from tests.engine.play import START, definition, noop, play


def test_it_completes_at_once():
    world = play(definition(noop("n", x="{{ input.x }}", y=[1, {"z": "{{ input.x }}!"}])), input={"x": 3})
    step = world.step("n")
    assert world.output("n") == {"x": 3, "y": [1, {"z": "3!"}]}
    assert (step.status, step.execution, step.container_runs) == ("COMPLETED", 1, 1)
    assert (step.scheduled, step.hand_out.start, step.hand_out.first_start) == (START, START, START)


@pytest.mark.parametrize(
    ("input", "status", "output", "state"),
    [
        ({"a": 1}, "COMPLETED", {"a": 1}, {}),
        ({"a": 1, "__statePut": {"k": 2}}, "COMPLETED", {"a": 1}, {"k": 2}),
        ({"__statePut": [2]}, "FAILED", {"error": "__statePut must be an object"}, {}),
    ],
)
def test_state(input, status, output, state):
    world = play(definition(noop("n", **input)))
    assert (world.status("n"), world.output("n"), world.state) == (status, output, state)
