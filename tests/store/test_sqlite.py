"""What only a file can promise: it outlives its process, has one server, and knows its own schema."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from stepwell.model.definition import TagValue
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import EntryKind
from stepwell.model.errors import Busy, Conflict, StepwellError
from stepwell.model.process import Block
from stepwell.model.step import HandOut, StepExecution
from stepwell.store import packing
from stepwell.store.port import Changes
from stepwell.store.sqlite.connection import connect_writer, is_held
from stepwell.store.sqlite.migrate import migrate, shipped
from stepwell.store.sqlite.queries import STATEMENTS
from stepwell.store.sqlite.store import SqliteStore
from tests.store.records import NOW, QUEUE, audit, claim, definition, entry, process, ready, step


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "s.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore.open(path)
    opened.migrate()
    yield opened
    opened.close()


def fill(store: SqliteStore) -> list[int]:
    """Something in most tables; the numbers that were given."""
    with store.turn() as turn:
        queue, first = turn.queue(QUEUE), turn.reserve(3)
        turn.save(
            Changes(
                new_processes=[process(64, tags=(TagValue("a", "ü"),), input=b'"' + b"x" * 10_000 + b'"')],
                new_steps=[ready(65, queue, 1), ready(66, queue, 2)],
                due=[Due(64, 0, DueKind.PROCESS_TIMEOUT, NOW)],
                entries=[entry("a", expires=NOW)],
                audit=[audit(process_id=64)],
            )
        )
        number = turn.next_claim_id()
        turn.claim(queue, 1, number, NOW, 10, "h", "w")
        turn.add_claim(claim(number, poll_id="p", steps=(65,)))
        return [queue, first, number, turn.put_definition(definition("a", 1)).id]


def test_everything_is_there_after_reopening_and_no_number_repeats(store: SqliteStore, path: Path) -> None:
    queue, first, number, definition_id = fill(store)
    before = store.reads.dump()
    store.close()
    again = SqliteStore.open(path)
    assert again.migrate() == []
    assert again.reads.dump() == before
    with again.turn() as turn:
        assert turn.queue(QUEUE) == queue
        assert turn.reserve(1) >= first + 3 * 64
        assert turn.next_claim_id() > number
        assert turn.put_definition(definition("a", 2)).id > definition_id
        assert turn.claim(queue, 9, 9, NOW, 10, "h", "w") == turn.steps([66])
    again.close()


def test_ids_reserved_beyond_a_rollback_are_covered_by_the_file(store: SqliteStore, path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.turn() as turn:
        turn.reserve(5_000)
        raise ZeroDivisionError
    with store.turn() as turn:
        last = turn.reserve(1)
    store.close()
    again = SqliteStore.open(path)
    with again.turn() as turn:
        assert turn.reserve(1) > last
    again.close()


_DIE_INSIDE_A_TURN = """
import os, sys
from stepwell.store.port import Changes
from stepwell.store.sqlite.store import SqliteStore
from tests.store.records import process

store = SqliteStore.open(sys.argv[1])
with store.turn() as turn:
    turn.save(Changes(new_processes=[process(128)]))
with store.turn() as turn:
    turn.save(Changes(new_processes=[process(192)]))
    os._exit(7)
"""


def test_a_server_that_dies_inside_a_turn_leaves_what_it_committed(store: SqliteStore, path: Path) -> None:
    fill(store)
    store.close()
    died = subprocess.run([sys.executable, "-c", _DIE_INSIDE_A_TURN, str(path)], check=False)
    assert died.returncode == 7
    again = SqliteStore.open(path)
    assert again.reads.process(128) == process(128)
    assert again.reads.process(192) is None
    with again.turn() as turn:
        turn.save(Changes(new_processes=[process(192)]))
    again.close()


def test_a_second_server_is_refused_until_the_first_is_gone(store: SqliteStore, path: Path) -> None:
    fill(store)
    with pytest.raises(Conflict, match="one server only") as refused:
        SqliteStore.open(path)
    assert refused.value.code == "DATABASE_IN_USE"
    reader = SqliteStore.open(path, exclusive=False)
    assert reader.reads.dump() == store.reads.dump()
    with pytest.raises(Conflict, match="reading only"), reader.turn():
        pass
    assert all(well for what, well, _ in reader.checks() if what == "integrity")
    reader.close()
    store.close()
    SqliteStore.open(path).close()


def test_a_file_that_is_no_database_is_refused_and_let_go(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StepwellError, match="not a database"):
        SqliteStore.open(path)
    path.unlink()
    SqliteStore.open(path).close()


def test_reading_where_nothing_is_tells_so(path: Path) -> None:
    with pytest.raises(StepwellError, match="SQLite"):
        SqliteStore.open(path, exclusive=False).reads.process(1)


def test_each_migration_runs_once_however_many_start(path: Path) -> None:
    path.parent.mkdir()
    starters = 4
    ran: list[list[str]] = []
    together = threading.Barrier(starters)

    def start() -> None:
        connection = connect_writer(path)
        together.wait()
        ran.append(migrate(connection, shipped()))
        connection.close()

    connect_writer(path).close()
    threads = [threading.Thread(target=start) for _ in range(starters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in ran for name in names) == [migration.name for migration in shipped()]


def test_a_changed_or_unknown_migration_is_refused(tmp_path: Path) -> None:
    connection = connect_writer(tmp_path / "m.db")
    ours = shipped()
    newer = ours[0]._replace(number=9, name="0009_newer.sql", script="create table newer (x)")
    assert migrate(connection, [*ours, newer]) == [*(m.name for m in ours), "0009_newer.sql"]
    with pytest.raises(Conflict, match=r"0009_newer\.sql, which this Stepwell does not know") as unknown:
        migrate(connection, ours)
    assert unknown.value.code == "MIGRATION_UNKNOWN"
    with pytest.raises(Conflict, match=r"0009_newer\.sql has another text") as changed:
        migrate(connection, [*ours, newer._replace(script="create table newer (y)")])
    assert changed.value.code == "MIGRATION_CHANGED"


def test_a_migration_that_fails_leaves_no_half_of_it(tmp_path: Path) -> None:
    connection = connect_writer(tmp_path / "m.db")
    script = "create table t (x); insert into nope values (1)"
    number = len(shipped()) + 1
    broken = shipped()[0]._replace(number=number, name=f"{number:04}_broken.sql", script=script)
    with pytest.raises(StepwellError, match="nope"):
        migrate(connection, [*shipped(), broken])
    assert not connection.table_exists("main", "t")
    assert migrate(connection, shipped()) == []


def test_a_large_payload_is_kept_once_and_never_written_again(store: SqliteStore) -> None:
    big = b'"' + b"x" * 9_000 + b'"'
    with store.turn() as turn:
        turn.save(
            Changes(new_processes=[process(64, input=big)], new_steps=[step(65, input=big, output=big)])
        )
        turn.save(Changes(steps=[step(65, input=big, output=big, priority=1)]))
    reader = apsw.Connection(str(store.path))
    assert reader.execute("select count(*), max(length(body)) from blob").fetchall() == [(1, len(big))]
    assert reader.execute("select length(input) < 100 from step").fetchall() == [(1,)]
    reader.close()


def test_people_can_read_steps_and_processes_with_sql(store: SqliteStore) -> None:
    big = '{"é":"' + "x" * 9_000 + '"}'
    with store.turn() as turn:
        queue = turn.queue(QUEUE)
        held = HandOut(token=1, claim=1, runs=1)
        turn.save(
            Changes(
                new_processes=[
                    process(64, input=big.encode(), state=b'{"a":1}', definition_id=5),
                    process(128, parent_id=64, parent_step_id=65, signals=big.encode(), response=b"[1]"),
                ],
                entries=[entry("a", body=b'{"c":3}', updated_by="me")],
                audit=[audit(process_id=64), audit(target="x", detail=b'{"d":4}')],
                new_steps=[
                    step(65, path=("s", 3), queue=queue, input=big.encode(), output=b'{"b":2}', hand_out=held)
                ],
            )
        )
    reader = apsw.Connection(str(store.path))
    found = reader.execute(
        "select ref, status, processId, queueName, input, output ->> 'b' from steps"
    ).fetchall()
    assert found == [("s[3]", "RUNNING", 64, "charge", big, 2)]
    found = reader.execute("select historyId, input, state ->> 'a' from processes where id = 64").fetchall()
    assert found == [(5, big, 1)]
    found = reader.execute(
        "select parentStepId, signals, response from processes where parentId = 64"
    ).fetchall()
    assert found == [(65, big, "[1]")]
    assert reader.execute("select name, body ->> 'c', updatedBy from entries").fetchall() == [("a", 3, "me")]
    found = reader.execute("select processId, target, detail ->> 'd' from audits order by id").fetchall()
    assert found == [(64, "", None), (None, "x", 4)]
    reader.close()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("processes_of_name", "process_name"),
        ("children", "process_parent"),
        ("audit_of_process", "audit_process"),
        ("drop_expired_entries", "entry_expires"),
        ("ready_ids", "step_ready"),
        ("due", "due_at"),
        ("claim_of_poll", "claim_poll"),
    ],
)
def test_what_is_asked_often_reads_no_whole_table(store: SqliteStore, statement: str, index: str) -> None:
    text = STATEMENTS[statement]
    rows = store._writing().execute(f"explain query plan {text}", (1,) * text.count("?")).fetchall()
    plan = [str(row[3]) for row in rows]
    assert any(f"INDEX {index} (" in part for part in plan), plan
    assert not any(part.startswith("SCAN") or "TEMP B-TREE" in part for part in plan), plan


def test_another_threads_reads_and_turns(store: SqliteStore) -> None:
    fill(store)
    seen: list[object] = []

    def work() -> None:
        with store.turn() as turn:
            seen.append(store.reads.step(66))
            turn.save(Changes(withdrawn=turn.steps([66])))
        seen.append(store.reads.step(66))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] != seen[1] == store.reads.step(66)


def test_a_file_locked_by_somebody_else_is_busy_and_nothing_is_lost(store: SqliteStore) -> None:
    fill(store)
    before = store.reads.dump()
    stranger = apsw.Connection(str(store.path))
    stranger.execute("begin immediate")
    store._writing().set_busy_timeout(1)
    with pytest.raises(Busy), store.turn():
        pass
    stranger.execute("rollback")
    stranger.close()
    assert store.reads.dump() == before
    with store.turn() as turn:
        turn.save(Changes(new_processes=[process(128)]))
    assert store.reads.process(128) is not None


def test_a_full_disk_is_busy_and_nothing_is_lost(store: SqliteStore) -> None:
    fill(store)
    before = store.reads.dump()
    writer = store._writing()
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages)
    with pytest.raises(Busy), store.turn() as turn:
        turn.save(Changes(new_steps=[step(id, input=b"x" * 5_000) for id in range(1_000, 1_100)]))
    writer.pragma("max_page_count", 1 << 30)
    assert store.reads.dump() == before
    with store.turn() as turn:
        turn.save(Changes(new_steps=[step(1_000)]))


def test_checks_find_what_is_wrong(store: SqliteStore) -> None:
    fill(store)
    found = {what: (well, value) for what, well, value in store.checks()}
    assert found.pop("due rows late by more than a minute") == (False, "1")
    assert found.pop("leases over for more than a minute") == (False, "1")
    assert all(well for well, _ in found.values()), found
    with store.turn() as turn:
        turn.save(
            Changes(
                new_steps=[step(999, 128, input=b'"' + b"x" * 20_000 + b'"'), step(9_999, 9_998)],
                executions=[StepExecution(process_id=128, step_id=999, id=1)],
                blocks=[Block(640, 64, 128)],
            )
        )
    found = {what: (well, value) for what, well, value in store.checks()}
    assert found["steps without a process"] == (False, "2")
    for what in ("executions", "large payloads", "runs of ids"):
        assert found[f"{what} without a process"] == (False, "1")
    with store.turn() as turn:
        left = [entry(f"{id:016d}", kind=EntryKind.LEFT_OVER) for id in (128, 9_998)]
        turn.save(Changes(entries=left))
    assert all(well for what, well, _ in store.checks() if "without" in what)


def test_nothing_is_late_where_no_server_runs(store: SqliteStore, path: Path) -> None:
    fill(store)
    reader = SqliteStore.open(path, exclusive=False)
    late = "due rows late by more than a minute"
    assert {what: well for what, well, _ in reader.checks()}[late] is False
    store.close()
    found = {what: (well, value) for what, well, value in reader.checks()}
    assert found[late] == (True, "1; they wait for a server")
    reader.close()


def test_who_looks_for_a_server_does_not_keep_one_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore.open(path).close()
    assert not is_held(path)
    looking = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _: os.close(looking))
    opened = SqliteStore.open(path)
    assert is_held(path)
    opened.close()
    assert not is_held(path)


def test_a_file_of_another_version_is_told(store: SqliteStore, path: Path) -> None:
    schema = {what: (well, said) for what, well, said in store.checks()}["schema"]
    assert schema == (True, "up to date")
    store.close()
    with apsw.Connection(str(path)) as connection:
        connection.execute(
            "insert into migration (number, name, checksum) values (9999, '9999_new.sql', 'x')"
        )
    reader = SqliteStore.open(path, exclusive=False)
    found = {what: (well, said) for what, well, said in reader.checks()}
    assert not found["schema"][0] and "newer version" in found["schema"][1]
    assert "steps without a process" not in found
    with apsw.Connection(str(path)) as connection:
        connection.execute("delete from migration where number > 1")
    found = {what: (well, said) for what, well, said in reader.checks()}
    assert not found["schema"][0] and "0002_retention.sql" in found["schema"][1]
    reader.close()


def test_closing_leaves_one_file_and_refuses_reads(store: SqliteStore, path: Path) -> None:
    fill(store)
    store.close()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["s.db", "s.db.lock"]
    with pytest.raises(StepwellError):
        store.reads.process(64)


@pytest.mark.parametrize("size", [packing.PACKED_FROM - 1, packing.PACKED_FROM, 500_000])
def test_what_is_large_comes_back_as_it_was_and_stands_there_smaller(store: SqliteStore, size: int) -> None:
    text = b'{"x":[' + b'"abc",' * (size // 6) + b"1]}"
    noise = b'"' + Random(1).randbytes(size // 2).hex().encode() + b'"'
    with store.turn() as turn:
        turn.save(Changes(new_processes=[process(64, input=text, output=noise)]))
    found = store.reads.process(64)
    assert found is not None and (found.input, found.output) == (text, noise)
    assert packing.unpack(packing.pack(b"[]")) == b"[]"
    packed = packing.pack(text)
    assert len(packed) < len(text) // 4 if len(text) >= packing.PACKED_FROM else packed == text
