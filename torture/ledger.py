"""Ledgers: JSON lines that outlive whoever wrote them. One writer a file, synced before anything follows."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Ledger:
    """A file of one process. Every line gets the writer's wall time as `at`, epoch milliseconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()

    def write(self, *lines: Line) -> None:
        """Returns when the lines are on disk. Whoever is killed before that has told nobody either."""
        at = now_ms()
        text = "".join(json.dumps({**line, "at": at}, separators=(",", ":")) + "\n" for line in lines)
        with self._lock:
            os.write(self._file, text.encode())
            os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[Line]:
    """Whole lines only: the last one may have been cut by the death of its writer."""
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"\n"):
                yield json.loads(text)


def read_all(folder: Path, pattern: str) -> Iterator[Line]:
    for path in sorted(folder.glob(pattern)):
        yield from read(path)
