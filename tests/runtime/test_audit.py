"""One line for every administrative act, in the transaction of the act; none for an act that was refused."""

import pytest

from stepwell.engine.events import TerminateRequested
from stepwell.model.client import Permission
from stepwell.model.codec import decode
from stepwell.model.entry import EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.runtime.catalog import (
    create_client,
    delete_definitions,
    delete_policy,
    put_namespace,
    put_policy,
    revoke_client,
)
from stepwell.runtime.entries import delete_entry, put_secret, put_variable
from stepwell.runtime.requests import Actor
from tests.runtime.lanes import event_ask, worker


def lines(lanes, **more):
    return [(line.who, line.what, line.target) for line in lanes.store.reads.audit(**more)][::-1]


ACTS = [
    (
        lambda t, now, v: put_variable(t, now, "default", "v", 1, "me", "tidy"),
        [("me", "PUT_NAMESPACE", "default"), ("me", "PUT_VARIABLE", "default/v")],
    ),
    (
        lambda t, now, v: put_secret(t, now, v, "default", "s", "value", "me"),
        [("me", "PUT_NAMESPACE", "default"), ("me", "PUT_SECRET", "default/s")],
    ),
    (
        lambda t, now, v: create_client(t, now, "c", "t", [Permission.READ], 0, "me"),
        [("me", "CREATE_CLIENT", "c")],
    ),
    (lambda t, now, v: put_namespace(t, now, "n", "", "me"), [("me", "PUT_NAMESPACE", "n")]),
    (
        lambda t, now, v: put_policy(t, now, ErrorPolicy(name="e"), "me"),
        [("me", "PUT_NAMESPACE", "default"), ("me", "PUT_ERROR_POLICY", "default/e")],
    ),
]
UNDONE = [
    (
        lambda t, now: delete_entry(t, now, EntryKind.VARIABLE, "default", "v", "me", "old"),
        ("me", "DELETE_VARIABLE", "default/v"),
    ),
    (
        lambda t, now: delete_entry(t, now, EntryKind.SECRET, "default", "s", "me"),
        ("me", "DELETE_SECRET", "default/s"),
    ),
    (lambda t, now: revoke_client(t, now, "c", "me"), ("me", "REVOKE_CLIENT", "c")),
    (lambda t, now: delete_policy(t, now, "default", "e", "me"), ("me", "DELETE_ERROR_POLICY", "default/e")),
    (
        lambda t, now: delete_definitions(t, now, "default", "p", None, "me"),
        ("me", "DELETE_DEFINITION", "default/p"),
    ),
]


@pytest.mark.parametrize(("act", "expected"), ACTS)
def test_what_is_made_is_noted(lanes, act, expected):
    lanes.errand(lambda turn, now: act(turn, now, lanes.vault))
    assert lines(lanes) == expected
    assert "value" not in repr(lanes.store.reads.audit())


@pytest.mark.parametrize(("act", "expected"), UNDONE)
def test_what_is_taken_away_is_noted_once(lanes, act, expected):
    lanes.define(worker("a"))
    for make, _ in ACTS:
        lanes.errand(lambda turn, now, make=make: make(turn, now, lanes.vault))
    before = len(lines(lanes))
    lanes.errand(act)
    assert lines(lanes)[before:] == [expected]
    try:
        lanes.errand(act)
    except Exception as refused:
        assert type(refused).__name__ == "NotFound"
    assert len(lines(lanes)) == before + 1, "nothing was done the second time"


def test_a_definition_is_noted_once_for_each_version(lanes):
    lanes.define(worker("a"), version=1)
    lanes.define(worker("a"), version=1)
    lanes.define(worker("b"), version=2)
    found = [line for line in lanes.store.reads.audit() if line.what == "PUT_DEFINITION"]
    assert [decode(line.detail)["version"] for line in found] == [2, 1]


def test_operations_are_noted_when_they_were_done(lanes):
    lanes.define(worker("a"))
    process = lanes.start()
    actor = Actor("op", "it hangs")
    lanes.turn(event_ask(process.id, TerminateRequested(reason="it hangs"), actor))
    lanes.turn(event_ask(process.id, TerminateRequested(reason="it hangs"), actor))
    lanes.turn(event_ask(999_936, TerminateRequested(), actor))
    (line,) = lanes.store.reads.audit(process.id)
    assert (line.who, line.what, line.process_id, line.why) == ("op", "TERMINATE", process.id, "it hangs")
    assert lanes.store.reads.audit(999_936) == []
