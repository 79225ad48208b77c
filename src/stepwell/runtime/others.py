"""Other nodes over the same store: what this one must ask again and again, because others write too.

The rows are the truth and are looked at, at first often and then ever less while nothing is found. Hints of other nodes
only make a look come sooner. On a store of one writer none of this is used.

    NODE entry       each node says every few seconds that it lives; whoever sees that one does not, frees its steps
    ALIVE entry      a worker's latest sign of life, whichever node it polls
    INSTALLATION     `catalog`: its version is raised with every write of what lookups remember by name
"""

from collections.abc import Iterable, Mapping, Sequence

from stepwell.definition.plan import SERVER
from stepwell.model.codec import EMPTY, change
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.step import StepContext
from stepwell.model.work import Claim
from stepwell.store.port import Changes, Turn

BEAT_MS = 5_000
DEAD_MS = 20_000
"""A node that has not been heard of for so long holds nothing any more."""
SIGN_MS = 10_000
"""How often a worker's sign of life is written down."""
LOOK_MS = 50
"""Between two looks at the queues that somebody waits for, while something is found."""
LONGEST_LOOK_MS = 3_000
"""And when nothing was found for long, and hints come."""
DEAF_LOOK_MS = 500
"""And when hints cannot come."""
SWEEP_MS = 8_000
"""Between two looks at due rows and leases that others have noted. Whoever notes one looks at it in time."""
OWN_HANDS = "stepwell:"
"""How the worker id of a step that a server runs itself begins; the rest is the node's name."""
CATALOG = "catalog"
NEVER = 1 << 62


class Others:
    """Belongs to the lane. Times are epoch milliseconds."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.hears = False
        """Hints of others come in."""
        self._catalog = -1
        self._next_beat = 0
        self._beats = False
        self._began = False
        """A turn of this run was committed."""
        self._next_look = 0
        self._next_sweep = 0
        self._pause = LOOK_MS
        self._alone = False
        self._signs: dict[tuple[str, str], int] = {}
        self._new_signs: list[tuple[str, str]] = []
        self.dead: list[str] = []
        """Nodes of which this turn frees what they held."""

    # -- when

    def next_at(self, waited_for: bool) -> int:
        """When a turn is due for the sake of others. `waited_for`: somebody waits for work here."""
        at = min(self._next_beat, self._next_sweep)
        return min(at, self._next_look) if waited_for else at

    @property
    def alone(self) -> bool:
        """No other node lived when this one looked last: nobody needs hints."""
        return self._alone

    def look_now(self) -> None:
        """A hint came: there may be something to take."""
        self._next_look = 0
        self._pause = LOOK_MS

    def met(self) -> None:
        """Somebody else has said something."""
        self._alone = False

    def takes_look(self, now: int) -> bool:
        """Is it time to look at queues that were seen empty? Then the next look is put off."""
        if now < self._next_look:
            return False
        longest = LONGEST_LOOK_MS if self.hears else DEAF_LOOK_MS
        self._pause = min(2 * self._pause, longest)
        self._next_look = now + self._pause
        return True

    def found_work(self) -> None:
        self._pause = LOOK_MS

    def takes_sweep(self, now: int) -> bool:
        """Is it time to look for due rows that this node knows nothing of?"""
        if now < self._next_sweep:
            return False
        self._next_sweep = now + SWEEP_MS
        return True

    def forget(self) -> None:
        """A turn was rolled back: what was said in it was not said."""
        self._catalog = -1
        self._next_beat = self._next_sweep = self._next_look = 0
        self._signs.clear()
        self._new_signs.clear()
        self.dead.clear()

    # -- the catalog

    def look_around(self, turn: Turn, step_ids: Sequence[int]) -> tuple[bool, Mapping[int, int]]:
        """Was the catalog written since this was asked last? And the processes of these steps."""
        version, owners = turn.look_around((EntryKind.INSTALLATION, SERVER, CATALOG), step_ids)
        changed, self._catalog = version != self._catalog, version
        return changed, owners

    @staticmethod
    def catalog_was_written(turn: Turn, now: int) -> None:
        known = turn.entry(EntryKind.INSTALLATION, SERVER, CATALOG)
        entry = known or _entry(EntryKind.INSTALLATION, CATALOG, now)
        turn.save(Changes(entries=[change(entry, version=_version(known) + 1, updated=now)]))

    # -- who lives

    def beat(self, turn: Turn, now: int) -> None:
        """Say that this node lives, and see who does not any more."""
        self.dead.clear()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT_MS
        self._beats = True
        rows = turn.entries(EntryKind.NODE, SERVER, "")
        self.dead += [row.name for row in rows if row.name != self.node and row.updated <= now - DEAD_MS]
        if not self._began:
            # What stands under this name is of an earlier run.
            self.dead.append(self.node)
        self._alone = all(row.name in (self.node, *self.dead) for row in rows)

    def committed(self) -> None:
        self._began = True

    def claims_of_dead(self, turn: Turn) -> list[Claim]:
        return [claim for name in self.dead for claim in turn.claims_of(f"{OWN_HANDS}{name}")]

    def leave(self, turn: Turn) -> None:
        """This node stops: what its own hands still hold need not be waited for."""
        gone = _entry(EntryKind.NODE, self.node, 0)
        turn.save(Changes(entries=[gone]))

    # -- workers

    def sign_of_life(self, client: str, host: str, now: int) -> None:
        if now - self._signs.get((client, host), 0) >= SIGN_MS and not client.startswith(OWN_HANDS):
            self._signs[client, host] = now
            self._new_signs.append((client, host))

    @staticmethod
    def seen(turn: Turn, client: str, host: str) -> int:
        """When any node has heard of that worker; 0 = never."""
        entry = turn.entry(EntryKind.ALIVE, SERVER, f"{client}/{host}")
        return 0 if entry is None else entry.updated

    def collect(self, changes: Changes, now: int) -> None:
        """Add what is to be said to others in this turn."""
        if self._beats:
            self._beats = False
            changes.entries.append(_entry(EntryKind.NODE, self.node, now))
            changes.dropped_entries += [(EntryKind.NODE, SERVER, name) for name in self.dead]
        for client, host in self._new_signs:
            sign = _entry(EntryKind.ALIVE, f"{client}/{host}", now)
            changes.entries.append(change(sign, expires=now + 100 * SIGN_MS))
        self._new_signs.clear()


def held_by(claims: Iterable[Claim], steps: Mapping[int, StepContext]) -> list[StepContext]:
    """The steps that these claims still hold."""
    return [
        steps[id]
        for claim in claims
        for id in claim.steps
        if id in steps and steps[id].hand_out.claim == claim.id
    ]


def _version(entry: Entry | None) -> int:
    return 0 if entry is None else entry.version


def _entry(kind: EntryKind, name: str, now: int) -> Entry:
    return Entry(
        kind=kind, namespace=SERVER, name=name, body=EMPTY, created=now, updated=now, updated_by=SERVER
    )
