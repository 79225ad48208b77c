"""What the store held after the last turn, so that a check can see what a turn changed."""

from collections.abc import Iterable
from typing import Any, TypeVar

from stepwell.model.codec import Record
from stepwell.model.due import Due
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.process import ProcessContext
from stepwell.model.search import ProcessSearch
from stepwell.model.step import StepContext, StepExecution
from stepwell.model.work import Claim
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.tables import due_key
from stepwell.testing.faults import FaultyStore

V = TypeVar("V")
ALL = 1 << 30
LAST_ID = 1 << 53
END_OF_TIME = 1 << 61
WATCHED = (EntryKind.STATE, EntryKind.LIMIT)


class Delta(Record):
    """What committed transactions changed: each row before and after (None = there is none)."""

    dropped: list[ProcessContext]
    """Processes whose rows are gone."""
    processes: list[tuple[ProcessContext | None, ProcessContext]]
    steps: list[tuple[StepContext | None, StepContext]]
    executions: dict[tuple[int, int], StepExecution]
    due: list[tuple[Due | None, Due | None]]
    claims: list[tuple[Claim | None, Claim | None]]
    entries: list[tuple[Entry | None, Entry | None]]


class Mirror:
    """Rows by key, kept up to date from what a store says it wrote, or by reading all of it."""

    def __init__(self) -> None:
        self.processes: dict[int, ProcessContext] = {}
        self.steps: dict[int, StepContext] = {}
        self.executions: dict[tuple[int, int], StepExecution] = {}
        self.due: dict[tuple[int, int, int], Due] = {}
        self.claims: dict[int, Claim] = {}
        self.entries: dict[tuple[EntryKind, str, str], Entry] = {}
        """Persisted values and limits."""
        self.steps_of: dict[int, list[int]] = {}
        self.children_of: dict[int, list[int]] = {}
        self.due_of: dict[int, dict[tuple[int, int, int], Due]] = {}

    def refresh(self, store: FaultyStore) -> Delta:
        rows = _written(store.inner, store) if isinstance(store.inner, MemoryStore) else _all(store.inner)
        missing: dict[str, list[Any]] = {}
        if not isinstance(store.inner, MemoryStore):
            # A full read names no key that is gone.
            missing = {name: [k for k in getattr(self, name) if k not in rows[name]] for name in rows}
        for name, keys in missing.items():
            rows[name].update(dict.fromkeys(keys))
        processes = self._changed(self.processes, rows["processes"])
        steps = self._changed(self.steps, rows["steps"])
        self._forget([old for old, new in steps if new is None])
        delta = Delta(
            dropped=[old for old, new in processes if new is None],
            processes=[pair for pair in processes if pair[1] is not None],
            steps=[pair for pair in steps if pair[1] is not None],
            executions={key: new for _, new in self._changed(self.executions, rows["executions"])
                        if new is not None for key in [(new.step_id, new.id)]},
            due=self._changed(self.due, rows["due"]),
            claims=self._changed(self.claims, rows["claims"]),
            entries=self._changed(self.entries, rows["entries"]),
        )  # fmt: skip
        self._index(delta)
        return delta

    def _changed(self, known: dict[Any, V], rows: dict[Any, V | None]) -> list[Any]:
        changed = []
        for key, new in rows.items():
            old = known.get(key)
            if old is new or old == new:
                continue
            changed.append((old, new))
            if new is None:
                del known[key]
            else:
                known[key] = new
        return changed

    def _forget(self, steps: Iterable[StepContext]) -> None:
        """Their rows are gone."""
        for step in steps:
            self.steps_of[step.process_id].remove(step.id)
            if step.parent_id is not None:
                self.children_of[step.parent_id].remove(step.id)

    def _index(self, delta: Delta) -> None:
        for old, new in delta.steps:
            if old is None:
                self.steps_of.setdefault(new.process_id, []).append(new.id)
                if new.parent_id is not None:
                    self.children_of.setdefault(new.parent_id, []).append(new.id)
        for before, after in delta.due:
            if before is not None:
                self.due_of[before.process_id].pop(due_key(before), None)
            if after is not None:
                self.due_of.setdefault(after.process_id, {})[due_key(after)] = after


def _written(store: MemoryStore, faulty: FaultyStore) -> dict[str, dict[Any, Any]]:
    """Of the memory store only what was written: a check costs what the turn cost."""
    found: dict[str, dict[Any, Any]] = {
        name: {key: getattr(store, table).rows.get(key) for key in faulty.touched.keys[table]}
        for name, table in (
            ("processes", "process"),
            ("steps", "step"),
            ("executions", "execution"),
            ("due", "due"),
            ("claims", "claim"),
            ("entries", "entry"),
        )
    }
    entries: dict[Any, Any] = found["entries"]
    found["entries"] = {key: row for key, row in entries.items() if key[0] in WATCHED}
    for keys in faulty.touched.keys.values():
        keys.clear()
    return found


def _all(store: Store) -> dict[str, dict[Any, Any]]:
    with store.turn() as turn:
        processes = _by_id(store.reads.find_processes(ProcessSearch(limit=ALL)))
        steps = _by_id(turn.step_range(0, LAST_ID, ALL))
        found: dict[str, dict[Any, Any]] = {
            "processes": processes,
            "steps": steps,
            "due": {due_key(row): row for row in turn.due(END_OF_TIME, ALL)},
            "claims": _by_id(turn.claims_due(END_OF_TIME, ALL)),
        }
    found["entries"] = {
        (row.kind, row.namespace, row.name): row for kind in WATCHED for row in store.reads.entries(kind)
    }
    executions = store.reads.executions([id for id, step in steps.items() if step.execution > 1])
    found["executions"] = {(row.step_id, row.id): row for rows in executions.values() for row in rows}
    return found


def _by_id(rows: Iterable[Any]) -> dict[int, Any]:
    return {row.id: row for row in sorted(rows, key=lambda row: row.id)}
