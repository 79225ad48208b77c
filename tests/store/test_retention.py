"""What the port promises of finished processes: found in the order of their ends, and gone without a trace."""

from typing import Any

import pytest

from stepwell.model.due import Due, DueKind
from stepwell.model.process import Block, ProcessStatus
from stepwell.model.step import StepExecution
from stepwell.store.port import Changes, Store
from tests.store.records import process, step


def put(store: Store, **changes: Any) -> None:
    with store.turn() as turn:
        turn.save(Changes(**changes))


def over(id: int, ended: int, **more: Any) -> Any:
    return process(id, ended=ended, **{"status": ProcessStatus.COMPLETED, **more})


def test_they_come_in_the_order_of_their_ends(store: Store) -> None:
    put(store, new_processes=[over(64, 30), over(128, 10), process(192), over(256, 20), over(320, 10)])
    found = store.reads.finished((0, 0), 30, 10)
    assert [(one.ended, one.id) for one in found] == [(10, 128), (10, 320), (20, 256)]
    assert [one.id for one in store.reads.finished((10, 128), 99, 2)] == [320, 256]
    assert all(one.is_free for one in found)


def test_all_that_has_to_be_known_is_told(store: Store) -> None:
    put(store, new_processes=[over(64, 5, name="n", definition_id=3, numbering=(1, 2), revision=7)])
    (one,) = store.reads.finished((0, 0), 9, 1)
    assert (one.namespace, one.name, one.revision) == ("default", "n", 7)
    assert (one.definition_id, one.numbering) == (3, (1, 2))


@pytest.mark.parametrize(
    ("more", "others", "due", "free"),
    [
        ({}, [], [], True),
        ({"marked": True}, [], [], False),
        ({}, [], [Due(64, 0, DueKind.GO_ON, 9, b"")], False),
        ({}, [process(128, parent_id=64)], [], False),
        ({}, [over(128, 9, parent_id=64)], [], True),
        ({"parent_id": 128, "parent_step_id": 129}, [process(128)], [], True),
        ({"parent_id": 128, "parent_step_id": 129}, [process(128)], [Due(128, 129, DueKind.NEWS, 9, b"")], False),
        ({"parent_id": 128, "parent_step_id": 129, "status": ProcessStatus.FAILED}, [process(128)], [], False),
        ({"parent_id": 128, "parent_step_id": 129, "status": ProcessStatus.FAILED}, [over(128, 9)], [], False),
        ({"parent_id": 128, "parent_step_id": 129, "status": ProcessStatus.FAILED}, [], [], True),
        ({"parent_id": 128, "status": ProcessStatus.FAILED}, [process(128)], [], True),
    ],
)  # fmt: skip
def test_what_something_needs_is_not_free(store: Store, more: Any, others: Any, due: Any, free: bool) -> None:
    put(store, new_processes=[over(64, 5, **more), *others], due=due)
    assert [one.is_free for one in store.reads.finished((0, 0), 9, 9) if one.id == 64] == [free]


def test_a_process_goes_with_all_that_is_its_own(store: Store) -> None:
    put(
        store,
        new_processes=[over(64, 5), over(128, 5)],
        new_steps=[step(65, 64, input=b'"' + b"x" * 20_000 + b'"'), step(66, 64), step(129, 128)],
        executions=[_execution(65, 64), _execution(66, 64), _execution(129, 128)],
        blocks=[Block(640, 64, 64), Block(704, 64, 128)],
    )
    with store.turn() as turn:
        assert turn.drop_process(64, 0) is True
        assert turn.drop_steps(65, 127, 1) == 1
    dump = store.reads.dump()
    assert [row["id"] for row in dump["step"]] == [66, 129]
    assert [row["step_id"] for row in dump["execution"]] == [66, 129]
    with store.turn() as turn:
        assert turn.drop_steps(65, 127, 10) == 1 and turn.drop_steps(65, 127, 10) == 0
        turn.drop_blobs(64, 10)
        assert turn.drop_blobs(64, 10) == 0
    dump = store.reads.dump()
    assert [row["id"] for row in dump["process"]] == [128] == [row["process_id"] for row in dump["block"]]
    assert [row["id"] for row in dump["step"]] == [129] == [row["step_id"] for row in dump["execution"]]


def test_one_that_has_moved_on_stays(store: Store) -> None:
    put(store, new_processes=[over(64, 5, revision=3)], blocks=[Block(640, 64, 64)])
    with store.turn() as turn:
        assert turn.drop_process(64, 2) is False
        assert turn.drop_process(7, 0) is False
    assert len(store.reads.dump()["block"]) == 1


def _execution(step_id: int, process_id: int) -> StepExecution:
    return StepExecution(
        process_id=process_id, step_id=step_id, id=1, scheduled=1, polled=1, start=1, updated=1, executor="h", runs=1,
        output=b"{}",
    )  # fmt: skip
