"""Results that wait for the next call, and how many of them go into one."""

from collections import deque
from collections.abc import Sequence

from stepwell.worker.results import Finished, replaced

MOST_RESULTS = 500
MOST_BYTES = 8 * 1024 * 1024


class Outbox:
    def __init__(self) -> None:
        self._waiting: deque[Finished] = deque()
        self._most = MOST_RESULTS
        self.is_careful = False
        """A call was refused for its content; see `refused`."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, finished: Finished) -> None:
        self._waiting.append(finished)

    def take(self) -> list[Finished]:
        """The oldest results that fit into one call; at least one when there is any."""
        taken: list[Finished] = []
        size_bytes = 0
        while self._waiting and len(taken) < self._most:
            size_bytes += len(self._waiting[0].item)
            if taken and size_bytes > MOST_BYTES:
                break
            taken.append(self._waiting.popleft())
        return taken

    def accepted(self) -> None:
        """A call went through: the next one may be larger again."""
        self._most = min(self._most * 2, MOST_RESULTS)
        if not self._waiting or self._most == MOST_RESULTS:
            self.is_careful = False

    def refused(self, results: Sequence[Finished], reason: str) -> list[Finished]:
        """A whole call was refused for its content: find the one bad result and let the others pass.

        From now on results travel alone, without a poll that might be the culprit, in ever smaller calls.
        One that is refused by itself is replaced by a failure, so that no step waits for a result that never
        arrives. Returns those that are given up: replacements that were refused as well.
        """
        if len(results) > 1 or not self.is_careful:
            self.is_careful = True
            self._most = max(1, len(results) // 2)
            self._waiting.extendleft(reversed(results))
            return []
        given_up = []
        for finished in results:
            if finished.is_replacement:
                given_up.append(finished)
            else:
                self._waiting.appendleft(replaced(finished, reason))
        return given_up
