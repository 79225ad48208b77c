"""Time that only moves when it is told to."""

EPOCH_MS = 1_750_000_000_000
"""Where virtual time begins: some day like any other."""


class VirtualClock:
    """A `Clock` for tests and simulations. An hour of it costs nothing."""

    def __init__(self, now: int = EPOCH_MS) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._now / 1000

    def move_to(self, at: int) -> None:
        """Never back: a moment that is over leaves the clock where it is."""
        self._now = max(self._now, at)
