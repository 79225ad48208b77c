"""Definitions, policies, clients, namespaces and the search for processes, asked of every store."""

import pytest

from stepwell.model.client import ClientApplication, Permission
from stepwell.model.codec import change
from stepwell.model.definition import ProcessRequest, ProcessType, TagValue
from stepwell.model.error_policy import ErrorPolicy, Reaction, StepErrorAction
from stepwell.model.errors import Conflict
from stepwell.model.namespace import Namespace
from stepwell.model.process import ProcessStatus, TriggerType
from stepwell.model.search import ProcessSearch
from stepwell.store.port import Changes, Store
from tests.store.records import NOW, definition, process


def test_definitions_are_found_hidden_and_shown(store: Store) -> None:
    with store.turn() as turn:
        two = turn.put_definition(definition("b", 2, content='{"é":1}'.encode()))
        one = turn.put_definition(definition("b", 1))
        other = turn.put_definition(definition("a", 1, namespace="z"))
        assert (
            turn.definition(two.id)
            == two
            == change(definition("b", 2, content='{"é":1}'.encode()), id=two.id)
        )
    reads = store.reads
    assert reads.find_definition("default", "b") == two
    assert reads.find_definition("default", "b", 1) == one
    assert reads.find_definition("default", "b", 3) is None
    assert reads.definition(one.id) == one and reads.definition(99) is None
    assert reads.definitions() == [two, other] and reads.definitions("z") == [other]
    assert reads.versions("default", "b") == [1, 2]
    assert reads.all_definitions() == [two, one, other]
    with store.turn() as turn:
        assert turn.hide_definitions("default", "b", 2) == 1
        assert turn.hide_definitions("default", "b", 2) == 0
        assert turn.find_definition("default", "b") == one
        assert turn.find_definition("default", "b", 2) is None
        assert turn.find_definition("default", "b", hidden=True) == change(two, hidden=True)
        assert turn.find_definition("default", "b", 2, hidden=True) == change(two, hidden=True)
    assert reads.versions("default", "b") == [1] and reads.definitions() == [one, other]
    with store.turn() as turn:
        assert turn.hide_definitions("default", "b", None) == 1
    assert reads.find_definition("default", "b") is None and reads.definitions("default") == []
    assert [d.hidden for d in reads.all_definitions()] == [True, True, False]
    with store.turn() as turn:
        turn.show_definition(two.id)
    assert reads.find_definition("default", "b") == two


def test_a_version_of_a_definition_is_put_once_for_ever(store: Store) -> None:
    with store.turn() as turn:
        turn.put_definition(definition("a", 1))
        turn.hide_definitions("default", "a", 1)
    with pytest.raises(Conflict), store.turn() as turn:
        turn.put_definition(definition("a", 1))


def test_a_policy_is_versioned_and_stays_readable_by_id(store: Store) -> None:
    reaction = Reaction(action=StepErrorAction.RETRY, retry_count=3, run_request=ProcessRequest(name="x"))
    with store.turn() as turn:
        first = turn.put_policy(ErrorPolicy(name="p", failure=reaction, version=7))
        second = turn.put_policy(ErrorPolicy(name="p"))
        other = turn.put_policy(ErrorPolicy(name="a", namespace="n"))
        assert (first.version, second.version, other.version) == (1, 2, 1)
        assert len({first.id, second.id, other.id, 0}) == 4
        assert turn.policy("default", "p") == second
        assert turn.policy_by_id(first.id) == first and first.failure == reaction
    assert store.reads.policies() == [second, other] and store.reads.policies("n") == [other]
    with store.turn() as turn:
        assert turn.delete_policy("default", "p") is True
        assert turn.delete_policy("default", "p") is False
        assert turn.policy("default", "p") is None
        assert turn.policy_by_id(second.id) == second and turn.policy_by_id(99) is None
    assert store.reads.policy("default", "p") is None and store.reads.policies() == [other]
    with store.turn() as turn:
        third = turn.put_policy(ErrorPolicy(name="p"))
    assert third.version == 3 and store.reads.policy("default", "p") == third
    versions = [store.reads.policy_version("default", "p", number) for number in (1, 2, 3, 4)]
    assert versions == [first, second, third, None]
    assert store.reads.policy_version("n", "p", 1) is None


def test_clients_are_put_again_under_their_id(store: Store) -> None:
    app = ClientApplication(client_id="b", token_hash="h", permissions=frozenset(Permission), created=1)
    none = ClientApplication(client_id="a", token_hash="h", permissions=frozenset(), created=1, expires=5)
    with store.turn() as turn:
        turn.put_client(app)
        turn.put_client(none)
        assert turn.client("b") == app and turn.client("c") is None
    with store.turn() as turn:
        turn.put_client(change(app, revoked=9))
    assert store.reads.clients() == [none, change(app, revoked=9)]
    assert store.reads.client("b") == change(app, revoked=9) and store.reads.client("c") is None


def test_a_namespace_that_exists_stays_as_it_is(store: Store) -> None:
    with store.turn() as turn:
        turn.put_namespace(Namespace("b", "first", 1, "me"))
        turn.put_namespace(Namespace("a"))
        turn.put_namespace(Namespace("b", "second", 2, "you"))
        assert turn.namespace("b") == Namespace("b", "first", 1, "me") and turn.namespace("c") is None
    assert store.reads.namespaces() == [Namespace("a"), Namespace("b", "first", 1, "me")]


def test_children_are_found_by_their_parent(store: Store) -> None:
    rows = [process(128, parent_id=64), process(192, parent_id=64, depth=1), process(256, parent_id=128)]
    with store.turn() as turn:
        turn.save(Changes(new_processes=[rows[1], process(64), rows[2], rows[0]]))
        turn.save(Changes(processes=[change(rows[0], parent_id=None, parent_step_id=5, depth=5)]))
    assert store.reads.children(64) == rows[:2]
    assert store.reads.children(64, limit=1) == rows[:1]
    assert store.reads.children(128) == rows[2:]
    assert store.reads.children(192) == []


def test_the_newest_process_of_a_name_since_a_moment(store: Store) -> None:
    with store.turn() as turn:
        rows = [
            process(64, created=50),
            process(128, created=90),
            process(192, created=70),
            process(256, created=40),
            process(320, created=95, name="refund"),
            process(384, created=99, namespace="n"),
        ]
        turn.save(Changes(new_processes=rows))
        assert turn.newest_process("default", "order", 0) == rows[3]
        assert turn.newest_process("default", "order", 41) == rows[2]
        assert turn.newest_process("default", "order", 71) == rows[1]
        assert turn.newest_process("default", "order", 90) == rows[1]
        assert turn.newest_process("default", "order", 91) is None
        assert turn.newest_process("n", "order", 91) == rows[5]
        assert turn.newest_process("n", "refund", 0) is None
        turn.save(Changes(new_processes=[process(448, created=NOW)]))
        assert turn.newest_process("default", "order", NOW) == process(448, created=NOW)
        assert turn.newest_process("default", "order", NOW + 1) is None
        assert turn.newest_process("n", "order", NOW * 2) is None


FOUND = [
    process(64, created=10, correlation_id="c1", tags=(TagValue("a", "1"), TagValue("b", "2"))),
    process(128, created=20, name="refund", request_id="r1", status=ProcessStatus.COMPLETED),
    process(192, created=30, namespace="n", status=ProcessStatus.FAILED, definition_id=2, reason="Über %_'"),
    process(
        256, created=40, type=ProcessType.TEST, trigger=TriggerType.SCHEDULED, tags=(TagValue("a", "2"),)
    ),
    process(320, created=50, input=b'{"k":"Needle"}', output=b'{"k":"' + b"x" * 9_000 + b'tail"}'),
]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        (ProcessSearch(), [320, 256, 192, 128, 64]),
        (ProcessSearch(limit=2), [320, 256]),
        (ProcessSearch(limit=2, offset=3), [128, 64]),
        (ProcessSearch(limit=0), []),
        (ProcessSearch(start_ms=20), [320, 256, 192, 128]),
        (ProcessSearch(start_ms=20, end_ms=30), [192, 128]),
        (ProcessSearch(namespace="n"), [192]),
        (ProcessSearch(process_types=("TEST", "DYNAMIC")), [256]),
        (ProcessSearch(trigger_types=("SCHEDULED",)), [256]),
        (ProcessSearch(names=("refund", "order"), process_ids=(64, 128, 7)), [128, 64]),
        (ProcessSearch(correlation_ids=("c1",)), [64]),
        (ProcessSearch(request_ids=("r1", "r2")), [128]),
        (ProcessSearch(statuses=("FAILED", "COMPLETED")), [192, 128]),
        (ProcessSearch(statuses=("FAILED",)), [192]),
        (ProcessSearch(statuses=("NOPE",)), []),
        (ProcessSearch(tags=(TagValue("a", "1"),)), [64]),
        (ProcessSearch(tags=(TagValue("a", "1"), TagValue("b", "2"))), [64]),
        (ProcessSearch(tags=(TagValue("a", "1"), TagValue("b", "3"))), []),
        (ProcessSearch(text="nEEdle"), [320]),
        (ProcessSearch(text="tail"), [320]),
        (ProcessSearch(text="%_'"), [192]),
        (ProcessSearch(text="Über"), [192]),
        (ProcessSearch(text="REFUND"), [128]),
        (ProcessSearch(text="c1", start_ms=11), []),
    ],
)
def test_searches_for_processes(store: Store, search: ProcessSearch, ids: list[int]) -> None:
    with store.turn() as turn:
        turn.save(Changes(new_processes=FOUND))
    assert [found.id for found in store.reads.find_processes(search)] == ids
    assert store.reads.find_processes(search, []) == []
    by_definition = [found.id for found in store.reads.find_processes(ProcessSearch(), [2, 3])]
    assert by_definition == [192]
