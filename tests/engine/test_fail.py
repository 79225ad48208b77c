"""FAIL: fails on purpose."""

import pytest

from tests.engine.play import definition, fail, noop, play, resumed


@pytest.mark.parametrize(
    ("input", "output"),
    [
        ({}, {"error": "failed on purpose"}),
        ({"message": "order {{ input.id }} is empty"}, {"error": "order 7 is empty"}),
        ({"message": "no", "output": {"code": 3}}, {"error": "no", "code": 3}),
        ({"message": "no", "output": {"error": "other"}}, {"error": "no"}),
        ({"message": {"a": 1}}, {"error": '{"a":1}'}),
        ({"message": "no", "output": [1]}, {"error": "no"}),
    ],
)
def test_output(input, output):
    world = play(definition(fail("f", input=input), noop("after")), input={"id": 7})
    assert world.statuses() == {"f": "FAILED"}
    assert world.output("f") == output
    assert (world.ended_as, world.process_output["error"]) == ("FAILED", output["error"])


def test_optional():
    world = play(definition(fail("f", optional=True), noop("after", said="{{ steps.f.output.error }}")))
    assert world.statuses() == {"f": "FAILED", "after": "COMPLETED"}
    assert world.process_output == {"said": "failed on purpose"}


def test_resumed_it_fails_again():
    world = play(definition(fail("f")), resumed)
    assert (world.ended_as, world.step("f").execution, len(world.earlier("f"))) == ("FAILED", 2, 1)
