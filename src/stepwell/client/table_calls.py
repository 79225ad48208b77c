"""The calls about decision tables and persisted state. As in `calls.py`, nothing here sends."""

from collections.abc import Mapping
from typing import Any, Literal

from stepwell.client.asking import Call, JsonObject, document, get, post, put, query, segment
from stepwell.model.definition import DEFAULT_NAMESPACE

FileFormat = Literal["csv", "xlsx"]


# Decision tables


def put_table(table: Mapping[str, Any] | str) -> Call[JsonObject]:
    """Store a decision table: a mapping, or the text of a JSON or YAML file.

    The same version with the same content changes nothing; without a version it becomes the next one. Raises ApiError
    with every problem that was found.
    """
    return document("POST", "/api/decisionTables", table)


def table(name: str, *, namespace: str = DEFAULT_NAMESPACE, version: int | None = None) -> Call[JsonObject]:
    """One decision table; the newest without `version`."""
    return get(_table(namespace, name), query(version=version))


def tables(*, namespace: str | None = None) -> Call[list[JsonObject]]:
    """The newest version of every decision table, or of those of a namespace."""
    return get("/api/decisionTables", query(namespace=namespace))


def table_versions(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[list[int]]:
    """The versions that exist of one decision table, also of a deleted one."""
    return get(f"{_table(namespace, name)}/versions")


def delete_table(name: str, *, namespace: str = DEFAULT_NAMESPACE, version: int | None = None) -> Call[Any]:
    """It, or that version, is not found by its name alone any more; steps that name a version still find it."""
    return Call(method="DELETE", path=_table(namespace, name), query=query(version=version))


def test_table(
    name: str,
    input: Mapping[str, Any],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    version: int | None = None,
) -> Call[JsonObject]:
    """What the table answers to these values, without any process: `{matches, result, version, warnings}`."""
    return post(f"{_table(namespace, name)}/test", {"input": input}, query(version=version))


def export_table(
    name: str,
    format: FileFormat = "csv",
    *,
    namespace: str = DEFAULT_NAMESPACE,
    version: int | None = None,
) -> Call[bytes]:
    """The table as the bytes of a file."""
    path = f"{_table(namespace, name)}/export"
    return Call(method="GET", path=path, query=query(format=format, version=version), read=_as_it_is)


def import_table(
    file: bytes,
    format: FileFormat,
    *,
    namespace: str | None = None,
    name: str | None = None,
    next_version: bool = False,
) -> Call[JsonObject]:
    """Store the table of a file. `namespace` and `name` win over what the file says; with `next_version` the table
    becomes the next version, whatever the file says."""
    wanted = query(format=format, namespace=namespace, name=name, nextVersion=next_version or None)
    headers = {"Content-Type": "application/octet-stream"}
    return Call(method="POST", path="/api/decisionTables/import", query=wanted, body=file, headers=headers)


def _table(namespace: str, name: str) -> str:
    return f"/api/decisionTables/{segment(namespace)}/{segment(name)}"


def _as_it_is(body: bytes) -> bytes:
    return body


# Persisted state


def put_state(
    name: str, value: Any, *, namespace: str = DEFAULT_NAMESPACE, why: str = ""
) -> Call[JsonObject]:
    """Create or replace a persisted value: any JSON value."""
    return put(_state(namespace, name), {"value": value, "why": why})


def state(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[JsonObject]:
    """One persisted value: `{namespace, name, value, version, created, updated, updatedBy}`."""
    return get(_state(namespace, name))


def states(
    *,
    namespace: str = DEFAULT_NAMESPACE,
    prefix: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Call[list[JsonObject]]:
    """A page of the persisted values of a namespace, by name. `after` is the last name that is known already."""
    path = f"/api/persistedState/{segment(namespace)}"
    return get(path, query(prefix=prefix, after=after, limit=limit))


def delete_state(name: str, *, namespace: str = DEFAULT_NAMESPACE, why: str | None = None) -> Call[Any]:
    return Call(method="DELETE", path=_state(namespace, name), query=query(why=why))


def _state(namespace: str, name: str) -> str:
    return f"/api/persistedState/{segment(namespace)}/{segment(name)}"
