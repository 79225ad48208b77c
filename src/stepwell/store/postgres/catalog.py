"""What both sides of the store read: definitions, policies, clients, entries."""

from typing import Any

from stepwell.model.client import ClientApplication
from stepwell.model.codec import Json, decode_as
from stepwell.model.definition import StoredDefinition
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.store.postgres.link import Row
from stepwell.store.sqlite.rows import client_of, definition_of, entry_of


class Catalog:
    """Reads through whatever link its subclass has."""

    def _all(self, name: str, *values: Any) -> list[Row]:
        raise NotImplementedError

    def _first(self, name: str, *values: Any) -> Row | None:
        rows = self._all(name, *values)
        return rows[0] if rows else None

    def _fetch(self, process_id: int, reference: str) -> Json:
        """Payloads stand in their rows here."""
        raise AssertionError("a payload is a text")

    def definition(self, id: int) -> StoredDefinition | None:
        row = self._first("definition", id)
        return None if row is None else definition_of(row)

    def find_definition(
        self, namespace: str, name: str, version: int | None = None, hidden: bool = False
    ) -> StoredDefinition | None:
        if version is None:
            row = self._first("newest_definition", namespace, name, hidden)
        else:
            row = self._first("definition_version", namespace, name, version)
        found = None if row is None else definition_of(row)
        return found if found is not None and (hidden or not found.hidden) else None

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None:
        row = self._first("policy", namespace, name)
        return None if row is None else decode_as(row[0], ErrorPolicy)

    def client(self, client_id: str) -> ClientApplication | None:
        row = self._first("client", client_id)
        return None if row is None else client_of(row)

    def entry(self, kind: EntryKind, namespace: str, name: str) -> Entry | None:
        row = self._first("entry", kind, namespace, name)
        return None if row is None else entry_of(row)
