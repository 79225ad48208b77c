"""SEND_RESPONSE: an answer before the end."""

import pytest

from stepwell.model.codec import decode
from tests.engine.play import definition, done, noop, play, resumed, step, worker


def send(ref="s", **input):
    return step("SEND_RESPONSE", ref, input=input)


def test_the_response_stands_while_the_process_goes_on():
    story = definition(send(body={"id": "{{ input.id }}"}, statusCode=202, headers={"x": "1"}), worker("w"))
    world = play(story, input={"id": 7})
    assert decode(world.now_process.response) == {"statusCode": 202, "headers": {"x": "1"}, "body": {"id": 7}}
    assert world.output("s") == {"statusCode": 202}
    assert world.ended_as == "RUNNING"
    done("w")(world)
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("body", [None, 0, "text", [1], {}])
def test_a_body_is_any_json(body):
    world = play(definition(send(body=body)))
    assert decode(world.now_process.response) == {"statusCode": 200, "headers": {}, "body": body}


def test_only_the_first_counts():
    world = play(definition(send("a", body=1), send("b", body=2)))
    assert world.statuses() == {"a": "COMPLETED", "b": "FAILED"}
    assert decode(world.now_process.response)["body"] == 1


def test_after_a_resume_it_stays_sent():
    world = play(definition(send("a", body=1), noop("n"), step("FAIL", "f")), resumed)
    assert world.step("a").execution == 1
    assert decode(world.now_process.response)["body"] == 1


@pytest.mark.parametrize(
    "input",
    [{"statusCode": 99}, {"statusCode": 600}, {"statusCode": True}, {"statusCode": "200"}, {"headers": []},
     {"headers": {"a": 1}}, {"headers": {"a": "1\r\nb: 2"}}],
)  # fmt: skip
def test_what_it_refuses(input):
    world = play(definition(send(body=1, **input)))
    assert world.status("s") == "FAILED"
    assert world.now_process.response == b""
