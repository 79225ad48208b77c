"""A store that counts what is asked of it: exact figures where a clock would only guess."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import apsw

from stepwell.store.port import Changes, Store, Turn
from stepwell.store.sqlite.store import SqliteStore


class CountingStore:
    """Counts calls, rows read and rows written of all turns, and on SQLite the steps of its virtual machine."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counts: Counter[str] = Counter()
        if isinstance(store, SqliteStore):
            store._writing().trace_v2(apsw.SQLITE_TRACE_PROFILE, self._profiled)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def turn(self) -> Iterator[Any]:
        with self._store.turn() as turn:
            yield _CountingTurn(turn, self.counts)

    def _profiled(self, event: dict[str, Any]) -> None:
        self.counts["machine steps"] += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]


class _CountingTurn:
    def __init__(self, turn: Turn, counts: Counter[str]) -> None:
        self._turn = turn
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._turn, name)

        def counted(*given: Any, **named: Any) -> Any:
            answer = method(*given, **named)
            self._counts["calls"] += 1
            if isinstance(answer, list | Mapping):
                self._counts["rows read"] += len(answer)
            return answer

        return counted

    def save(self, changes: Changes) -> Any:
        self._counts["calls"] += 1
        self._counts["rows written"] += sum(len(getattr(changes, name)) for name in Changes.__struct_fields__)
        return self._turn.save(changes)
