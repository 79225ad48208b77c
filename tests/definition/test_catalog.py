"""Versions of definitions, policies, namespaces and clients, on the memory store."""

from hashlib import sha256

import pytest

from stepwell.model.client import GRANTABLE, Permission
from stepwell.model.codec import decode_as
from stepwell.model.definition import ProcessDefinition, StepDefinition
from stepwell.model.error_policy import ErrorPolicy, Reaction
from stepwell.model.errors import Conflict, Invalid, NotFound
from stepwell.runtime import catalog
from stepwell.store.memory import MemoryStore


@pytest.fixture
def store():
    return MemoryStore()


def definition(version=None, note="", **fields):
    steps = (StepDefinition(ref="a"),)
    return ProcessDefinition(name="p", version=version, description=note, steps=steps, **fields)


def put(store, version=None, note="", *, now=100, by="ann", update=False):
    with store.turn() as turn:
        return catalog.put_definition(turn, now, definition(version, note), by, update=update)


def versions(store):
    return store.reads.versions("default", "p")


def test_versions_count_up(store):
    assert [put(store).version, put(store).version, put(store, 7).version, put(store).version] == [1, 2, 7, 8]
    assert versions(store) == [1, 2, 7, 8]


def test_same_version_and_content_changes_nothing(store):
    first = put(store, 3, "x")
    again = put(store, 3, "x", now=200, by="bob", update=True)
    assert again == first
    assert versions(store) == [3]


@pytest.mark.parametrize("update", [False, True])
def test_conflicts(store, update):
    put(store, 3, "x")
    with pytest.raises(Conflict, match="other content"):
        put(store, 3, "y", update=update)
    with pytest.raises(Conflict, match="lower"):
        put(store, 2, "x", update=update)
    assert versions(store) == [3]


def test_update_needs_something_to_update(store):
    with pytest.raises(NotFound):
        put(store, 1, update=True)


def test_a_deleted_number_is_never_used_for_other_content(store):
    first = put(store, 1, "x")
    with store.turn() as turn:
        assert catalog.delete_definitions(turn, 1, "default", "p") == 1
    assert versions(store) == []
    with pytest.raises(Conflict, match="deleted"):
        put(store, 1, "y")
    assert put(store, None, "y").version == 2
    assert put(store, 1, "x") == first
    assert versions(store) == [1, 2]


def test_delete_one_version_or_nothing(store):
    put(store, 1)
    put(store, 2)
    with store.turn() as turn:
        assert catalog.delete_definitions(turn, 1, "default", "p", 1) == 1
    assert versions(store) == [2]
    for version in (1, 9):
        with pytest.raises(NotFound), store.turn() as turn:
            catalog.delete_definitions(turn, 1, "default", "p", version)


def test_audit_fields(store):
    put(store, 1, now=100, by="ann")
    stored = put(store, 2, now=200, by="bob")
    assert (stored.created, stored.created_by, stored.updated, stored.updated_by) == (100, "ann", 200, "bob")
    content = decode_as(stored.content, ProcessDefinition)
    assert content.version == 2
    for part in (content, *content.steps):
        assert (part.created, part.created_by, part.updated, part.updated_by) == (100, "ann", 200, "bob")


def test_namespaces_come_with_what_is_put_into_them(store):
    with store.turn() as turn:
        catalog.put_definition(turn, 5, definition(namespace="shop"), "ann", update=False)
        catalog.put_policy(turn, 6, ErrorPolicy(namespace="pay", name="retry"), "ann")
        again = catalog.put_namespace(turn, 7, "shop", "other", "bob")
        with pytest.raises(Invalid):
            catalog.put_namespace(turn, 7, "a/b", "", "bob")
    assert again.created == 5
    assert {namespace.name for namespace in store.reads.namespaces()} >= {"shop", "pay"}


def test_policies(store):
    with store.turn() as turn:
        catalog.put_policy(turn, 5, ErrorPolicy(name="retry", failure=Reaction(retry_count=1)), "ann")
        catalog.put_policy(turn, 6, ErrorPolicy(name="retry", failure=Reaction(retry_count=2)), "bob")
    policy = store.reads.policy("default", "retry")
    assert policy.failure.retry_count == 2
    assert (policy.created, policy.created_by, policy.updated, policy.updated_by) == (5, "ann", 6, "bob")
    with store.turn() as turn:
        catalog.delete_policy(turn, 7, "default", "retry")
        with pytest.raises(NotFound):
            catalog.delete_policy(turn, 7, "default", "retry")


def test_clients(store):
    with store.turn() as turn:
        client = catalog.create_client(turn, 5, "cid-1", "tok-1", [Permission.WORK], expires=50)
        with pytest.raises(Conflict):
            catalog.create_client(turn, 5, "cid-1", "tok-2", GRANTABLE)
    carried = "65dcf16ea3dfa49069628089eb4a75483070f5584b2a21ee64912b5f621f12da"
    assert client.token_hash == sha256(carried.encode()).hexdigest()
    assert client.is_valid(49)
    assert not client.is_valid(50)
    with store.turn() as turn:
        revoked = catalog.revoke_client(turn, 6, "cid-1")
        assert catalog.revoke_client(turn, 9, "cid-1") == revoked
        with pytest.raises(NotFound):
            catalog.revoke_client(turn, 6, "no")
    assert not store.reads.client("cid-1").is_valid(7)


@pytest.mark.parametrize(
    ("client_id", "token", "permissions", "expires", "path"),
    [
        ("", "t", GRANTABLE, 0, "clientId"),
        (" a", "t", GRANTABLE, 0, "clientId"),
        ("ü", "t", GRANTABLE, 0, "clientId"),
        ("a", "", GRANTABLE, 0, "token"),
        ("a", "t", (), 0, "permissions"),
        ("a", "t", (Permission.PUBLIC,), 0, "permissions"),
        ("a", "t", GRANTABLE, 5, "expires"),
    ],
)
def test_clients_refused(store, client_id, token, permissions, expires, path):
    with store.turn() as turn, pytest.raises(Invalid) as refused:
        catalog.create_client(turn, 5, client_id, token, permissions, expires)
    assert [problem.path for problem in refused.value.problems] == [path]
