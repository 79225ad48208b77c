"""What only a database that others share can promise, and what happens when it goes away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise

import asyncpg
import pytest

from stepwell.model.entry import EntryKind
from stepwell.model.errors import Busy, Conflict, Overtaken, StepwellError, Unreachable
from stepwell.store.port import Changes
from stepwell.store.postgres.link import Link, ours
from stepwell.store.postgres.migrate import migrate, shipped
from stepwell.store.postgres.queries import STATEMENTS
from stepwell.store.postgres.store import PostgresStore
from tests.postgres import Databases
from tests.store.proxy import Cut, Proxy
from tests.store.records import NOW, QUEUE, definition, entry, process, ready


@pytest.fixture
def pair(postgres_url: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    stores = PostgresStore.open(postgres_url), PostgresStore.open(postgres_url)
    yield stores
    for store in stores:
        store.close()


def until(look: Callable[[], object]) -> None:
    give_up = time.monotonic() + 20
    while not look():
        assert time.monotonic() < give_up
        time.sleep(0.005)


# -- the schema


def test_each_migration_runs_once_however_many_start(postgres: Databases) -> None:
    ran: list[list[str]] = []
    together = threading.Barrier(4)

    def start(url: str) -> None:
        store = PostgresStore.open(url)
        together.wait()
        ran.append(store.migrate())
        store.close()

    with postgres.database() as url:
        threads = [threading.Thread(target=start, args=(url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ran) == [[], [], [], [migration.name for migration in shipped()]]


def test_a_migration_that_changed_or_is_unknown_stops_the_start(postgres: Databases) -> None:
    with postgres.database() as url:
        link = Link(url, writer=True)
        first, *_ = shipped()
        assert migrate(link, [first]) == [first.name]
        with pytest.raises(Conflict, match="another text"):
            migrate(link, [first._replace(script="select 1")])
        with pytest.raises(Conflict, match="newer version"):
            migrate(link, [first._replace(number=2)])
        assert migrate(link, [first]) == []
        link.close()


def test_a_migration_that_fails_leaves_nothing(postgres: Databases) -> None:
    with postgres.database() as url:
        link = Link(url, writer=True)
        first, *_ = shipped()
        broken = first._replace(script="create table half (a int); create table half (b int)")
        with pytest.raises(StepwellError):
            migrate(link, [broken])
        assert migrate(link, [first]) == [first.name]
        assert link.fetch("select to_regclass('half')")[0][0] is None
        link.close()


def test_people_read_processes_and_steps_with_sql(pair: tuple[PostgresStore, PostgresStore]) -> None:
    with pair[0].turn() as turn:
        queue = turn.queue(QUEUE)
        turn.save(Changes(new_processes=[process(64, output=b'{"a":1}')], new_steps=[ready(65, queue, 1)]))
    link = pair[0]._link
    assert link.fetch('select output, "stepIdCount" from processes')[0][0] == '{"a":1}'
    assert link.fetch('select "processId", "queueName" from steps')[0][:] == (64, QUEUE.name)


# -- several writers


def test_what_one_node_has_in_its_hands_is_not_claimed_by_another(
    pair: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = pair
    with a.turn() as turn:
        queue = turn.queue(QUEUE)
        turn.save(Changes(new_steps=[ready(65 + at, queue, at) for at in range(5)]))
    with a.turn() as mine:
        assert [step.id for step in mine.claim(queue, 2, 1, NOW, 10, "h", "w")] == [65, 66]
        with b.turn() as theirs:
            assert [step.id for step in theirs.claim(queue, 9, 2, NOW, 10, "h", "w")] == [67, 68, 69]
    with b.turn() as turn:
        assert turn.claim(queue, 9, 3, NOW, 10, "h", "w") == []


def test_numbers_of_two_nodes_never_meet(pair: tuple[PostgresStore, PostgresStore]) -> None:
    a, b = pair
    ids: list[int] = []
    claims: list[int] = []
    for blocks in (1, 2_000, 3, 1_024, 70_000):
        for store in (a, b):
            with store.turn() as turn:
                first = turn.reserve(blocks)
                ids += [first, first + blocks * 64 - 1]
                claims += [turn.next_claim_id() for _ in range(600)]
    runs = sorted(zip(ids[::2], ids[1::2], strict=True))
    assert all(last < first for (_, last), (first, _) in pairwise(runs))
    assert len(set(claims)) == len(claims)


def test_an_entry_is_written_only_while_it_is_what_the_turn_has_read(
    pair: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = pair
    key = (EntryKind.VARIABLE, "default", "v")

    def write(store: PostgresStore, body: bytes, before_save: Callable[[], None] = lambda: None) -> int:
        with store.turn() as turn:
            known = turn.entry(*key)
            before_save()
            version = 1 if known is None else known.version + 1
            turn.save(Changes(entries=[entry("v", body=body, version=version)]))
            return version

    with pytest.raises(Overtaken):
        write(a, b"1", lambda: write(b, b"2") and None)
    assert write(a, b"3") == 2, "this time it is held while it is read and written"
    with pytest.raises(Overtaken):
        write(a, b"4", lambda: write(b, b"5") and None)
    found = b.reads.entry(*key)
    assert found is not None and (found.body, found.version) == (b"5", 3)


def test_a_definition_that_two_nodes_put_at_once_is_put_once(
    pair: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = pair
    with b.turn() as turn:
        turn.put_definition(definition("other", 1))
    told: list[type] = []

    def second() -> None:
        try:
            with b.turn() as turn:
                turn.put_definition(definition("d", 1))
        except StepwellError as error:
            told.append(type(error))

    with a.turn() as turn:
        turn.put_definition(definition("d", 1))
        thread = threading.Thread(target=second)
        thread.start()
        until(lambda: _waiting(a))
    thread.join()
    assert told == [Overtaken]
    with pytest.raises(Conflict), b.turn() as turn:
        turn.put_definition(definition("d", 1))


def _waiting(store: PostgresStore) -> int:
    """How many sessions wait for a lock."""
    rows = store.reads._ask("select count(*) from pg_stat_activity where wait_event_type = 'Lock'", ())  # type: ignore[attr-defined]
    return int(rows[0][0])


def test_hints_reach_the_other_nodes(pair: tuple[PostgresStore, PostgresStore]) -> None:
    a, b = pair
    heard: list[str] = []
    assert b.listen(heard.append) and a.listen(lambda _: None)
    until(lambda: "" in heard)
    for number in range(50):
        a.tell(f"hint {number}")
    until(lambda: "hint 49" in heard)
    assert [hint for hint in heard if hint] == [f"hint {number}" for number in range(50)]
    a.tell("x" * 9_000)
    until(lambda: heard[-1] == "")


# -- outages


def write_process(store: PostgresStore, id: int) -> None:
    with store.turn() as turn:
        turn.save(Changes(new_processes=[process(id)]))


def test_a_commit_of_which_the_answer_was_lost_is_a_commit(postgres_url: str) -> None:
    with Proxy(postgres_url) as proxy:
        store = PostgresStore.open(proxy.url)
        write_process(store, 64)
        proxy.mark, proxy.cut = b"; commit", Cut.AFTER
        write_process(store, 128)
        assert proxy.cuts == 1 and store.reads.process(128) == process(128)
        store.close()


def test_a_commit_that_never_got_there_is_none(postgres_url: str) -> None:
    with Proxy(postgres_url) as proxy:
        store = PostgresStore.open(proxy.url)
        write_process(store, 64)
        proxy.mark, proxy.cut = b"; commit", Cut.BEFORE
        with pytest.raises(Busy, match="nothing was committed"):
            write_process(store, 128)
        assert proxy.cuts == 1 and store.reads.process(128) is None
        write_process(store, 128)
        store.close()


def test_a_commit_that_arrives_when_it_was_given_up_is_none(postgres_url: str) -> None:
    """Otherwise the turn would be run again, and both would count."""
    with Proxy(postgres_url) as proxy:
        store = PostgresStore.open(proxy.url)
        write_process(store, 64)
        proxy.mark, proxy.cut = b"; commit", Cut.LATE
        with pytest.raises(Overtaken, match="nothing was committed"):
            write_process(store, 128)
        proxy.let_go()
        assert store.reads.process(128) is None
        write_process(store, 128)
        store.close()


def test_a_connection_that_is_lost_in_a_turn_costs_that_turn_only(postgres_url: str) -> None:
    with Proxy(postgres_url) as proxy:
        store = PostgresStore.open(proxy.url)
        proxy.mark, proxy.cut = STATEMENTS["insert_process"][:20].encode(), Cut.AFTER
        with pytest.raises(Unreachable):
            write_process(store, 64)
        assert proxy.cuts == 1 and store.reads.process(64) is None
        write_process(store, 64)
        store.close()


def test_connections_that_died_while_nobody_used_them_cost_nothing(postgres_url: str) -> None:
    store = PostgresStore.open(postgres_url)
    write_process(store, 64)
    assert store.reads.process(64)
    other = PostgresStore.open(postgres_url)
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
    other._link.execute(f"{kill} and application_name = 'stepwell'")
    with store.reads.snapshot():
        assert store.reads.process(64)
    other._link.execute(f"{kill} and application_name = 'stepwell'")
    assert store.reads.process(64)
    write_process(store, 128)
    store.close()
    other.close()


def test_a_database_that_only_reads_is_left(postgres_url: str) -> None:
    """After a failover the old primary may still answer: as a standby."""
    store = PostgresStore.open(postgres_url)
    store._link.execute("set default_transaction_read_only = on")
    with pytest.raises(Unreachable, match="read-only"):
        write_process(store, 64)
    write_process(store, 64)
    store.close()


def test_a_database_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(Unreachable):
        PostgresStore.open("postgresql://nobody@127.0.0.1:1/none")


def test_an_error_that_somebody_swallowed_is_not_committed(pair: tuple[PostgresStore, PostgresStore]) -> None:
    store, _ = pair
    write_process(store, 64)
    with pytest.raises(Conflict), store.turn() as turn:
        turn.save(Changes(new_processes=[process(128)]))
        with suppress(Conflict):
            turn.save(Changes(new_processes=[process(64)]))
    assert store.reads.process(128) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.SerializationError("x"), Overtaken),
        (asyncpg.DeadlockDetectedError("x"), Overtaken),
        (asyncpg.LockNotAvailableError("x"), Busy),
        (asyncpg.DiskFullError("x"), Busy),
        (asyncpg.AdminShutdownError("x"), Unreachable),
        (asyncpg.CannotConnectNowError("x"), Unreachable),
        (asyncpg.ConnectionDoesNotExistError("x"), Unreachable),
        (ConnectionResetError(), Unreachable),
        (TimeoutError(), Unreachable),
        (asyncpg.UniqueViolationError("x"), Conflict),
        (asyncpg.UndefinedTableError("x"), StepwellError),
    ],
)
def test_errors_of_the_driver_are_known_by_ours(error: Exception, kind: type) -> None:
    assert type(ours(error)) is kind
