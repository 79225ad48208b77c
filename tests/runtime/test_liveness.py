"""The liveness invariant: nothing that waits for something counts as stuck, and what waits for nothing does."""

from typing import Any

import pytest

from stepwell.engine.effects import Mark
from stepwell.engine.events import PauseRequested
from stepwell.model.codec import change
from stepwell.model.due import DueKind
from stepwell.model.entry import EntryKind
from stepwell.model.step import Phase
from stepwell.runtime.catalog import drop_mark, put_mark
from stepwell.runtime.liveness import confirm, look, look_at_all
from stepwell.runtime.plans import StoredPlans
from stepwell.runtime.requests import Actor
from stepwell.store.port import Changes
from tests.runtime.lanes import Lanes, event_ask, worker

CHILD = {"type": "SUB_PROCESS", "name": "c", "ref": "c", "input": {"processName": "child"}}
SIGNAL = {"type": "WAIT", "name": "s", "ref": "s", "input": {"forSignal": "paid"}}
SLEEP = {"type": "WAIT", "name": "t", "ref": "t", "input": {"durationMs": 60_000}}
LIMITED = {**worker("w"), "configuration": {"concurrencyLimit": 1}}
LOOP = {
    "type": "FOREACH",
    "name": "f",
    "ref": "f",
    "input": {"inputArray": list(range(200)), "concurrency": 1},
    "children": [worker("w")],
}


def stuck(lanes: Lanes) -> list[int]:
    return [one.process_id for one in look_at_all(lanes.store.reads)[1]]


def change_step(lanes: Lanes, step: Any, **fields: Any) -> None:
    """As a bug would leave it."""
    with lanes.store.turn() as turn:
        turn.save(Changes(offered=[change(step, **fields)]))


def open_leaf(lanes: Lanes, process: Any, ref: str) -> Any:
    steps = lanes.store.reads.open_steps(process, 64)
    return next(step for step in steps if step.path[0] == ref)


def test_none_is_open_at_first(lanes: Lanes) -> None:
    assert look_at_all(lanes.store.reads) == (0, [])


def test_ready_and_held_steps_are_alive_and_lost_ones_are_not(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    assert stuck(lanes) == []
    lanes.poll()
    assert stuck(lanes) == []
    held = open_leaf(lanes, process, "w")
    with lanes.store.turn() as turn:
        turn.drop_claims([held.hand_out.claim])
    assert stuck(lanes) == [process.id]
    change_step(lanes, held, hand_out=held.hand_out.released())
    (one,) = look_at_all(lanes.store.reads)[1]
    assert (one.process_id, one.why, one.name) == (process.id, "w is RUNNING", "p")


def test_a_deadline_is_no_life(lanes: Lanes) -> None:
    lanes.define(worker("w"), configuration={"completionTimeout": 60_000})
    process = lanes.start()
    step = open_leaf(lanes, process, "w")
    assert lanes.store.reads.due(process.id)[0].kind is DueKind.PROCESS_TIMEOUT
    change_step(lanes, step, hand_out=step.hand_out.released())
    assert stuck(lanes) == [process.id]


@pytest.mark.parametrize("steps", [[SIGNAL], [SLEEP], [LOOP], [CHILD]])
def test_what_waits_is_alive(lanes: Lanes, steps: Any) -> None:
    lanes.define(SIGNAL, name="child")
    lanes.define(*steps)
    process = lanes.start()
    assert stuck(lanes) == []
    for _ in range(3):
        lanes.turn()
        assert stuck(lanes) == []
    assert lanes.process(process.id).status.is_open


def test_a_sleeper_whose_clock_is_gone_is_stuck(lanes: Lanes) -> None:
    lanes.define(SLEEP)
    process = lanes.start()
    step = open_leaf(lanes, process, "t")
    with lanes.store.turn() as turn:
        turn.save(Changes(undue=[(process.id, step.id, DueKind.WAKE)]))
    assert stuck(lanes) == [process.id]


def test_a_parent_whose_child_is_not_there_is_stuck(lanes: Lanes) -> None:
    lanes.define(worker("w"), name="child")
    lanes.define(CHILD)
    parent = lanes.start()
    child_id = open_leaf(lanes, parent, "c").children.base
    row = next(row for row in lanes.store.reads.due(child_id) if row.kind is DueKind.START_PROCESS)
    assert stuck(lanes) == []
    with lanes.store.turn() as turn:
        turn.save(Changes(undue=[(row.process_id, row.step_id, row.kind)]))
    assert stuck(lanes) == [parent.id]
    with lanes.store.turn() as turn:
        turn.save(Changes(due=[row]))
    lanes.turn()
    assert lanes.process(child_id).status.is_open
    assert stuck(lanes) == []


def test_a_line_that_nobody_is_in_front_of_is_stuck(lanes: Lanes) -> None:
    lanes.define(LIMITED)
    first, second = lanes.start(), lanes.start()
    crowded = open_leaf(lanes, second, "w")
    assert crowded.phase is Phase.CROWDED
    assert stuck(lanes) == []
    rooms = [e for e in lanes.store.reads.entries(EntryKind.LIMIT) if e.name.startswith("open:")]
    with lanes.store.turn() as turn:
        turn.save(Changes(dropped_entries=[(EntryKind.LIMIT, e.namespace, e.name) for e in rooms]))
    assert stuck(lanes) == [second.id]
    lanes.restart()
    assert first.id not in stuck(lanes)


def test_held_and_paused_ones_are_alive(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    lanes.errand(lambda turn, now: put_mark(turn, now, "default", "p", "w", Mark.HOLD, "t", ""))
    held = lanes.start()
    assert open_leaf(lanes, held, "w").phase is Phase.HELD
    assert stuck(lanes) == []
    lanes.errand(lambda turn, now: drop_mark(turn, now, "default", "p", "w", "t"))
    process = lanes.start()
    lanes.turn(event_ask(process.id, PauseRequested(), Actor("t")))
    assert open_leaf(lanes, process, "w").phase is Phase.HELD
    assert stuck(lanes) == []


def test_pages_go_through_everything(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    ids = [lanes.start().id for _ in range(5)]
    plans = StoredPlans(lanes.store.reads)
    for id in ids[1::2]:
        step = open_leaf(lanes, lanes.process(id), "w")
        change_step(lanes, step, hand_out=step.hand_out.released())
    page = look(lanes.store.reads, plans, 0, 2)
    assert (page.last, page.looked) == (ids[1], 2)
    assert [one.process_id for one in page.suspects] == [ids[1]]
    page = look(lanes.store.reads, plans, ids[4], 2)
    assert (page.last, page.looked, page.suspects) == (ids[4], 0, ())
    assert stuck(lanes) == ids[1::2]


def test_who_has_moved_on_meanwhile_is_not_stuck(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    lost, moved, ended = [lanes.start() for _ in range(3)]
    for process in (lost, moved, ended):
        step = open_leaf(lanes, process, "w")
        change_step(lanes, step, hand_out=step.hand_out.released())
    reads, plans = lanes.store.reads, StoredPlans(lanes.store.reads)
    suspects = look(reads, plans, 0).suspects
    assert [one.process_id for one in suspects] == [lost.id, moved.id, ended.id]
    with lanes.store.turn() as turn:
        turn.save(Changes(processes=[change(moved, revision=moved.revision + 1)]))
        turn.drop_process(ended.id, ended.revision)
    assert [one.process_id for one in confirm(reads, plans, suspects)] == [lost.id]


def test_a_definition_that_is_gone_is_told(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    with lanes.store.turn() as turn:
        turn.save(Changes(processes=[change(process, definition_id=99)]))
    (one,) = look_at_all(lanes.store.reads)[1]
    assert "definition" in one.why
