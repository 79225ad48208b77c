"""The memory store: nothing outlives the process. The reference that the other stores are compared with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from stepwell.store.memory_reads import MemoryReads
from stepwell.store.memory_tables import MemoryTables
from stepwell.store.memory_turn import MemoryTurn
from stepwell.store.port import Reads


class MemoryStore(MemoryTables):
    """A store of dicts. `migrate` has nothing to do and `close` forgets nothing."""

    shared = False

    def __init__(self) -> None:
        super().__init__()
        self.reads: Reads = MemoryReads(self)
        self._turn = Lock()

    def migrate(self) -> list[str]:
        return []

    @contextmanager
    def turn(self) -> Iterator[MemoryTurn]:
        with self._turn:
            try:
                yield MemoryTurn(self)
            except BaseException:
                self.end(commit=False)
                raise
            self.end(commit=True)

    def listen(self, heard: Callable[[str], None]) -> bool:
        """There is nobody to hear."""
        return False

    def tell(self, hint: str) -> None:
        """There is nobody to tell."""

    def durability(self) -> list[tuple[str, bool, str]]:
        return []

    def checks(self) -> list[tuple[str, bool, str]]:
        return []

    def size(self) -> int:
        return 0

    def close(self) -> None:
        return None
