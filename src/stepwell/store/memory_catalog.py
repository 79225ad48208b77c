"""A turn's side of the memory store's catalog: definitions, policies, clients, namespaces."""

from stepwell.model.client import ClientApplication
from stepwell.model.codec import change
from stepwell.model.definition import StoredDefinition
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import Conflict
from stepwell.model.namespace import Namespace
from stepwell.store.memory_tables import MemoryTables


class MemoryCatalog:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def definition(self, id: int) -> StoredDefinition | None:
        return self._tables.definition.rows.get(id)

    def find_definition(
        self, namespace: str, name: str, version: int | None = None, hidden: bool = False
    ) -> StoredDefinition | None:
        rows = self._tables.definition.rows
        for id in reversed(self._tables.version.rows.get((namespace, name), ())):
            found = rows[id]
            if (version is None or found.version == version) and (hidden or not found.hidden):
                return found
        return None

    def put_definition(self, definition: StoredDefinition) -> StoredDefinition:
        key = (definition.namespace, definition.name)
        ids, rows = self._tables.version.rows.get(key, ()), self._tables.definition.rows
        if any(rows[id].version == definition.version for id in ids):
            raise Conflict(f"{definition.namespace}/{definition.name} {definition.version} exists already")
        self._tables.last_definition += 1
        stored = change(definition, id=self._tables.last_definition)
        self._insert_definition(stored)
        return stored

    def _insert_definition(self, stored: StoredDefinition) -> None:
        key, rows = (stored.namespace, stored.name), self._tables.definition.rows
        ids = self._tables.version.rows.get(key, ())
        self._tables.definition.put(stored.id, stored)
        self._tables.version.put(key, tuple(sorted((*ids, stored.id), key=lambda id: rows[id].version)))

    def hide_definitions(self, namespace: str, name: str, version: int | None) -> int:
        rows = [
            self._tables.definition.rows[id] for id in self._tables.version.rows.get((namespace, name), ())
        ]
        visible = [row for row in rows if not row.hidden and version in (None, row.version)]
        for row in visible:
            self._tables.definition.put(row.id, change(row, hidden=True))
        return len(visible)

    def show_definition(self, id: int) -> None:
        row = self._tables.definition.rows.get(id)
        if row is not None:
            self._tables.definition.put(id, change(row, hidden=False))

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None:
        return self._tables.current_policy.rows.get((namespace, name))

    def policy_by_id(self, id: int) -> ErrorPolicy | None:
        return self._tables.policy.rows.get(id)

    def put_policy(self, policy: ErrorPolicy) -> ErrorPolicy:
        key, rows = (policy.namespace, policy.name), self._tables.policy.rows.values()
        latest = max((row.version for row in rows if (row.namespace, row.name) == key), default=0)
        self._tables.last_policy += 1
        stored = change(policy, id=self._tables.last_policy, version=latest + 1)
        self._tables.policy.put(stored.id, stored)
        self._tables.current_policy.put(key, stored)
        return stored

    def delete_policy(self, namespace: str, name: str) -> bool:
        return self._tables.current_policy.delete((namespace, name)) is not None

    def client(self, client_id: str) -> ClientApplication | None:
        return self._tables.client.rows.get(client_id)

    def put_client(self, client: ClientApplication) -> None:
        self._tables.client.put(client.client_id, client)

    def entries(self, kind: EntryKind, namespace: str, prefix: str) -> list[Entry]:
        rows = self._tables.entry.rows
        keys = sorted(key for key in rows if key[:2] == (kind, namespace) and key[2].startswith(prefix))
        return [rows[key] for key in keys]

    def namespace(self, name: str) -> Namespace | None:
        return self._tables.namespace.rows.get(name)

    def put_namespace(self, namespace: Namespace) -> None:
        if namespace.name not in self._tables.namespace.rows:
            self._tables.namespace.put(namespace.name, namespace)
