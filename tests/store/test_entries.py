"""Named things of a namespace and the lines of the audit, asked of every store."""

import pytest

from stepwell.model.codec import change
from stepwell.model.entry import EntryKind
from stepwell.store.port import Changes, Store
from tests.store.records import NOW, audit, entry


def put(store: Store, **changes: object) -> None:
    with store.turn() as turn:
        assert not turn.save(Changes(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", EntryKind)
def test_every_column_of_an_entry_comes_back(store: Store, kind: EntryKind) -> None:
    full = entry(
        "näme/ref",
        kind=kind,
        namespace="ns",
        body=b"\x00\xff",
        version=2,
        created=3,
        updated=4,
        updated_by="me",
        expires=5,
    )
    put(store, entries=[full])
    assert store.reads.entry(kind, "ns", "näme/ref") == full
    assert store.reads.entries(kind) == [full]
    with store.turn() as turn:
        assert turn.entry(kind, "ns", "näme/ref") == full


def test_an_entry_is_found_by_kind_namespace_and_name_together(store: Store) -> None:
    rows = [
        entry("a"),
        entry("b"),
        entry("a", namespace="z"),
        entry("a", kind=EntryKind.SECRET),
    ]
    put(store, entries=rows[::-1])
    assert store.reads.entries(EntryKind.VARIABLE) == rows[:3]
    assert store.reads.entries(EntryKind.VARIABLE, "z") == [rows[2]]
    assert store.reads.entries(EntryKind.VARIABLE, "nope") == [] == store.reads.entries(EntryKind.HOLD)
    for row in rows:
        assert store.reads.entry(row.kind, row.namespace, row.name) == row
    assert store.reads.entry(EntryKind.SECRET, "default", "b") is None
    with store.turn() as turn:
        assert turn.entry(EntryKind.SECRET, "z", "a") is None


def test_an_entry_is_replaced_whole_and_dropped(store: Store) -> None:
    put(store, entries=[entry("a", expires=5, updated_by="me"), entry("b")])
    again = entry("a", body=b"[2]", version=2)
    put(store, entries=[again])
    key = (EntryKind.VARIABLE, "default", "a")
    put(store, dropped_entries=[(EntryKind.SECRET, "default", "a"), (EntryKind.VARIABLE, "z", "b")])
    assert store.reads.entries(EntryKind.VARIABLE) == [again, entry("b")]
    put(store, dropped_entries=[key])
    assert store.reads.entries(EntryKind.VARIABLE) == [entry("b")]
    put(store, dropped_entries=[key], entries=[again])
    assert store.reads.entry(*key) == again


def test_expired_entries_stand_until_they_are_dropped_earliest_first(store: Store) -> None:
    rows = [
        entry("later", expires=NOW + 1),
        entry("never"),
        entry("now", expires=NOW),
        entry("long ago", expires=1),
        entry("before", kind=EntryKind.CACHE, expires=NOW - 1),
    ]
    put(store, entries=rows)
    with store.turn() as turn:
        assert turn.entry(EntryKind.VARIABLE, "default", "long ago") == rows[3]
        assert turn.drop_expired_entries(NOW, 2) == 2
        assert turn.entry(EntryKind.VARIABLE, "default", "long ago") is None
    assert store.reads.entries(EntryKind.CACHE) == []
    assert store.reads.entries(EntryKind.VARIABLE) == rows[:3]
    with store.turn() as turn:
        assert turn.drop_expired_entries(NOW, 9) == 1
        assert turn.drop_expired_entries(NOW, 9) == 0
    assert store.reads.entries(EntryKind.VARIABLE) == rows[:2]
    put(store, entries=[entry("later")])
    with store.turn() as turn:
        assert turn.drop_expired_entries(NOW * 2, 9) == 0


def test_lines_of_the_audit_are_numbered_and_read_newest_first(store: Store) -> None:
    full = audit(process_id=64, target="default/ch\u00e4rge", why="because", detail=b'{"a":1}', id=77)
    put(store, audit=[full, audit(), audit(process_id=64, who="x")])
    put(store, audit=[audit(process_id=128, at=1)])
    lines = store.reads.audit()
    assert [line.id for line in lines] == [4, 3, 2, 1]
    assert lines[3] == change(full, id=1)
    assert [line.who for line in lines] == ["app", "x", "app", "app"]
    assert store.reads.audit(64) == [lines[1], lines[3]]
    assert store.reads.audit(0) == [lines[2]]
    assert store.reads.audit(limit=2) == lines[:2]
    assert store.reads.audit(before=3, limit=1) == [lines[2]]
    assert store.reads.audit(64, before=3) == [lines[3]]
    assert store.reads.audit(999) == [] == store.reads.audit(before=1)


def test_entries_are_found_by_the_beginning_of_their_names(store: Store) -> None:
    rows = [entry("a/1"), entry("a/2"), entry("ab"), entry("a/1", namespace="z"), entry("ä/1")]
    put(store, entries=rows)
    kind = EntryKind.VARIABLE
    assert store.reads.entries(kind, "default", "a/") == rows[:2]
    assert store.reads.entries(kind, "z", "a/") == [rows[3]]
    assert store.reads.entries(kind, "default", "ä") == [rows[4]]
    assert store.reads.entries(kind, "default", "b") == []
    with store.turn() as turn:
        assert turn.entries(kind, "default", "a/") == rows[:2]
        assert turn.entries(kind, "default", "ä") == [rows[4]]
        assert turn.entries(kind, "default", "") == [*rows[:3], rows[4]]
        assert turn.entries(EntryKind.SECRET, "default", "") == []
