"""Numbers that no two nodes get: taken in runs, in transactions of their own, and never given back."""

from stepwell.store.port import BLOCK
from stepwell.store.postgres.link import Link
from stepwell.store.postgres.queries import STATEMENTS

AHEAD = 1_024
"""Blocks of ids that a node takes at once. A restart skips what is left of them."""
CLAIMS_AHEAD = 1_000


class Numbers:
    """Lives as long as its store. Its link is beside the turn's, so that a number costs no lock on anybody's rows."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._next_id = self._ids_end = 0
        self._last_claim = self._claims_end = 0

    def ids(self, blocks: int) -> int:
        """The first id of that many blocks in a row."""
        wanted = blocks * BLOCK
        if self._next_id + wanted > self._ids_end:
            self._more_ids(wanted)
        first = self._next_id
        self._next_id += wanted
        return first

    def _more_ids(self, wanted: int) -> None:
        count = wanted - (self._ids_end - self._next_id) + AHEAD * BLOCK
        end = self._take("id", count)
        if end - count != self._ids_end:
            # Another node has taken ids since: what was left of the last run is given up.
            if count < wanted:
                count, end = wanted, self._take("id", wanted)
            self._next_id = end - count
        self._ids_end = end

    def claim(self) -> int:
        """Larger than every claim that this node has made or seen."""
        self._last_claim += 1
        if self._last_claim > self._claims_end:
            self._claims_end = self._take("claim", CLAIMS_AHEAD, self._last_claim - 1)
            self._last_claim = self._claims_end - CLAIMS_AHEAD + 1
        return self._last_claim

    def saw_claim(self, id: int) -> None:
        self._last_claim = max(self._last_claim, id)

    def one(self, kind: str) -> int:
        return self._take(kind, 1)

    def some(self, kind: str, count: int) -> range:
        end = self._take(kind, count)
        return range(end - count + 1, end + 1)

    def _take(self, kind: str, count: int, floor: int = 0) -> int:
        self._link.connect()
        end: int = self._link.fetch(STATEMENTS["take_numbers"], kind, floor, count)[0][0]
        return end
