"""A signal finds the oldest step that waits for it among however many are open."""

from typing import Any

import pytest

from stepwell.engine.events import SignalReceived
from stepwell.model.codec import decode, encode
from stepwell.model.step import StepStatus
from tests.runtime.lanes import Lanes, event_ask

MANY = 1_200


def wait(**more: Any) -> dict[str, Any]:
    return {"type": "WAIT", "name": "c", "ref": "c", "input": {"forSignal": "paid", **more}}


def many(child: dict[str, Any], count: int) -> dict[str, Any]:
    given = {"inputArray": list(range(count)), "concurrency": count}
    return {"type": "FOREACH", "name": "f", "ref": "f", "children": [child], "input": given}


def settled(lanes: Lanes) -> None:
    """What goes on in further turns has come to its end."""
    while lanes.lane.next_at() <= lanes.clock.now():
        lanes.turn()


def signal(lanes: Lanes, process_id: int, correlation: Any = None, **payload: Any) -> Any:
    event = SignalReceived(name="paid", payload=encode(payload), correlation=correlation)
    (answer,) = lanes.turn(event_ask(process_id, event, None))
    return answer


def done(lanes: Lanes, process_id: int) -> dict[str, Any]:
    steps = lanes.store.reads.steps(lanes.process(process_id), 10 * MANY, 0, 10 * MANY)
    return {step.ref: decode(step.output) for step in steps if step.status is StepStatus.COMPLETED}


@pytest.mark.parametrize("restarted", [False, True])
def test_the_last_of_many_is_found(lanes: Lanes, restarted: bool) -> None:
    lanes.define(many(wait(correlation="{{ foreach.value }}"), MANY))
    process = lanes.start()
    settled(lanes)
    if restarted:
        lanes.restart()
    assert signal(lanes, process.id, str(MANY - 1), n=1) is None
    assert done(lanes, process.id) == {f"c[{MANY - 1}]": {"n": 1}}


def test_several_in_one_turn_each_take_their_own(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepwell.runtime.fold.LOOKED_AT", 3)
    lanes.define(many(wait(), 8))
    process = lanes.start()
    settled(lanes)
    asks = [
        event_ask(process.id, SignalReceived(name="paid", payload=encode({"n": n})), None) for n in range(5)
    ]
    assert lanes.turn(*asks) == [None] * 5
    assert done(lanes, process.id) == {f"c[{n}]": {"n": n} for n in range(5)}
    assert [signal(lanes, process.id, n=n) for n in (5, 6)] == [None, None]
    assert done(lanes, process.id)["c[6]"] == {"n": 6}


def test_a_step_that_began_in_the_same_turn_is_found(lanes: Lanes) -> None:
    """Its row is not written yet."""
    first = {**wait(), "ref": "a", "name": "a"}
    lanes.define(first, many(wait(), 2))
    process = lanes.start()
    asks = [
        event_ask(process.id, SignalReceived(name="paid", payload=encode({"n": n})), None) for n in range(3)
    ]
    assert lanes.turn(*asks) == [None] * 3
    assert {ref: said for ref, said in done(lanes, process.id).items() if ref != "f"} == {
        "a": {"n": 0},
        "c[0]": {"n": 1},
        "c[1]": {"n": 2},
    }
