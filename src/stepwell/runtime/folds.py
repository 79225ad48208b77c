"""The processes of one turn: locked, loaded once, folded, and what they have become."""

from collections.abc import Iterable, Iterator, Sequence

from stepwell.definition.plan import Plan
from stepwell.engine.effects import Snapshot
from stepwell.model.process import ProcessContext
from stepwell.runtime.fold import Fold, forget_iterations, load_snapshot, new_snapshot
from stepwell.runtime.node import Node
from stepwell.runtime.surroundings import Surroundings
from stepwell.store.port import Changes, Turn


class Folds:
    """One `Fold` for each process that this turn touches, by process id."""

    def __init__(self, node: Node, turn: Turn) -> None:
        self._node = node
        self._turn = turn
        self._by_id: dict[int, Fold] = {}
        self._around = Surroundings(turn, node.lookups, self._snapshot_of)

    def __iter__(self) -> Iterator[Fold]:
        return iter(self._by_id.values())

    def get(self, process_id: int) -> Fold | None:
        return self._by_id.get(process_id)

    def load(self, process_ids: Iterable[int]) -> None:
        """Lock them in id order; take each from memory where that is still right. Unknown ids are left out."""
        revisions = self._turn.lock(sorted(process_ids))
        missing = []
        for process_id, revision in revisions.items():
            snapshot = self._node.cache.get(process_id, revision)
            if snapshot is None:
                missing.append(process_id)
            else:
                self._by_id[process_id] = self._fold(snapshot)
        for process in self._turn.processes(missing) if missing else ():
            snapshot = load_snapshot(self._turn, self._node.lookups, process)
            self._by_id[process.id] = self._fold(snapshot)

    def begin(self, plan: Plan) -> Fold:
        """A process that does not exist yet. `add` it once it has begun."""
        return self._fold(new_snapshot(plan))

    def add(self, fold: Fold) -> ProcessContext:
        """The process that has begun."""
        process = fold.snapshot.process
        assert process is not None
        self._by_id[process.id] = fold
        return process

    def process(self, process_id: int) -> ProcessContext | None:
        """As this turn has left it so far, or as it is stored."""
        fold = self._by_id.get(process_id)
        if fold is not None and fold.snapshot.process is not None:
            return fold.snapshot.process
        found = self._turn.processes([process_id])
        return found[0] if found else None

    def plans_of(self, process_ids: Iterable[int]) -> dict[int, Plan]:
        """The plan of each: from this turn, from memory, else read."""
        plans: dict[int, Plan] = {}
        unknown = []
        for id in process_ids:
            fold = self._by_id.get(id)
            snapshot = fold.snapshot if fold is not None else self._node.cache.peek(id)
            if snapshot is None:
                unknown.append(id)
            else:
                plans[id] = snapshot.plan
        for process in self._turn.processes(unknown) if unknown else ():
            plans[process.id] = self._node.lookups.of(self._turn, process)
        return plans

    def collect_surroundings(self, changes: Changes) -> None:
        """What the processes wrote beside themselves: state that several share."""
        self._around.collect(changes)

    def ended(self) -> Sequence[ProcessContext]:
        """Processes that ended in this turn, or answered their caller before their end."""
        return [
            fold.snapshot.process
            for fold in self._by_id.values()
            if (fold.ended or fold.responded) and fold.snapshot.process is not None
        ]

    def committed(self) -> None:
        """Keep what is worth keeping for the next turn. Never called after a rollback."""
        cache = self._node.cache
        for process_id, fold in self._by_id.items():
            process = fold.snapshot.process
            if process is None or not process.status.is_open:
                cache.drop(process_id)
            else:
                freed = forget_iterations(fold.snapshot, fold.writes)
                cache.put(fold.snapshot, fold.added_bytes - freed)

    def _fold(self, snapshot: Snapshot) -> Fold:
        return Fold(self._turn, self._node.lookups, self._around, snapshot)

    def _snapshot_of(self, process_id: int) -> Snapshot | None:
        fold = self._by_id.get(process_id)
        return None if fold is None else fold.snapshot
