"""All tables of the memory store, and the numbers that it gives."""

from threading import RLock
from typing import Any

from stepwell.model.audit import Audit
from stepwell.model.client import ClientApplication
from stepwell.model.definition import StoredDefinition
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import Conflict
from stepwell.model.namespace import Namespace
from stepwell.model.process import Block, ProcessContext
from stepwell.model.step import StepExecution
from stepwell.model.work import QueueName
from stepwell.store.port import BLOCK, SetAside
from stepwell.store.tables import ClaimTable, DueTable, StepTable, Table

EntryKey = tuple[EntryKind, str, str]


class MemoryTables:
    def __init__(self) -> None:
        lock = RLock()
        self.process: Table[int, ProcessContext] = Table(lock)
        self.step = StepTable(lock)
        self.execution: Table[tuple[int, int], StepExecution] = Table(lock)
        self.block: Table[tuple[int, int], Block] = Table(lock)
        self.due = DueTable(lock)
        self.claim = ClaimTable(lock)
        self.queue: Table[QueueName, int] = Table(lock)
        self.definition: Table[int, StoredDefinition] = Table(lock)
        self.version: Table[tuple[str, str], tuple[int, ...]] = Table(lock)
        """Ids of the definitions of each (namespace, name), in the order of their versions."""
        self.policy: Table[int, ErrorPolicy] = Table(lock)
        self.current_policy: Table[tuple[str, str], ErrorPolicy] = Table(lock)
        """Those that are found by name."""
        self.client: Table[str, ClientApplication] = Table(lock)
        self.namespace: Table[str, Namespace] = Table(lock)
        self.set_aside: Table[int, SetAside] = Table(lock)
        self.entry: Table[EntryKey, Entry] = Table(lock)
        self.audit: Table[int, Audit] = Table(lock)
        self.tables: tuple[Table[Any, Any], ...] = (
            *(self.process, self.step, self.execution, self.block, self.due, self.claim, self.queue),
            *(self.definition, self.version, self.policy, self.current_policy),
            *(self.client, self.namespace, self.set_aside, self.entry, self.audit),
        )
        self.next_id = BLOCK
        self.last_claim = 0
        self.last_queue = 0
        self.last_definition = 0
        self.last_policy = 0
        """These five only rise: a rollback loses numbers, so that no cache can mistake one for another."""
        self.lock = lock
        """Whoever holds it sees no turn end."""

    def end(self, *, commit: bool) -> None:
        """The turn is over: what it wrote stays, or goes."""
        with self.lock:
            for table in self.tables:
                if commit:
                    table.commit()
                else:
                    table.rollback()


def insert(table: Table[Any, Any], key: Any, row: Any, what: str) -> None:
    """Raises Conflict when the key is taken."""
    if key in table.rows:
        raise Conflict(f"there is a {what} {key} already")
    table.put(key, row)
