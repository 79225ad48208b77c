"""What the server's own hands held when it died is offered again at its restart, whatever its policy says of time."""

import pytest

from stepwell.model.codec import decode, decode_as, encode
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.work import QueueName, WorkRequest
from stepwell.runtime.asks import ExchangeAsk, Gone
from stepwell.runtime.catalog import put_policy
from stepwell.runtime.requests import Exchange, Poll
from tests.runtime.lanes import Lanes

OWN = QueueName("stepwell", "HTTP", "")
CLOCK_MS = 2_000


def taken(lanes: Lanes) -> list[WorkRequest]:
    poll = Poll(queues=((OWN, 9),), limit=9, client="stepwell:node", host="node")
    (answer,) = lanes.turn(ExchangeAsk(lambda value: None, Exchange(poll=poll), Gone()))
    work: list[WorkRequest] = answer.work
    return work


@pytest.fixture
def clocked(embedded: Lanes) -> Lanes:
    policy = {"name": "clock", "responseTimeout": {"duration": CLOCK_MS, "action": "FAIL"}}
    embedded.errand(lambda turn, now: put_policy(turn, now, decode_as(encode(policy), ErrorPolicy), ""))
    step = {"type": "HTTP", "name": "h", "ref": "h", "input": {"url": "http://there.example"}}
    embedded.define({**step, "configuration": {"errorPolicyName": "clock"}})
    return embedded


def test_a_restart_in_time_rings_no_clock(clocked: Lanes) -> None:
    process = clocked.start()
    (first,) = taken(clocked)
    clocked.clock.at += CLOCK_MS // 2
    clocked.restart()
    (again,) = taken(clocked)
    assert (again.step_id, again.token, again.execution) == (first.step_id, first.token + 1, first.execution)
    assert clocked.report(first) == "STALE"
    assert clocked.report(again, ok=True) == "ACCEPTED"
    assert clocked.process(process.id).status == "COMPLETED"


def test_a_restart_after_the_time_is_a_timeout(clocked: Lanes) -> None:
    process = clocked.start()
    taken(clocked)
    clocked.clock.at += CLOCK_MS
    clocked.restart()
    assert taken(clocked) == []
    failed = clocked.process(process.id)
    assert failed.status == "FAILED"
    assert "no report within 2000 ms" in decode(failed.output)["error"]
