"""Undoing through the shell: both stores, with the lane killed after every turn."""

import pytest

from stepwell.engine.events import CancelRequested, TerminateRequested
from stepwell.runtime.requests import Actor
from tests.runtime.lanes import event_ask, worker

OPERATOR = Actor("ops", "not wanted")


def undoable(ref):
    undo = {"type": "WORKER", "name": "undo", "input": {"id": "{{ steps." + ref + ".output.id }}"}}
    return {**worker(ref), "compensate": undo}


def each(*steps):
    inner = {"type": "LIST", "name": "l", "ref": "l", "children": list(steps)}
    given = {"inputArray": [1, 2, 3], "concurrency": 3}
    return {"type": "FOREACH", "name": "f", "ref": "f", "input": given, "children": [inner]}


def settle(lanes):
    """What is due now happens, each slice in a turn of its own."""
    for _ in range(10):
        lanes.turn()


def undo_all(lanes, restarts):
    order = []
    while True:
        if restarts:
            lanes.restart()
        settle(lanes)
        work = lanes.poll("undo")
        if not work:
            return order
        (one,) = work
        order.append((one.ref, one.input))
        if restarts:
            lanes.restart()
        lanes.clock.at += 1
        assert lanes.report(one) == "ACCEPTED"
        assert lanes.report(one) == "DUPLICATE"


@pytest.mark.parametrize("restarts", [False, True])
def test_a_cancelled_process_undoes_in_reverse_order(lanes, restarts):
    lanes.define(undoable("a"), each(undoable("b"), worker("c", "never")), worker("d"))
    process = lanes.start()
    lanes.report(lanes.poll()[0], id="a")
    for work in sorted(lanes.poll(), key=lambda work: -work.step_id):
        lanes.clock.at += 1
        lanes.report(work, id=work.ref)
    assert lanes.turn(event_ask(process.id, CancelRequested(reason=OPERATOR.why), OPERATOR)) == [None]
    assert lanes.poll("never") == []
    now = lanes.process(process.id)
    assert (now.status, now.goes_on) == ("RUNNING", False)
    assert undo_all(lanes, restarts) == [
        ("b~undo[0]", b'{"id":"b[0]"}'),
        ("b~undo[1]", b'{"id":"b[1]"}'),
        ("b~undo[2]", b'{"id":"b[2]"}'),
        ("a~undo", b'{"id":"a"}'),
    ]
    ended = lanes.process(process.id)
    assert (ended.status, ended.reason, ended.ended) == ("CANCELLED", OPERATOR.why, lanes.clock.at)


def test_fail_and_terminate_in_one_turn(lanes):
    lanes.define(undoable("a"), worker("b"))
    process = lanes.start()
    lanes.report(lanes.poll()[0])
    (work,) = lanes.poll()
    lanes.report(work, "FAILED")
    lanes.turn(event_ask(process.id, TerminateRequested(), OPERATOR))
    settle(lanes)
    assert lanes.process(process.id).status == "TERMINATED"
    assert lanes.poll("undo") == []
