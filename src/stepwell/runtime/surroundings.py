"""What a turn knows beyond the process that it decides: entries as it has left them, and other processes."""

from collections.abc import Callable, Iterable, Mapping

from stepwell.definition.plan import Plan
from stepwell.engine.effects import EntryByName, KnownProcess, NewestProcess, ProcessById, Snapshot
from stepwell.model.entry import Entry
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext, parse_path
from stepwell.runtime.lookups import Lookups
from stepwell.store.port import Changes, Turn


class Surroundings:
    """Belongs to one turn. What one process of the turn wrote is seen by the next; nothing is kept for another turn."""

    def __init__(self, turn: Turn, lookups: Lookups, snapshot_of: Callable[[int], Snapshot | None]) -> None:
        """`snapshot_of`: a process as this turn has changed it so far; None when the turn does not touch it."""
        self._turn = turn
        self._lookups = lookups
        self._snapshot_of = snapshot_of
        self._written: dict[EntryByName, Entry | None] = {}
        self.writes = 0
        """How often entries were written in this turn."""

    def entry(self, key: EntryByName) -> Entry | None:
        if key in self._written:
            return self._written[key]
        return self._turn.entry(key.kind, key.namespace, key.name)

    def write(self, entries: Mapping[EntryByName, Entry | None]) -> None:
        self._written.update(entries)
        self.writes += 1

    def collect(self, changes: Changes) -> None:
        """Add the entries to what the turn writes: each once, as it is in the end."""
        for key, entry in self._written.items():
            if entry is None:
                changes.dropped_entries.append((key.kind, key.namespace, key.name))
            else:
                changes.entries.append(entry)

    def process(self, key: NewestProcess | ProcessById) -> KnownProcess | None:
        if isinstance(key, NewestProcess):
            found = self._turn.newest_process(key.namespace, key.name, key.since)
        else:
            found = self._stored(key.id)
        return None if found is None else self._known(found, key.refs)

    def _stored(self, id: int) -> ProcessContext | None:
        snapshot = self._snapshot_of(id)
        if snapshot is not None and snapshot.process is not None:
            return snapshot.process
        return next(iter(self._turn.processes([id])), None)

    def _known(self, process: ProcessContext, refs: Iterable[str]) -> KnownProcess:
        snapshot = self._snapshot_of(process.id)
        if snapshot is not None and snapshot.process is not None:
            process = snapshot.process

        def find(id: int) -> StepContext | None:
            known = None if snapshot is None else snapshot.steps.get(id)
            return known if known is not None else next(iter(self._turn.steps([id])), None)

        plan = self._lookups.of(self._turn, process)
        steps = {ref: _step_at(plan, process.id, ref, find) for ref in refs}
        return KnownProcess(
            id=process.id,
            namespace=process.namespace,
            name=process.name,
            version=process.version,
            status=process.status,
            output=process.output,
            steps={ref: step.shown_status for ref, step in steps.items() if step is not None},
        )


def _step_at(
    plan: Plan, process_id: int, ref: str, find: Callable[[int], StepContext | None]
) -> StepContext | None:
    """The step that a ref with all its indexes names (`child[3]`); None when it has not begun."""
    try:
        name, *indices = parse_path(ref)
    except ValueError:
        return None
    step = plan.steps.get(str(name))
    if step is None or len(indices) != len(step.loops):
        return None
    base = process_id
    for loop, index in zip(step.loops, indices, strict=True):
        around = find(base + plan.steps[loop].number)
        if around is None or around.children is None or not 0 <= int(index) < around.children.total:
            return None
        base = around.children.base + int(index) * plan.steps[loop].iteration_size
    return find(base + step.number)
