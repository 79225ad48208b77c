"""Errands about decision tables. Versions are never changed; the newest is found by the name alone.

Each runs inside a turn, beside decisions, and leaves everything as it was when it raises.
"""

from collections.abc import Mapping

from stepwell.definition.stored_table import (
    SEPARATOR,
    entry_name,
    hide,
    is_hidden,
    read_entry,
    tombstone,
)
from stepwell.model.codec import EMPTY, Json, canonical, change, encode
from stepwell.model.decision_table import DecisionTable
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Conflict, Invalid, NotFound, Problem
from stepwell.runtime.audit import note
from stepwell.runtime.catalog import put_namespace
from stepwell.store.port import Changes, Turn

KIND = EntryKind.DECISION_TABLE


def put_decision_table(turn: Turn, now: int, table: DecisionTable, by: str) -> DecisionTable:
    """Store a checked table as a new version, or answer the same one. Without a version it becomes the next one.

    Raises Conflict when the version exists with other content, was deleted, or is lower than the latest; Invalid for a
    name that cannot be told from a version.
    """
    if SEPARATOR in table.name:
        raise Invalid(problems=(Problem("name", f"contains {SEPARATOR}", "BAD_NAME"),))
    where = f"{table.namespace}/{table.name}"
    newest = turn.entry(KIND, table.namespace, table.name)
    versions = _versions(turn, table.namespace, table.name)
    highest = max(versions, default=0)
    version = table.version if table.version is not None else highest + 1
    if version in versions:
        return _again(turn, now, change(table, version=version), versions, by)
    if version <= highest:
        raise Conflict(f"version {version} of {where} is lower than the latest, which is {highest}")
    latest = read_entry(newest.body) if newest else None
    stored = change(
        table,
        version=version,
        created=latest.created if latest else now,
        created_by=latest.created_by if latest else by,
        updated=now,
        updated_by=by,
    )
    put_namespace(turn, now, table.namespace, "", by)
    changed = {version: canonical(stored)}
    _save(turn, now, table.namespace, table.name, {**versions, **changed}, changed, by)
    note(turn, now, by, "PUT_DECISION_TABLE", where, detail=encode({"version": version}))
    return stored


def _again(
    turn: Turn, now: int, table: DecisionTable, versions: Mapping[int, Json], by: str
) -> DecisionTable:
    """A version that exists is put again: the same content shows it again if it was hidden. Raises Conflict."""
    version = table.version or 0
    where = f"{table.namespace}/{table.name}"
    stored = read_entry(versions[version])
    if stored is None or _content(stored) != _content(table):
        raise Conflict(f"version {version} of {where} exists with other content; give it a higher version")
    if is_hidden(versions[version]):
        changed = {version: canonical(stored)}
        _save(turn, now, table.namespace, table.name, {**versions, **changed}, changed, by)
        note(turn, now, by, "PUT_DECISION_TABLE", where, detail=encode({"version": version}))
    return stored


def decision_table(turn: Turn, namespace: str, name: str, version: int | None = None) -> DecisionTable:
    """That version, or the newest. Raises NotFound."""
    entry = None if SEPARATOR in name else turn.entry(KIND, namespace, entry_name(name, version))
    table = None if entry is None else read_entry(entry.body)
    if table is None:
        which = "" if version is None else f" version {version}"
        raise NotFound(f"there is no decision table {namespace}/{name}{which}")
    return table


def delete_decision_table(
    turn: Turn, now: int, namespace: str, name: str, by: str, version: int | None = None
) -> None:
    """Hide that version, or all of them: without a version the newest of the others is found, if there is one. Whoever
    names a version still finds it. Raises NotFound, also for a version that is hidden already.
    """
    decision_table(turn, namespace, name)
    versions = _versions(turn, namespace, name)
    gone = {number for number, body in versions.items() if version in (None, number) and not is_hidden(body)}
    if not gone:
        raise NotFound(f"there is no decision table {namespace}/{name} version {version}, or it is deleted")
    changed = {number: hide(versions[number]) for number in gone}
    _save(turn, now, namespace, name, {**versions, **changed}, changed, by)
    detail = EMPTY if version is None else encode({"version": version})
    note(turn, now, by, "DELETE_DECISION_TABLE", f"{namespace}/{name}", detail=detail)


def _versions(turn: Turn, namespace: str, name: str) -> dict[int, Json]:
    """The bodies of all versions, hidden ones too."""
    before = name + SEPARATOR
    entries = turn.entries(KIND, namespace, before)
    return {int(entry.name.removeprefix(before)): entry.body for entry in entries}


def _save(
    turn: Turn,
    now: int,
    namespace: str,
    name: str,
    versions: Mapping[int, Json],
    changed: Mapping[int, Json],
    by: str,
) -> None:
    """Write the changed ones of all versions, and under the name the newest that is not hidden."""
    shown = [number for number, body in versions.items() if not is_hidden(body)]
    newest = versions[max(shown)] if shown else tombstone(max(versions))
    bodies = {entry_name(name, number): body for number, body in changed.items()} | {name: newest}
    turn.save(Changes(entries=[_entry(turn, now, namespace, key, body, by) for key, body in bodies.items()]))


def _entry(turn: Turn, now: int, namespace: str, name: str, body: Json, by: str) -> Entry:
    before = turn.entry(KIND, namespace, name)
    return Entry(
        kind=KIND,
        namespace=namespace,
        name=name,
        body=body,
        version=before.version + 1 if before else 1,
        created=before.created if before else now,
        updated=now,
        updated_by=by,
    )


def _content(table: DecisionTable) -> Json:
    return canonical(change(table, created=0, updated=0, created_by=None, updated_by=None))
