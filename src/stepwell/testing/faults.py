"""What may go wrong in a simulated run, how often, and a store whose transactions meet those ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from random import Random

from stepwell.model.codec import Record
from stepwell.model.errors import Busy
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Reads, Store, Turn


class Crash(BaseException):
    """The simulated server dies here. Not an `Exception`: nothing in the engine may survive it by catching it."""


class Fate(StrEnum):
    """How a transaction ends."""

    COMMIT = "COMMIT"
    BUSY = "BUSY"
    """The commit is refused; the server lives on."""
    CRASH_BEFORE = "CRASH_BEFORE"
    CRASH_AFTER = "CRASH_AFTER"
    """It is committed, but whoever asked never hears of it."""

    RAISED = "RAISED"
    """What ran in it raised, so that nothing was committed: an errand may, a turn must not."""

    @property
    def is_committed(self) -> bool:
        return self in (Fate.COMMIT, Fate.CRASH_AFTER)


class Habit(StrEnum):
    """What a worker does with one step that it got."""

    HONEST = "HONEST"
    FAIL = "FAIL"
    SLOW = "SLOW"
    """Reports about when its lease ends, or later."""
    EXTEND = "EXTEND"
    """Slow, but asks to keep it."""
    KEEP = "KEEP"
    """Says RUNNING, to be offered the step again."""
    VANISH = "VANISH"
    """Never says anything."""
    ZOMBIE = "ZOMBIE"
    """Comes back long after its lease."""
    TWICE = "TWICE"
    """Reports the same result twice."""
    LIE = "LIE"
    """Reports once more, and something else."""
    GUESS = "GUESS"
    """Reports under tokens and steps that it never got, then honestly."""


MOST_FAULTS = {
    "lost_request": 0.15,
    "lost_answer": 0.2,
    "doubled": 0.3,
    "hang_up": 0.6,
    "busy": 0.25,
    "crash_before": 0.03,
    "crash_after": 0.03,
}
MOST_HABITS = {
    Habit.FAIL: 2.0,
    Habit.SLOW: 0.7,
    Habit.EXTEND: 0.7,
    Habit.KEEP: 0.7,
    Habit.VANISH: 0.5,
    Habit.ZOMBIE: 0.7,
    Habit.TWICE: 0.5,
    Habit.LIE: 0.5,
    Habit.GUESS: 0.3,
}


class Rates(Record, frozen=True, kw_only=True):
    """Probabilities of one run, each 0 … 1, and weights of the workers' habits against 1 for honesty."""

    lost_request: float = 0.0
    lost_answer: float = 0.0
    doubled: float = 0.0
    hang_up: float = 0.0
    busy: float = 0.0
    crash_before: float = 0.0
    crash_after: float = 0.0
    habits: dict[Habit, float] = {}


CALM = Rates()
"""Nothing goes wrong, and every worker is well."""


def draw_rates(random: Random) -> Rates:
    """Swarm testing: each run has only some kinds of faults, so that they do not hide each other."""
    faults = {
        name: random.random() * most if random.random() < 0.5 else 0.0 for name, most in MOST_FAULTS.items()
    }
    habits = {
        habit: random.random() * most if random.random() < 0.5 else 0.0 for habit, most in MOST_HABITS.items()
    }
    return Rates(habits=habits, **faults)


class Touched:
    """Keys of the rows that committed transactions wrote, by the name of their table."""

    TABLES = ("process", "step", "execution", "due", "claim", "entry")

    def __init__(self) -> None:
        self.keys: dict[str, dict[object, None]] = {name: {} for name in self.TABLES}

    def take(self, store: MemoryStore) -> None:
        """What the transaction that is about to end has written."""
        for name in self.TABLES:
            self.keys[name].update(dict.fromkeys(getattr(store, name).before))


class FaultyStore:
    """A store whose transactions end as `fate` says. Remembers how each one ended, and what it wrote."""

    def __init__(
        self, store: Store, fate: Callable[[], Fate], survive: Callable[[Store], Store] = lambda store: store
    ) -> None:
        """`survive(store)` is called at the instant of a crash: what a restart finds on the disk."""
        self.inner = store
        self.reads: Reads = store.reads
        self.fates: list[Fate] = []
        self.errors: list[BaseException] = []
        """What was raised inside transactions since somebody looked."""
        self.touched = Touched()
        self.during: list[Callable[[], None]] = []
        """What happens elsewhere while the next transaction commits."""
        self._fate = fate
        self._survive = survive
        self._survivor: Store | None = None

    def migrate(self) -> list[str]:
        return self.inner.migrate()

    @property
    def shared(self) -> bool:
        return self.inner.shared

    def listen(self, heard: Callable[[str], None]) -> bool:
        return self.inner.listen(heard)

    def tell(self, hint: str) -> None:
        self.inner.tell(hint)

    def durability(self) -> list[tuple[str, bool, str]]:
        return self.inner.durability()

    def checks(self) -> list[tuple[str, bool, str]]:
        return self.inner.checks()

    def size(self) -> int:
        return self.inner.size()

    def close(self) -> None:
        self.inner.close()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        fate = self._fate()
        self.fates.append(fate)
        inner = self.inner
        with inner.turn() as turn:
            try:
                yield turn
            except BaseException as error:
                self.fates[-1] = Fate.RAISED
                self.errors.append(error)
                raise
            happened, self.during = self.during, []
            for call in happened:
                call()
            if fate is Fate.BUSY:
                raise Busy("the simulated store refuses this commit")
            if fate is Fate.CRASH_BEFORE:
                self._survivor = self._survive(inner)
                raise Crash
            if isinstance(inner, MemoryStore):
                self.touched.take(inner)
        if fate is Fate.CRASH_AFTER:
            self._survivor = self._survive(inner)
            raise Crash

    def restart(self) -> None:
        """After a crash: go on with what survived."""
        assert self._survivor is not None, "there was no crash"
        self.inner, self._survivor = self._survivor, None
        self.reads = self.inner.reads
