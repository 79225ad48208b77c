"""When a step that is still being worked on must ask to be kept. Times are seconds of a monotonic clock."""

from stepwell.worker.wire import Extension, StepKey


class Leases:
    def __init__(self) -> None:
        self._held: dict[StepKey, _Lease] = {}
        self._next_at = float("inf")

    def add(self, key: StepKey, lease_s: float, now: float) -> None:
        """`lease_s` 0 = the server named no end, so there is nothing to extend."""
        if lease_s <= 0:
            return
        extend_at = now + lease_s / 2
        self._held[key] = _Lease(lease_s, extend_at)
        self._next_at = min(self._next_at, extend_at)

    def drop(self, key: StepKey) -> None:
        """The step has ended, or its lease is lost."""
        self._held.pop(key, None)

    @property
    def next_at(self) -> float:
        """When to look again: never later than the first extension, perhaps earlier."""
        return self._next_at

    def take_due(self, now: float) -> list[Extension]:
        """The steps whose lease is more than half over; each counts as extended from now on."""
        if now < self._next_at:
            return []
        due = [key for key, lease in self._held.items() if lease.extend_at <= now]
        for key in due:
            self._held[key].extend_at = now + self._held[key].lease_s / 2
        self._next_at = min((lease.extend_at for lease in self._held.values()), default=float("inf"))
        return [self._extension(key) for key in due]

    def _extension(self, key: StepKey) -> Extension:
        return Extension(step_id=key[0], token=key[1], lease_ms=round(self._held[key].lease_s * 1000))


class _Lease:
    __slots__ = ("extend_at", "lease_s")

    def __init__(self, lease_s: float, extend_at: float) -> None:
        self.lease_s = lease_s
        self.extend_at = extend_at
