"""What a lane remembers between its turns. Nothing in it is needed for correctness: a crash loses nothing of worth."""

from stepwell.engine.events import StepReported
from stepwell.model.codec import Record
from stepwell.runtime.cache import SnapshotCache
from stepwell.runtime.clockwork import Clockwork
from stepwell.runtime.counts import Counts
from stepwell.runtime.dispatch import Dispatch
from stepwell.runtime.lookups import Lookups
from stepwell.runtime.others import Others
from stepwell.runtime.stretch import Stretches
from stepwell.runtime.vault import Vault


class RuntimeSettings(Record, frozen=True, kw_only=True):
    """Bounds of the runtime; times in milliseconds."""

    lease_ms: int = 600_000
    """How long a worker may hold a step without a clock of its own."""
    lease_max_ms: int = 3_600_000
    """How long signs of life may stretch that."""
    max_deliveries: int = 10
    """Hand-outs in a row without any report before the step fails."""
    cache_bytes: int = 256 * 1024 * 1024
    most_waiting: int = 2_000
    """Asks in the inbox from which on new processes are refused: what is begun goes first."""


class Node:
    """What a lane keeps in memory between its turns."""

    def __init__(
        self, settings: RuntimeSettings, vault: Vault | None = None, others: Others | None = None
    ) -> None:
        self.settings = settings
        self.others = others
        """None: nobody else writes this store."""
        self.vault = vault or Vault()
        self.withheld: list[StepReported] = []
        """What the next turn is to hear of steps that were claimed and could not be handed out."""
        self.counts = Counts()
        self.cache = SnapshotCache(settings.cache_bytes)
        self.lookups = Lookups()
        self.stretches = Stretches()
        self.dispatch = Dispatch(settings.lease_ms, others)
        self.clockwork = Clockwork(settings.lease_ms, settings.lease_max_ms, settings.max_deliveries, others)

    def next_at(self) -> int:
        """When a turn is due even if nobody asks, epoch ms."""
        until = self.dispatch.next_until()
        at = self.next_work_at()
        return at if until is None else min(at, until)

    def next_work_at(self) -> int:
        """When there is something to do in the store even if nobody asks, epoch ms."""
        at = min(self.clockwork.next_at(), self.stretches.next_until())
        return at if self.others is None else min(at, self.others.next_at(bool(self.dispatch)))

    def forget(self) -> None:
        """A turn was rolled back: memory may be ahead of the store, so none of it is kept."""
        self.cache.clear()
        self.lookups.forget()
        self.dispatch.forget()
        self.clockwork.look_again()
        self.withheld.clear()
        if self.others is not None:
            self.others.forget()
