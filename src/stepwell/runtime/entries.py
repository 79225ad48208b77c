"""Errands about variables, secrets and persisted state.

A secret is sealed before it comes near the store, and never read back.

Each runs inside a turn, beside decisions, and leaves everything as it was when it raises.
"""

import re
from collections.abc import Callable
from typing import Any

from stepwell.definition.names import name_problems
from stepwell.model.codec import Json, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Invalid, NotFound, Problem
from stepwell.runtime.audit import note
from stepwell.runtime.catalog import put_namespace
from stepwell.runtime.secrets import seal_secret
from stepwell.runtime.vault import Vault
from stepwell.store.port import Changes, Turn

LARGEST = 64 * 1024
"""Bytes of one value."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")

_SAID = {
    EntryKind.VARIABLE: "variable",
    EntryKind.SECRET: "secret",
    EntryKind.STATE: "persisted value",
}


def put_variable(
    turn: Turn, now: int, namespace: str, name: str, value: Any, by: str, why: str = ""
) -> Entry:
    """Create or replace a variable: any JSON value. Raises Invalid."""
    _check_name(name)
    body = encode(value)
    _check_size(len(body))
    return _put(turn, now, EntryKind.VARIABLE, namespace, name, lambda version: body, by, why)


def put_secret(
    turn: Turn, now: int, vault: Vault, namespace: str, name: str, value: Any, by: str, why: str = ""
) -> Entry:
    """Create or replace a secret: a text that is not empty. Raises Invalid, which says nothing of the value."""
    _check_name(name)
    if not isinstance(value, str) or not value:
        raise Invalid(problems=(Problem("value", "must be a text that is not empty", "WRONG_KIND"),))
    _check_size(len(value.encode("utf-8", "replace")))

    def sealed(version: int) -> Json:
        return seal_secret(vault, namespace, name, version, value)

    return _put(turn, now, EntryKind.SECRET, namespace, name, sealed, by, why)


def put_state(turn: Turn, now: int, namespace: str, name: str, value: Any, by: str, why: str = "") -> Entry:
    """Create or replace a persisted value, as a PERSISTED_STATE step does: any JSON value. Raises Invalid."""
    problems = name_problems(name, "name", slash=True)
    if problems:
        raise Invalid(problems=tuple(problems))
    body = encode(value)
    return _put(turn, now, EntryKind.STATE, namespace, name, lambda version: body, by, why)


def delete_entry(
    turn: Turn, now: int, kind: EntryKind, namespace: str, name: str, by: str, why: str = ""
) -> None:
    """Raises NotFound. Steps that are scheduled later and name it find nothing."""
    if turn.entry(kind, namespace, name) is None:
        raise NotFound(f"there is no {_SAID[kind]} {namespace}/{name}")
    turn.save(Changes(dropped_entries=[(kind, namespace, name)]))
    note(turn, now, by, f"DELETE_{kind}", f"{namespace}/{name}", why=why)


def _put(
    turn: Turn,
    now: int,
    kind: EntryKind,
    namespace: str,
    name: str,
    body: Callable[[int], Json],
    by: str,
    why: str,
) -> Entry:
    put_namespace(turn, now, namespace, "", by)
    before = turn.entry(kind, namespace, name)
    version = before.version + 1 if before else 1
    entry = Entry(
        kind=kind,
        namespace=namespace,
        name=name,
        body=body(version),
        version=version,
        created=before.created if before else now,
        updated=now,
        updated_by=by,
    )
    turn.save(Changes(entries=[entry]))
    note(turn, now, by, f"PUT_{kind}", f"{namespace}/{name}", why=why, detail=encode({"version": version}))
    return entry


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        message = "must be 1 to 128 letters, digits, '_' or '-': templates name it"
        raise Invalid(problems=(Problem("name", message, "BAD_NAME"),))


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise Invalid(problems=(Problem("value", f"is larger than {LARGEST} bytes", "LIMIT"),))
