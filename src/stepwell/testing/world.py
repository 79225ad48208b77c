"""The simulated world: an agenda of what happens when, a history, one server, and the lines that lead to it.

Nothing in here waits. `run_until` takes the next entry of the agenda, moves the clock there and calls it; chance comes
from one generator, so that the same seed gives the same history to the last byte.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from random import Random
from typing import Any, Protocol

from stepwell.model.process import ProcessContext
from stepwell.runtime.asks import Ask
from stepwell.runtime.lane import Answer, Lane, answer_of
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.stretch import Stretch
from stepwell.testing.clock import VirtualClock
from stepwell.testing.faults import CALM, Crash, Fate, FaultyStore, Rates

LAST = 20
"""Events that a failure prints."""


class Lost:
    """What a caller gets when no answer comes: the request, the answer or the server went missing."""

    def __repr__(self) -> str:
        return "lost"


LOST = Lost()


class World:
    """Time, chance and memory of one run."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self.random = Random(seed)
        self.clock = VirtualClock()
        self.rates = rates
        self.sightings: Counter[str] = Counter()
        """Interesting situations and how often they came up: a campaign must see all of them."""
        self.last: deque[str] = deque(maxlen=LAST)
        self._hash = sha256()
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def now(self) -> int:
        return self.clock.now()

    def heal(self) -> None:
        """No further faults."""
        self.rates = CALM

    def happens(self, rate: float) -> bool:
        return rate > 0 and self.random.random() < rate

    def note(self, *words: object) -> None:
        line = f"{self.now} " + " ".join(map(str, words))
        self.last.append(line)
        self._hash.update(line.encode())

    def history_hash(self) -> str:
        return self._hash.hexdigest()[:16]

    def after(self, delay_ms: int, call: Callable[[], None]) -> None:
        self.at(self.now + delay_ms, call)

    def at(self, when: int, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._count, call))

    def run_until(self, end: int, done: Callable[[], bool] = lambda: False) -> None:
        """Live until `end` (epoch ms) or until `done`."""
        while self._agenda and self._agenda[0][0] <= end and not done():
            when, _, call = heapq.heappop(self._agenda)
            self.clock.move_to(when)
            call()
        if not done():
            self.clock.move_to(end)


class Witness(Protocol):
    """Looks at the store after every turn, whether it was answered or died."""

    def after_turn(
        self,
        lane: Lane | None,
        asks: Sequence[Ask],
        answers: Sequence[Answer],
        told: Sequence[ProcessContext] | None,
        *,
        committed: bool,
    ) -> None: ...


class Server:
    """One server around the real lane. A crash drops the lane; after a while a new one starts over the same rows."""

    def __init__(
        self,
        world: World,
        store: FaultyStore,
        settings: RuntimeSettings,
        witness: Witness,
        *,
        slow: bool = False,
    ) -> None:
        self.world = world
        self.store = store
        self.turns = 0
        self.unanswered: dict[int, Ask] = {}
        """Asks that this server has got and not answered; by identity."""
        self._settings = settings
        self._witness = witness
        self._inbox: list[Ask] = []
        paces = ((0, 0, 1, 5), (0, 0, 1, 5), (5, 50), (100, 400))
        self._pace = paces[-1] if slow else world.random.choice(paces)
        """How long it may take until a turn begins, ms: a slow disk makes crowds."""
        self._next_turn: int | None = None
        self.lane: Lane | None = Lane(store, world.clock, settings)

    def stretches(self) -> Mapping[int, Stretch]:
        """What it has in memory only."""
        return {} if self.lane is None else self.lane.node.stretches.all()

    def receive(self, ask: Ask) -> None:
        if self.lane is None:
            ask.answer(LOST)
            return
        self.unanswered[id(ask)] = ask
        self._inbox.append(ask)
        self.wake()

    def wake(self) -> None:
        """A turn comes soon; whatever arrives until then shares it."""
        if self.lane is not None:
            self._turn_at(self.world.now + self.world.random.choice(self._pace))

    def fate(self) -> Fate:
        """What becomes of the next transaction."""
        rates, world = self.world.rates, self.world
        if world.happens(rates.busy):
            return Fate.BUSY
        if world.happens(rates.crash_before):
            return Fate.CRASH_BEFORE
        if world.happens(rates.crash_after):
            return Fate.CRASH_AFTER
        return Fate.COMMIT

    def _turn_at(self, when: int) -> None:
        if self._next_turn is None or when < self._next_turn:
            self._next_turn = when
            self.world.at(when, lambda: self._turn_if(when))

    def _turn_if(self, when: int) -> None:
        if self._next_turn == when and self.lane is not None:
            self._next_turn = None
            self._turn(self.lane)

    def _turn(self, lane: Lane) -> None:
        asks, self._inbox = self._inbox, []
        self.turns += 1
        self.store.fates.clear()
        self.store.errors.clear()
        try:
            answers, told = lane.run_turn(asks)
        except Crash:
            self._crash(asks)
            return
        self.world.note("turn", len(asks), "asks", len(answers), "answers", *self.store.fates)
        self._witness.after_turn(lane, asks, answers, told, committed=self._committed(asks))
        for ask, value in answers:
            del self.unanswered[id(ask)]
            ask.answer(answer_of(ask, value))
        self._turn_at(max(lane.next_at(), self.world.now + max(1, self.world.random.choice(self._pace))))

    def _committed(self, asks: Sequence[Ask]) -> bool:
        """Did the transaction of everything but errands commit? Those of errands come first."""
        errands = sum(1 for ask in asks if hasattr(ask, "errand"))
        return len(self.store.fates) > errands and self.store.fates[errands].is_committed

    def _crash(self, asks: Sequence[Ask]) -> None:
        fate = self.store.fates[-1]
        self.world.note("crash", fate, len(asks), "asks")
        self.world.sightings[f"crash {'after' if fate.is_committed else 'before'} a commit"] += 1
        self.lane = None
        self.store.restart()
        self._witness.after_turn(None, asks, (), None, committed=self._committed(asks))
        orphans, self.unanswered, self._inbox = list(self.unanswered.values()), {}, []
        self._next_turn = None
        for ask in orphans:
            ask.answer(LOST)
        self.world.after(self.world.random.choice((1, 50, 2_000, 20_000)), self._restart)

    def _restart(self) -> None:
        self.world.note("restart")
        self.lane = Lane(self.store, self.world.clock, self._settings)
        self._turn_at(self.world.now)


Make = Callable[[Callable[[Any], None]], Ask]


class Line:
    """A caller's way to the server, on which requests and answers are lost, doubled and overtaken."""

    def __init__(self, world: World, server: Server, timeout_ms: int = 5_000) -> None:
        self.world = world
        self.server = server
        self.timeout_ms = timeout_ms

    def call(self, make: Make, done: Callable[[Any], None]) -> None:
        """`make(answer)` builds the ask that arrives; `done(value)` is called once, with LOST if nothing comes back."""
        world, rates = self.world, self.world.rates
        called = False

        def once(value: Any) -> None:
            nonlocal called
            if not called:
                called = True
                done(value)

        if world.happens(rates.lost_request):
            world.after(self.timeout_ms, lambda: once(LOST))
            return
        world.after(self._delay(), lambda: self.server.receive(make(lambda value: self._back(value, once))))
        if world.happens(rates.doubled):
            late = self._delay() + world.random.choice((0, 3, 30, 300, 300, 8_000))
            world.after(late, lambda: self.server.receive(make(lambda value: None)))

    def _back(self, value: Any, once: Callable[[Any], None]) -> None:
        world = self.world
        if world.happens(world.rates.lost_answer):
            world.sightings["answer lost"] += 1
            world.after(self.timeout_ms, lambda: once(LOST))
        else:
            world.after(self._delay(), lambda: once(value))

    def _delay(self) -> int:
        return self.world.random.choice((0, 1, 1, 2, 5, 20))
