"""An outage of the store: while it lasts, nobody waits for what cannot be had, and it is looked for now and then."""

from stepwell.model.errors import Unreachable

FIRST_MS = 100
LONGEST_MS = 1_000


class Outage:
    def __init__(self) -> None:
        self._until = 0
        self._pause = 0

    def note(self, error: Exception, now: int) -> None:
        if isinstance(error, Unreachable):
            self._pause = min(max(2 * self._pause, FIRST_MS), LONGEST_MS)
            self._until = now + self._pause

    def is_over(self) -> None:
        self._until = self._pause = 0

    def lasts(self, now: int) -> bool:
        """Is it too soon to try again?"""
        return now < self._until

    def put_off(self, at: int) -> int:
        """When to do what is due at that moment, epoch ms."""
        return max(at, self._until)
