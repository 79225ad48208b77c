"""Recently decided processes, kept in memory. A copy is good only while its revision is the locked row's."""

from collections import OrderedDict

from stepwell.engine.effects import Snapshot

ROW_BYTES = 600
"""What a step context weighs beside its payloads, roughly."""


class SnapshotCache:
    """Least recently used processes go first when the budget is over."""

    def __init__(self, budget_bytes: int = 256 * 1024 * 1024) -> None:
        self._budget = budget_bytes
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()
        self._weights: dict[int, int] = {}
        self._total = 0

    def get(self, process_id: int, revision: int) -> Snapshot | None:
        found = self._snapshots.get(process_id)
        if found is None or found.process is None:
            return None
        if found.process.revision != revision:
            self.drop(process_id)
            return None
        return found

    def peek(self, process_id: int) -> Snapshot | None:
        """Whatever is there, for what never changes in a process (its plan)."""
        return self._snapshots.get(process_id)

    def put(self, snapshot: Snapshot, added_bytes: int) -> None:
        """Keep it; `added_bytes` is what it has grown by since it was last put."""
        assert snapshot.process is not None
        id = snapshot.process.id
        self._snapshots[id] = snapshot
        self._snapshots.move_to_end(id)
        self._weights[id] = self._weights.get(id, 0) + added_bytes
        self._total += added_bytes
        while self._total > self._budget and len(self._snapshots) > 1:
            oldest = next(iter(self._snapshots))
            self.drop(oldest)

    def drop(self, process_id: int) -> None:
        if self._snapshots.pop(process_id, None) is not None:
            self._total -= self._weights.pop(process_id, 0)

    def clear(self) -> None:
        self._snapshots.clear()
        self._weights.clear()
        self._total = 0
