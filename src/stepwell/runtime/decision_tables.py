"""Errands about decision tables. Versions are never changed; the newest is found by the name alone.

Each runs inside a turn, beside decisions, and leaves everything as it was when it raises.
"""

from stepwell.definition.stored_table import (
    SEPARATOR,
    entry_name,
    highest_version,
    read_entry,
    tombstone,
)
from stepwell.model.codec import Json, canonical, change, encode
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
    highest = highest_version(newest.body) if newest else 0
    version = table.version if table.version is not None else highest + 1
    existing = turn.entry(KIND, table.namespace, entry_name(table.name, version))
    if existing is not None:
        stored = read_entry(existing.body)
        if stored is None or _content(stored) != _content(change(table, version=version)):
            raise Conflict(
                f"version {version} of {where} exists with other content; give it a higher version"
            )
        return stored
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
    body = canonical(stored)
    names = (entry_name(table.name, version), table.name)
    turn.save(Changes(entries=[_entry(turn, now, table.namespace, name, body, by) for name in names]))
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


def delete_decision_table(turn: Turn, now: int, namespace: str, name: str, by: str) -> None:
    """It is not found by its name any more; its versions still are. Raises NotFound."""
    table = decision_table(turn, namespace, name)
    body = tombstone(table.version or 1)
    turn.save(Changes(entries=[_entry(turn, now, namespace, name, body, by)]))
    note(turn, now, by, "DELETE_DECISION_TABLE", f"{namespace}/{name}")


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
