"""Versions of decision tables, on the memory store."""

import pytest

from stepwell.model.codec import change
from stepwell.model.decision_table import Column, DecisionTable, Rule
from stepwell.model.errors import Conflict, Invalid, NotFound
from stepwell.runtime.decision_tables import decision_table, delete_decision_table, put_decision_table
from stepwell.store.memory import MemoryStore


@pytest.fixture
def store():
    return MemoryStore()


def table(version=None, rate=1, **fields):
    rules = (Rule(conditions={"score": "> 7"}, outputs={"rate": rate}),)
    columns = {"inputs": (Column(name="score"),), "outputs": (Column(name="rate"),)}
    return DecisionTable(name="rates", version=version, rules=rules, **columns, **fields)


def put(store, *args, now=100, by="ann", **fields):
    with store.turn() as turn:
        return put_decision_table(turn, now, table(*args, **fields), by)


def get(store, version=None, name="rates"):
    with store.turn() as turn:
        return decision_table(turn, "default", name, version)


def delete(store, version=None):
    with store.turn() as turn:
        delete_decision_table(turn, 500, "default", "rates", "bob", version)


def rate(found):
    return found.rules[0].outputs["rate"]


def test_versions_count_up_and_the_newest_is_found_by_name(store):
    assert [put(store, None, n).version for n in (1, 2)] == [1, 2]
    assert put(store, 9, 9).version == 9
    assert [rate(get(store, version)) for version in (None, 1, 2, 9)] == [9, 1, 2, 9]


def test_who_made_it_first_stays(store):
    put(store, now=100, by="ann")
    put(store, None, 2, now=200, by="bob")
    newest = get(store)
    assert (newest.created, newest.created_by, newest.updated, newest.updated_by) == (100, "ann", 200, "bob")


def test_the_same_content_again_changes_nothing(store):
    first = put(store, 3)
    assert put(store, 3, now=900, by="bob") == first
    assert get(store) == first


def test_other_content_or_a_lower_version_is_refused(store):
    put(store, 3)
    with pytest.raises(Conflict, match="other content"):
        put(store, 3, 2)
    with pytest.raises(Conflict, match="lower than the latest, which is 3"):
        put(store, 2)
    assert get(store) == change(table(3), created=100, updated=100, created_by="ann", updated_by="ann")


def test_after_a_deletion_versions_go_on(store):
    put(store)
    put(store, None, 2)
    delete(store)
    with pytest.raises(NotFound):
        get(store)
    with pytest.raises(NotFound):
        delete(store)
    assert rate(get(store, 1)) == 1
    with pytest.raises(Conflict):
        put(store, 2, 7)
    assert put(store, None, 3).version == 3
    assert rate(get(store)) == 3


def test_without_a_version_the_newest_that_is_not_hidden_is_found(store):
    for n in (1, 2, 3):
        put(store, None, n)
    delete(store, 3)
    assert [rate(get(store, version)) for version in (None, 1, 2, 3)] == [2, 1, 2, 3]
    delete(store, 1)
    assert rate(get(store)) == 2
    delete(store, 2)
    with pytest.raises(NotFound):
        get(store)
    assert [rate(get(store, version)) for version in (1, 2, 3)] == [1, 2, 3]


def test_a_number_is_never_used_again(store):
    put(store)
    put(store, None, 2)
    delete(store, 2)
    with pytest.raises(Conflict, match="other content"):
        put(store, 2, 7)
    assert put(store, None, 7).version == 3
    delete(store)
    assert put(store, None, 8).version == 4
    delete(store, 4)
    with pytest.raises(NotFound):
        get(store)


def test_the_same_content_again_shows_a_version_again(store):
    put(store)
    second = put(store, None, 2)
    delete(store, 2)
    assert put(store, 2, 2, now=900, by="bob") == second == get(store)
    delete(store)
    assert put(store, 1) == get(store)


def test_what_is_hidden_or_unknown_cannot_be_deleted(store):
    with pytest.raises(NotFound):
        delete(store, 1)
    put(store)
    put(store, None, 2)
    for version in (0, 3):
        with pytest.raises(NotFound):
            delete(store, version)
    delete(store, 1)
    with pytest.raises(NotFound, match="version 1, or it is deleted"):
        delete(store, 1)
    assert [line.detail for line in store.reads.audit(limit=1)] == [b'{"version":1}']


def test_a_version_cannot_be_reached_as_a_name(store):
    put(store)
    with pytest.raises(NotFound):
        get(store, name="rates@1")
    with store.turn() as turn, pytest.raises(NotFound):
        delete_decision_table(turn, 500, "default", "rates@1", "bob")
    assert rate(get(store, 1)) == 1


def test_what_changed_is_audited(store):
    put(store)
    put(store, 1, now=200)
    delete(store)
    lines = [(line.who, line.what, line.target, line.detail) for line in store.reads.audit()][::-1]
    assert lines[1:] == [
        ("ann", "PUT_DECISION_TABLE", "default/rates", b'{"version":1}'),
        ("bob", "DELETE_DECISION_TABLE", "default/rates", b"{}"),
    ]


def test_unknown_ones_and_bad_names(store):
    put(store)
    for name, version in (("other", None), ("rates", 2)):
        with pytest.raises(NotFound):
            get(store, version, name)
    with store.turn() as turn, pytest.raises(Invalid):
        put_decision_table(turn, 1, change(table(), name="a@1"), "ann")
