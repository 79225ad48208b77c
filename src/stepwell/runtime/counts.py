"""What a server counts since its start. Plain numbers, so that counting costs next to nothing.

Each of them has one writer, the lane's thread if nothing else is said, and anybody may read them without a lock: a
reader may see one turn counted in part. Only what is committed counts.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from stepwell.model.codec import Record
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.work import Acceptance

TURN_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets that turns are counted in; one more takes what is longer."""

_ENDS: list[ProcessStatus] = [s for s in ProcessStatus if not s.is_open and s is not ProcessStatus.REVIEWED]
"""REVIEWED is no end: an operator says it of one that has ended."""


class Counts:
    """All counters of a node."""

    __slots__ = ("dropped", "ended", "expired", "handed_out", "reported", "rolled_back", "set_aside", "started",
                 "turn_buckets", "turn_seconds")  # fmt: skip

    def __init__(self) -> None:
        self.started = 0
        """Processes that got their rows."""
        self.ended: dict[ProcessStatus, int] = dict.fromkeys(_ENDS, 0)
        """By the status they ended in; one that is resumed and ends again counts again."""
        self.handed_out = 0
        """Steps, each time they are handed out; the server's own hands included."""
        self.reported = dict.fromkeys(Acceptance, 0)
        self.expired = 0
        """Leases that ended without a report."""
        self.set_aside = 0
        """Events that made the engine raise."""
        self.dropped = 0
        """Processes that retention has dropped. Written by the runtime's loop."""
        self.rolled_back = 0
        """Turns that could not be committed."""
        self.turn_buckets = [0] * (len(TURN_BOUNDS_S) + 1)
        self.turn_seconds = 0.0
        """Of all committed turns together."""

    def turn(self, seconds: float) -> None:
        self.turn_seconds += seconds
        self.turn_buckets[bisect_left(TURN_BOUNDS_S, seconds)] += 1

    def end(self, processes: Iterable[ProcessContext]) -> None:
        """Those that a turn has ended; one that only has answered its caller is open still."""
        for process in processes:
            if not process.status.is_open:
                self.ended[process.status] += 1

    def report(self, outcomes: Sequence[Acceptance]) -> None:
        for outcome in outcomes:
            self.reported[outcome] += 1


class Figures(Record, frozen=True, kw_only=True):
    """The counters, and how things stand at this moment."""

    counts: Counts
    waiting: int
    """Asks in the lane's inbox."""
    polls: int
    """Polls that are held open."""
    stretches: int
    """Synchronous runs that are in memory only."""
