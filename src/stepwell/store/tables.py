"""Tables of the memory store: dicts that remember what was there before the turn.

A turn writes in place and keeps the first value that it replaces under a key in `before`. The turn sees
`rows`, everybody else sees `rows` with `before` laid over them, a rollback puts `before` back, and a commit
forgets it. So a turn costs what it changes, and nothing is copied.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush
from threading import RLock
from typing import Any, Generic, TypeVar

from stepwell.model.due import Due
from stepwell.model.step import StepContext
from stepwell.model.work import Claim

K = TypeVar("K", bound=Any)
V = TypeVar("V")


class Table(Generic[K, V]):
    """Rows by key. All tables of a store share `lock`: readers never see a dict being changed."""

    def __init__(self, lock: RLock) -> None:
        self.rows: dict[K, V] = {}
        self.before: dict[K, V | None] = {}
        self._lock = lock

    def put(self, key: K, row: V) -> None:
        with self._lock:
            old = self.rows.get(key)
            self.before.setdefault(key, old)
            self._replace(key, old, row)

    def delete(self, key: K) -> V | None:
        with self._lock:
            old = self.rows.get(key)
            if old is not None:
                self.before.setdefault(key, old)
                self._replace(key, old, None)
            return old

    def commit(self) -> None:
        self.before.clear()

    def rollback(self) -> None:
        for key, row in self.before.items():
            self._replace(key, self.rows.get(key), row)
        self.before.clear()

    def committed(self, key: K) -> V | None:
        with self._lock:
            return self.before[key] if key in self.before else self.rows.get(key)

    def all_committed(self) -> list[V]:
        """In key order."""
        with self._lock:
            merged: dict[K, V | None] = {**self.rows, **self.before}
        return [row for _, row in sorted(merged.items(), key=lambda item: item[0]) if row is not None]

    def _replace(self, key: K, old: V | None, new: V | None) -> None:
        if new is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = new
        self._reindex(old, new)

    def _reindex(self, old: V | None, new: V | None) -> None:
        """Keep what a kind of table finds its rows by; either side may be missing."""


class Ordered(Generic[K]):
    """Keys in ascending order."""

    def __init__(self) -> None:
        self.keys: list[K] = []

    def add(self, key: K) -> None:
        insort(self.keys, key)

    def remove(self, key: K) -> None:
        del self.keys[bisect_left(self.keys, key)]

    def between(self, first: K, last: K) -> Iterator[K]:
        """Both ends included."""
        at = bisect_left(self.keys, first)
        while at < len(self.keys) and self.keys[at] <= last:
            yield self.keys[at]
            at += 1


class StepTable(Table[int, StepContext]):
    def __init__(self, lock: RLock) -> None:
        super().__init__(lock)
        self.ids: Ordered[int] = Ordered()
        self._ready: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        """Heaps of (rank, id), by queue. The entry of a step that moved on is dropped when it comes up."""

    def take_first(self, queue: int) -> StepContext | None:
        """The ready step of the lowest rank. It must be written as not ready before the next call."""
        heap = self._ready[queue]
        while heap:
            rank, id = heappop(heap)
            step = self.rows.get(id)
            if step is not None and step.queue == queue and step.hand_out.ready == rank:
                return step
        return None

    def _reindex(self, old: StepContext | None, new: StepContext | None) -> None:
        if old is None and new is not None:
            self.ids.add(new.id)
        elif old is not None and new is None:
            self.ids.remove(old.id)
        if new is not None and new.hand_out.ready is not None:
            heappush(self._ready[new.queue], (new.hand_out.ready, new.id))


DueKey = tuple[int, int, int]


class DueTable(Table[DueKey, Due]):
    def __init__(self, lock: RLock) -> None:
        super().__init__(lock)
        self.order: Ordered[tuple[int, int, int, int]] = Ordered()
        self.of_process: defaultdict[int, set[DueKey]] = defaultdict(set)

    def _reindex(self, old: Due | None, new: Due | None) -> None:
        if old is not None:
            self.order.remove((old.at, *due_key(old)))
            self.of_process[old.process_id].discard(due_key(old))
            if not self.of_process[old.process_id]:
                del self.of_process[old.process_id]
        if new is not None:
            self.order.add((new.at, *due_key(new)))
            self.of_process[new.process_id].add(due_key(new))


def due_key(row: Due) -> DueKey:
    return (row.process_id, row.step_id, int(row.kind))


class ClaimTable(Table[int, Claim]):
    def __init__(self, lock: RLock) -> None:
        super().__init__(lock)
        self.order: Ordered[tuple[int, int]] = Ordered()
        self.of_poll: defaultdict[tuple[str, str], set[int]] = defaultdict(set)

    def _reindex(self, old: Claim | None, new: Claim | None) -> None:
        if old is not None:
            self.order.remove((old.deadline, old.id))
            if old.poll_id is not None:
                self.of_poll[old.client, old.poll_id].discard(old.id)
                if not self.of_poll[old.client, old.poll_id]:
                    del self.of_poll[old.client, old.poll_id]
        if new is not None:
            self.order.add((new.deadline, new.id))
            if new.poll_id is not None:
                self.of_poll[new.client, new.poll_id].add(new.id)
