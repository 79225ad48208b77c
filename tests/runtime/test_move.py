"""Moving a database: every row as it was, processes in flight go on, and never two databases that could both go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepwell.model.audit import Audit
from stepwell.model.client import Permission
from stepwell.model.error_policy import ErrorPolicy, Reaction, StepErrorAction
from stepwell.model.errors import Busy, Conflict, StepwellError
from stepwell.model.process import ProcessStatus
from stepwell.model.work import Acceptance, WorkRequest
from stepwell.runtime import move as room
from stepwell.runtime.catalog import create_client, delete_policy, put_policy
from stepwell.runtime.entries import put_variable
from stepwell.runtime.move import check_may_serve, move, undo
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Changes, SetAside, Store
from stepwell.store.postgres.store import PostgresStore
from stepwell.store.sqlite.store import SqliteStore
from tests.runtime.lanes import START, Lanes, worker

Make = Callable[[str], Store]


@pytest.fixture(
    params=[
        "memory to sqlite",
        "sqlite to memory",
        "sqlite to sqlite",
        "sqlite to postgres",
        "postgres to sqlite",
    ]
)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    stores: list[Store] = []
    for kind in request.param.split(" to "):
        stores.append(_opened(kind, tmp_path / f"{len(stores)}.db", request))
        stores[-1].migrate()
    yield stores
    for store in stores:
        store.close()


def _opened(kind: str, path: Path, request: pytest.FixtureRequest) -> Store:
    match kind:
        case "memory":
            return MemoryStore()
        case "sqlite":
            return SqliteStore.open(path, blob_threshold=200)
        case _:
            return PostgresStore.open(request.getfixturevalue("postgres_url"))


def fill(source: Store) -> tuple[Lanes, list[WorkRequest]]:
    """Something in every table, and gaps in every numbering; what a worker holds."""
    lanes = Lanes(source)
    loop = {"type": "FOREACH", "name": "each", "ref": "each", "input": {"inputArray": "{{ input.items }}"}}
    lanes.define({**loop, "children": [worker("item")]}, worker("last"), name="p")
    lanes.define({**worker("try"), "configuration": {"errorPolicyName": "again"}}, name="tried")
    lanes.define({"type": "WAIT", "name": "w", "ref": "w", "input": {"durationMs": 50_000}}, name="waits")
    retry = Reaction(action=StepErrorAction.RETRY, retry_count=3, retry_interval=1)
    again = ErrorPolicy(name="again", failure=retry)
    lanes.errand(lambda turn, now: put_policy(turn, now, ErrorPolicy(name="gone"), "me"))
    lanes.errand(lambda turn, now: delete_policy(turn, now, "default", "gone", "me"))
    with pytest.raises(Busy):
        lanes.errand(_lost)
    lanes.errand(lambda turn, now: put_policy(turn, now, again, "me"))
    lanes.errand(lambda turn, now: put_variable(turn, now, "default", "v", {"x": 1}, "me"))
    lanes.errand(lambda turn, now: create_client(turn, now, "app", "t", [Permission.READ]))
    aside = SetAside(process_id=64, event=b"{}", error="why", created=1)
    lanes.errand(lambda turn, now: turn.save(Changes(set_aside=[aside])))
    lanes.start("p", input={"items": ["x" * 300, "y"]})
    lanes.start("waits")
    lanes.start("tried")
    held = {work.ref: work for work in lanes.poll(limit=9)}
    lanes.report(held.pop("try"), "FAILED", why="once")
    return lanes, list(held.values())


def _lost(turn: Any, now: int) -> None:
    """Numbers are taken by what is rolled back."""
    put_policy(turn, now, ErrorPolicy(name="lost"), "me")
    raise Busy("not now")


def test_every_row_is_there_and_everything_goes_on(pair: Any) -> None:
    source, target = pair
    lanes, held = fill(source)
    before = source.reads.dump()
    told: list[tuple[str, int]] = []
    counts = move(source, target, START, lambda table, rows: told.append((table, rows)))
    after = target.reads.dump()
    assert after == before and all(
        after[table] for table in ("execution", "block", "due", "claim", "set_aside")
    )
    assert counts == {table: len(before[table]) for table in counts} and dict(told) == {
        k: n for k, n in counts.items() if n
    }
    check_may_serve(target.reads)

    lanes.store = target
    lanes.clock.at += 60_000
    lanes.restart()
    assert [lanes.report(work, done=1) for work in held] == [Acceptance.ACCEPTED]
    for _ in range(12):
        for work in lanes.poll(limit=9):
            lanes.report(work, done=1)
    statuses = {row["status"] for row in target.reads.dump()["process"]}
    assert statuses == {ProcessStatus.COMPLETED.value}
    new = lanes.start("waits")
    assert new.id > max(int(str(row["id"])) for row in before["step"])


def test_the_old_one_is_no_database_of_a_server_any_more(pair: Any) -> None:
    source, target = pair
    fill(source)
    move(source, target, START)
    with pytest.raises(Conflict) as refused:
        check_may_serve(source.reads)
    assert refused.value.code == "DATABASE_MOVED"
    with pytest.raises(Conflict, match="moved"):
        move(source, MemoryStore(), START)
    assert undo(source) is True and undo(source) is False
    check_may_serve(source.reads)


def test_nothing_is_moved_over_what_is_there(pair: Any) -> None:
    source, target = pair
    with target.turn() as turn:
        turn.save(Changes(audit=[Audit(at=1, who="w", what="x")]))
    with pytest.raises(Conflict) as refused:
        move(source, target, START)
    assert refused.value.code == "NOT_EMPTY"
    check_may_serve(source.reads)


def test_a_move_that_stops_in_the_middle_leaves_the_source_as_it_is(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = pair
    fill(source)
    before = source.reads.dump()

    def stop(table: str, rows: int) -> None:
        if table == "step":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, START, stop)
    check_may_serve(source.reads)
    assert source.reads.dump() == before
    with pytest.raises(Conflict) as refused:
        check_may_serve(target.reads)
    assert refused.value.code == "MOVE_INCOMPLETE"
    with pytest.raises(Conflict, match="not empty"):
        move(source, target, START)


def test_a_row_that_came_out_otherwise_is_noticed(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = pair
    fill(source)
    right = room._WRITERS["step"]
    monkeypatch.setitem(room._WRITERS, "step", lambda turn, rows: right(turn, rows[1:]))
    with pytest.raises(StepwellError, match="table step"):
        move(source, target, START)
    check_may_serve(source.reads)
