"""What a turn writes about processes: one statement for each table."""

from collections.abc import Sequence
from typing import Any

from stepwell.model.entry import Entry
from stepwell.model.errors import Overtaken
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext
from stepwell.store.port import Changes, SetAside
from stepwell.store.postgres.link import Row
from stepwell.store.postgres.numbers import Numbers
from stepwell.store.sqlite.rows import (
    Spill,
    audit_row,
    due_row,
    entry_row,
    execution_row,
    input_row,
    process_row,
    process_update,
    step_row,
    step_update,
)

NO_LIMIT = 1 << 62
"""No payload is kept apart from its row."""
KEPT, WITHDRAWN, OFFERED = 0, 1, 2
"""What becomes of the hand-out of a step that is written."""
_NOTHING: Row = (0, None, None, 0, 0, 0, 0, 0, 0, "", "")

Key = tuple[str, str, str]


def _no_spill(_process_id: int, _payload: bytes) -> str:
    raise AssertionError("no payload is longer than that")


spill: Spill = _no_spill


class Saving:
    """Writes through whatever its subclass has."""

    _numbers: Numbers
    seen: dict[Key, Entry | None]
    overtaken: list[Key]

    def _together(self, parts: Sequence[tuple[str, Sequence[Row]]]) -> list[Row]:
        raise NotImplementedError

    def _each(self, name: str, rows: Sequence[Row]) -> list[Row]:
        raise NotImplementedError

    def _write(self, name: str, *values: Any) -> list[Row]:
        raise NotImplementedError

    def _save(self, changes: Changes) -> Sequence[int]:
        """In one statement, but for what is written after rows that it may depend on."""
        changed = [
            *((s, KEPT) for s in changes.steps),
            *((s, WITHDRAWN) for s in changes.withdrawn),
            *((s, OFFERED) for s in changes.offered),
        ]
        parts: list[tuple[str, Sequence[Row]]] = [
            ("insert_process", [process_row(p, NO_LIMIT, spill) for p in changes.new_processes]),
            ("update_process", [process_update(p, NO_LIMIT, spill) for p in changes.processes]),
            ("insert_step", [step_row(s, NO_LIMIT, spill) for s in changes.new_steps]),
            ("insert_execution", [execution_row(e, NO_LIMIT, spill) for e in changes.executions]),
            ("insert_block", [(b.process_id, b.first, b.count) for b in changes.blocks]),
            ("drop_due", [(process, step, int(kind)) for process, step, kind in changes.undue]),
            ("drop_due_of_processes", [(id,) for id in changes.ended]),
            ("update_steps", [_step(s, kind) for s, kind in changed]),
        ]
        given = [part for part in parts if part[1]]
        answer: list[Row] = []
        if _meets(changes.new_processes, changes.processes) or _meets(
            changes.new_steps, [s for s, _ in changed]
        ):
            for part in given:
                answer = self._each(*part)
        elif given:
            answer = self._together(given)
        self._save_rest(changes)
        if not changed:
            return ()
        written = {row[0] for row in answer}
        return sorted({s.process_id for s, _ in changed if s.id not in written})

    def _save_rest(self, changes: Changes) -> None:
        if changes.inputs:
            self._each("replace_inputs", [input_row(s, NO_LIMIT, spill) for s in changes.inputs])
        if changes.due:
            rows = {(row.process_id, row.step_id, row.kind): due_row(row) for row in changes.due}
            self._each("put_due", list(rows.values()))
        self._append(changes)

    def _append(self, changes: Changes) -> None:
        if changes.settled:
            self._write("drop_set_aside", changes.settled)
        if changes.set_aside:
            numbers = self._numbers.some("set_aside", len(changes.set_aside))
            events = zip(numbers, changes.set_aside, strict=True)
            self._each("insert_set_aside", [set_aside_row(number, event) for number, event in events])
        if changes.audit:
            numbers = self._numbers.some("audit", len(changes.audit))
            lines = zip(numbers, changes.audit, strict=True)
            self._each("insert_audit", [(number, *audit_row(line)) for number, line in lines])

    # -- entries

    def _save_entries(self, changes: Changes) -> None:
        """In the order of their keys, so that no two turns wait for each other."""
        if changes.dropped_entries:
            self._drop_entries(sorted(set(changes.dropped_entries)))
        if not changes.entries:
            return
        blind: list[Row] = []
        fresh: list[Row] = []
        known: list[Row] = []
        for entry in sorted(changes.entries, key=_key):
            row = entry_row(entry)
            before = self.seen.get(_key(entry), entry)
            if _key(entry) not in self.seen:
                blind.append(row)
            elif before is None:
                fresh.append(row)
            else:
                known.append((*row, before.version, before.body))
            self.seen[_key(entry)] = entry
        self._all_or_none("insert_entries", fresh)
        self._all_or_none("replace_entries", known)
        if blind:
            self._each("put_entries", blind)

    def _drop_entries(self, keys: Sequence[Key]) -> None:
        known = []
        for key in keys:
            before = self.seen.get(key)
            if before is not None:
                known.append((*key, before.version, before.body))
        blind = [key for key in keys if key not in self.seen]
        if blind:
            self._each("drop_entries", blind)
        self._all_or_none("drop_seen_entries", known)
        self.seen.update(dict.fromkeys(keys))

    def _all_or_none(self, statement: str, rows: Sequence[Row]) -> None:
        """Raises Overtaken when one of them is not any more what this turn has read."""
        if rows and len(self._each(statement, rows)) != len(rows):
            self.overtaken += [(row[0], row[1], row[2]) for row in rows]
            raise Overtaken("another node has written what this turn has read")


def _meets(new: Sequence[ProcessContext | StepContext], old: Sequence[ProcessContext | StepContext]) -> bool:
    """Are there rows that this very save is to insert and to update?"""
    return bool(new and old) and not {row.id for row in new}.isdisjoint(row.id for row in old)


def set_aside_row(number: int, event: SetAside) -> Row:
    return (number, event.process_id, event.event, event.error, event.created)


def _key(entry: Entry) -> Key:
    return (entry.kind, entry.namespace, entry.name)


def _step(step: StepContext, kind: int) -> Row:
    h = step.hand_out
    out: Row = _NOTHING
    if kind == OFFERED:
        out = (step.queue, h.ready, h.claim, h.deadline, h.deliveries, h.runs, h.polled, h.start, h.first_start,
               h.executor, h.worker)  # fmt: skip
    return (*step_update(step, NO_LIMIT, spill), kind, *out)
