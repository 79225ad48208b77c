"""What the port promises of open processes: which of them something moves, and which have work."""

from typing import Any

import pytest

from stepwell.model.due import Due, DueKind
from stepwell.model.process import Block, ProcessStatus
from stepwell.model.step import HandOut, StepStatus
from stepwell.store.port import Changes, Store
from tests.store.records import claim, process, ready, step


def put(store: Store, **changes: Any) -> None:
    with store.turn() as turn:
        turn.save(Changes(**changes))


def child(id: int, **more: Any) -> Any:
    return process(id, parent_id=64, parent_step_id=65, **more)


def test_open_processes_come_in_pages_by_id(store: Store) -> None:
    over = process(192, status=ProcessStatus.COMPLETED), process(256, status=ProcessStatus.FAILED)
    put(store, new_processes=[*map(process, (320, 64, 128)), *over])
    assert [one.id for one in store.reads.open_processes(0, 2)] == [64, 128]
    assert [one.id for one in store.reads.open_processes(128, 2)] == [320]
    assert store.reads.open_processes(320, 2) == []


def test_all_that_has_to_be_known_is_told(store: Store) -> None:
    put(store, new_processes=[process(64, definition_id=3, numbering=(1, 2), revision=7)])
    (one,) = store.reads.open_processes(0, 9)
    assert (one.definition_id, one.numbering, one.revision, one.moves) == (3, (1, 2), 7, False)


@pytest.mark.parametrize(
    ("own", "more", "moves"),
    [
        ({}, {}, False),
        ({"paused": True}, {}, True),
        ({"marked": True}, {}, True),
        *(({}, {"due": [Due(64, 65, kind, 9, b"")]}, True) for kind in DueKind
          if kind.name not in ("START_TIMEOUT", "COMPLETION_TIMEOUT", "PROCESS_TIMEOUT")),
        ({}, {"due": [Due(64, 65, DueKind.START_TIMEOUT, 9, b"")]}, False),
        ({}, {"due": [Due(64, 65, DueKind.COMPLETION_TIMEOUT, 9, b"")]}, False),
        ({}, {"due": [Due(64, 0, DueKind.PROCESS_TIMEOUT, 9, b"")]}, False),
        ({}, {"due": [Due(128, 65, DueKind.READY, 9, b"")]}, False),
        ({}, {"new_processes": [child(128)]}, True),
        ({}, {"new_processes": [child(128, status=ProcessStatus.FAILED)]}, False),
        ({}, {"new_processes": [child(128)], "new_steps": [step(65, status=StepStatus.COMPLETED)]}, False),
        ({}, {"new_processes": [process(128, parent_id=64)]}, False),
    ],
)  # fmt: skip
def test_what_moves_a_process(store: Store, own: Any, more: Any, moves: bool) -> None:
    processes = [process(64, **own), *more.get("new_processes", [])]
    put(store, **{"new_steps": [step(65)], **more, "new_processes": processes})
    assert [one.moves for one in store.reads.open_processes(0, 9) if one.id == 64] == [moves]


@pytest.mark.parametrize(
    ("steps", "has_work"),
    [
        ([step(65)], False),
        ([step(65), ready(66, 1, 5)], True),
        ([ready(66, 1, 5, process_id=128)], False),
        ([step(66, hand_out=HandOut(claim=7, deadline=9))], True),
        ([step(66, hand_out=HandOut(claim=8, deadline=9))], False),
        ([ready(67, 1, 5)], False),
        ([ready(700, 1, 5)], True),
        ([ready(768, 1, 5)], False),
    ],
)
def test_work_is_what_is_ready_or_held_under_a_claim_that_exists(
    store: Store, steps: Any, has_work: bool
) -> None:
    with store.turn() as turn:
        turn.add_claim(claim(7))
    blocks = [Block(640, 64, 64), Block(704, 64, 128)]
    put(store, new_processes=[process(64), process(128)], new_steps=steps, blocks=blocks)
    assert (64 in store.reads.at_work({64: 3})) is has_work


def test_work_is_told_of_many_at_once(store: Store) -> None:
    steps = [ready(65, 1, 5), step(129, 128), ready(193, 1, 5, process_id=192)]
    put(store, new_processes=[process(64), process(128), process(192)], new_steps=steps)
    assert store.reads.at_work({64: 2, 128: 2, 192: 2, 256: 2}) == {64, 192}
    assert store.reads.at_work({}) == set()


def test_late_rows_are_counted_so_far(store: Store) -> None:
    put(store, due=[Due(64, id, DueKind.READY, at, b"") for id, at in ((65, 10), (66, 20), (67, 30))])
    assert [store.reads.late(before, 10) for before in (10, 11, 30, 31)] == [0, 1, 2, 3]
    assert store.reads.late(99, 2) == 2
