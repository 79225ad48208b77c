"""Time. The only place that looks at the machine's clocks."""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Epoch milliseconds. Never goes back within one clock."""

    def monotonic(self) -> float:
        """Seconds from some fixed moment, for waiting."""


class WallClock:
    """Wall time at its making, then a monotonic base: the machine's clock may be set, ours goes on evenly."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        return (time.monotonic_ns() + self._offset_ns) // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
