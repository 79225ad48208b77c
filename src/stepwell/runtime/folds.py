"""The processes of one turn: locked, loaded once, folded, and what they have become."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence

from stepwell.definition.plan import Plan
from stepwell.engine.effects import Snapshot
from stepwell.model.process import ProcessContext
from stepwell.runtime.asks import StartAsk
from stepwell.runtime.fold import Fold, forget_iterations, load_snapshot, new_snapshot
from stepwell.runtime.node import Node
from stepwell.runtime.stretch import Stretch
from stepwell.runtime.surroundings import Surroundings
from stepwell.store.port import Changes, Turn


class Folds:
    """One `Fold` for each process that this turn touches, by process id."""

    def __init__(self, node: Node, turn: Turn) -> None:
        self._node = node
        self._turn = turn
        self._by_id: dict[int, Fold] = {}
        self._stretches: dict[int, Stretch] = {}
        """Of these, the ones that had no rows when the turn began."""
        self._kept: dict[int, Stretch] = {}
        """And the ones that will have none when it ends."""
        # Weakly, or every turn would leave a cycle, and with it what it held, to the collector.
        self._around = Surroundings(turn, node.lookups, _snapshots_of(weakref.ref(self)))

    def __iter__(self) -> Iterator[Fold]:
        return iter(self._by_id.values())

    def get(self, process_id: int) -> Fold | None:
        fold = self._by_id.get(process_id)
        if fold is None and process_id in self._kept:
            return self._kept[process_id].fold
        return fold

    def load(self, process_ids: Iterable[int]) -> None:
        """Lock them in id order; take each from memory where that is still right. Unknown ids are left out."""
        stored = [id for id in process_ids if not self._take_up(self._node.stretches.get(id))]
        revisions = self._turn.lock(sorted(stored))
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

    def take_up(self, stretches: Iterable[Stretch]) -> None:
        """Go on with these, although nothing has happened to them."""
        for stretch in stretches:
            self._take_up(stretch)

    def _take_up(self, stretch: Stretch | None) -> bool:
        if stretch is None:
            return False
        id = stretch.process.id
        if id not in self._by_id:
            stretch.fold.enter(self._turn, self._around)
            self._by_id[id], self._stretches[id] = stretch.fold, stretch
        return True

    def stretch_of(self, process_id: int) -> Stretch | None:
        return self._stretches.get(process_id)

    def begin_stretch(self, process_id: int, ask: StartAsk, now: int) -> None:
        """What this ask has begun is saved when it must be, and answered then."""
        self._stretches[process_id] = Stretch(ask, self._by_id[process_id], now)

    def part_stretches(self, now: int) -> list[Stretch]:
        """Those that must be saved in this turn. The others are not among the folds any more: they stay in memory."""
        saved = []
        for id, stretch in self._stretches.items():
            if stretch.goes_on(now):
                del self._by_id[id]
                self._kept[id] = stretch
            else:
                saved.append(stretch)
        return saved

    def is_kept(self, process_id: int) -> bool:
        """Does the process stay without rows?"""
        return process_id in self._kept

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
        fold = self.get(process_id)
        if fold is not None and fold.snapshot.process is not None:
            return fold.snapshot.process
        found = self._turn.processes([process_id])
        return found[0] if found else None

    def plans_of(self, process_ids: Iterable[int]) -> dict[int, Plan]:
        """The plan of each: from this turn, from memory, else read."""
        plans: dict[int, Plan] = {}
        unknown = []
        for id in process_ids:
            fold = self.get(id)
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
        cache, stretches = self._node.cache, self._node.stretches
        for stretch in self._kept.values():
            stretches.keep(stretch)
        for process_id, fold in self._by_id.items():
            process = fold.snapshot.process
            if process is None or not process.status.is_open:
                cache.drop(process_id)
            else:
                freed = forget_iterations(fold.snapshot, fold.writes)
                cache.put(fold.snapshot, fold.added_bytes + fold.opened_bytes() - freed)
            if process_id in self._stretches:
                stretches.saved(self._stretches[process_id])

    def _fold(self, snapshot: Snapshot) -> Fold:
        return Fold(self._turn, self._node.lookups, self._around, snapshot)

    def _snapshot_of(self, process_id: int) -> Snapshot | None:
        fold = self._by_id.get(process_id)
        return None if fold is None else fold.snapshot


def _snapshots_of(folds: "weakref.ref[Folds]") -> Callable[[int], Snapshot | None]:
    def snapshot_of(process_id: int) -> Snapshot | None:
        alive = folds()
        return None if alive is None else alive._snapshot_of(process_id)

    return snapshot_of
