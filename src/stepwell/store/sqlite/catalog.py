"""What both sides of the store read: definitions, policies, clients, entries, payloads kept apart."""

from typing import Any

import apsw

from stepwell.model.client import ClientApplication
from stepwell.model.codec import Json, decode_as
from stepwell.model.definition import StoredDefinition
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import StepwellError
from stepwell.store.packing import unpack
from stepwell.store.sqlite.queries import STATEMENTS
from stepwell.store.sqlite.rows import Row, client_of, definition_of, entry_of


class Catalog:
    """Reads through whatever connection its subclass has."""

    @property
    def _connection(self) -> apsw.Connection:
        raise NotImplementedError

    def _all(self, name: str, *values: Any) -> list[Row]:
        return self._connection.execute(STATEMENTS[name], values).fetchall()

    def _first(self, name: str, *values: Any) -> Row | None:
        rows = self._all(name, *values)
        return rows[0] if rows else None

    def _fetch(self, process_id: int, reference: str) -> Json:
        row = self._first("blob", process_id, reference)
        if row is None:
            raise StepwellError(
                f"payload {reference} of process {process_id} is gone", code="PAYLOAD_MISSING"
            )
        return unpack(row[0])

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
