"""Simulated people and apps: they start processes, operate them, change the catalog, and remember what they heard."""

from collections.abc import Callable
from typing import Any

from stepwell.engine.events import AnyEvent, ResumeRequested, ReviewRequested, TerminateRequested
from stepwell.model.codec import EMPTY, Record, change, encode
from stepwell.model.errors import Busy, Conflict, StepwellError
from stepwell.model.process import ProcessContext
from stepwell.runtime import catalog
from stepwell.runtime.asks import Ask, ErrandAsk, EventAsk, StartAsk
from stepwell.runtime.decision_tables import put_decision_table
from stepwell.runtime.requests import StartRequest
from stepwell.testing.asking_steps import draw_table
from stepwell.testing.definitions import POLICIES, Drawing, below, draw_policy
from stepwell.testing.evidence import broken
from stepwell.testing.world import LOST, Line, World

KEYED = 0.2
"""Of all starts, so many have an idempotency key; there are few of them, so that they meet."""
PATIENCE_MS = (0, 0, 40, 3_000)
"""How long a caller waits for the end: that matters for API_ORCHESTRATION only."""


class Wish(Record, frozen=True):
    """A start that somebody wants, perhaps again and again."""

    name: str
    input: bytes
    priority: int
    key: str | None


class Ledger:
    """What callers were told. The server may know more; it must never know less."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], int] = {}
        """(name, idempotency key) → the one process that it may stand for."""
        self.wishes: dict[tuple[str, str], Wish] = {}
        self.started: dict[str, int] = {}
        """Request id of an acknowledged start → process."""
        self.refused: dict[str, None] = {}
        """Request ids of starts that were answered with Busy: nothing of them may exist."""
        self.processes: list[int] = []
        """Processes that callers have heard of, in that order."""

    def note_started(self, request_id: str | None, wish: Wish, id: int, *, other: bool) -> None:
        if id not in self.processes:
            self.processes.append(id)
        if request_id is not None:
            self.started[request_id] = id
        if wish.key is None:
            return
        key = (wish.name, wish.key)
        if self.keys.setdefault(key, id) != id:
            broken("a key starts one process", f"{key} is {self.keys[key]} and {id}")
        asked = Wish(wish.name, b"other" if other else wish.input, wish.priority, wish.key)
        if self.wishes.setdefault(key, asked) != asked:
            broken("a key stands for one request", f"{key} was answered for {self.wishes[key]} and {asked}")


class Starter:
    """Starts a number of processes, one after the other, and reruns some. Tries again when no answer comes."""

    def __init__(self, world: World, line: Line, ledger: Ledger, names: tuple[str, ...], count: int) -> None:
        self._world = world
        self._line = line
        self._ledger = ledger
        self._names = names
        self._left = count
        self._sent = 0
        self._keyed: list[Wish] = []
        self.is_done = False

    def begin(self) -> None:
        if self._left > 0:
            self._left -= 1
            self._world.after(self._world.random.choice((1, 20, 400, 3_000)), self._start)
        else:
            self.is_done = True

    def _start(self) -> None:
        random = self._world.random
        if self._ledger.processes and random.random() < 0.08:
            again = random.choice(self._ledger.processes)
            self._line.call(lambda answer: StartAsk(answer, None, again), self._heard)
            return
        if self._keyed and random.random() < 0.25:
            # A person presses the button again, or another one with the same key by mistake.
            self._send(random.choice(self._keyed), other=random.random() < 0.3)
            return
        name = random.choice(self._names)
        items = [random.randint(0, 9) for _ in range(random.randint(0, 4))]
        given = encode({"items": items}) if random.random() < 0.5 else EMPTY

        key = f"key {random.randint(1, 6)}" if random.random() < KEYED else None
        self._send(Wish(name, given, random.choice((0, 0, 0, 2)), key), other=False)

    def _send(self, wish: "Wish", *, other: bool) -> None:
        """`other`: not the same request, although it has the same key."""
        if wish.key is not None and not other:
            self._keyed.append(wish)
        patience = self._world.random.choice(PATIENCE_MS)

        def make(answer: Callable[[Any], None]) -> Ask:
            # Each copy that arrives has a name of its own, so that it is known which of them was answered. A key's
            # copies are the same to the last byte.
            self._sent += 1
            request_id = f"start {self._sent}" if wish.key is None else None

            def heard(value: Any) -> None:
                if isinstance(value, ProcessContext):
                    self._ledger.note_started(request_id, wish, value.id, other=other)
                elif isinstance(value, Busy) and request_id is not None:
                    self._ledger.refused[request_id] = None
                elif isinstance(value, Conflict) and other:
                    self._world.sightings["a key was used for another request"] += 1
                answer(value)

            request = StartRequest(
                namespace="default",
                name=wish.name,
                request_id=request_id,
                priority=wish.priority,
                input=encode({"other": True}) if other else wish.input,
                idempotency_key=wish.key,
            )
            return StartAsk(heard, request, patience_ms=patience)

        self._line.call(make, self._heard)

    def _heard(self, value: Any) -> None:
        self._world.note("started", value.id if isinstance(value, ProcessContext) else type(value).__name__)
        if isinstance(value, ProcessContext) and value.rerun_of is not None:
            self._ledger.processes.append(value.id)
            self._world.sightings["rerun"] += 1
        again = self._world.random.random() < 0.7 or not self._ledger.processes
        if again and (value is LOST or isinstance(value, Busy)):
            self._left += 1
        self.begin()


class Operator:
    """Terminates, resumes and reviews whatever comes to hand, as long as there are faults."""

    def __init__(self, world: World, line: Line, ledger: Ledger) -> None:
        self._world = world
        self._line = line
        self._ledger = ledger
        self._pause_ms = world.random.choice((500, 3_000, 20_000))
        self._stopped = False

    def begin(self) -> None:
        if not self._stopped:
            pause = self._world.random.randint(1, 2 * self._pause_ms)
            self._world.after(pause, self._operate)

    def heal(self) -> None:
        self._stopped = True

    def _operate(self) -> None:
        if self._stopped:
            return
        random = self._world.random
        if not self._ledger.processes:
            self.begin()
            return
        process_id = random.choice(self._ledger.processes[-8:])
        unsaved = list(self._line.server.stretches())
        if unsaved and random.random() < 0.5:
            process_id = random.choice(unsaved)
            self._world.sightings["an operator met what is in memory only"] += 1
        elif random.random() < 0.03:
            process_id += 1
        event: AnyEvent = random.choices(
            (TerminateRequested(reason="enough"), ResumeRequested(), ReviewRequested(reason="seen")),
            weights=(2, 5, 0.3),
        )[0]

        def heard(value: Any) -> None:
            said = value.code if isinstance(value, StepwellError) else value
            self._world.note(type(event).__name__, process_id, said)
            if value is None:
                self._world.sightings[type(event).__name__] += 1
            self.begin()

        self._line.call(lambda answer: EventAsk(answer, process_id, event), heard)


class Editor:
    """Stores new versions of definitions and policies while processes run."""

    def __init__(self, world: World, line: Line, names: tuple[str, ...], family: tuple[str, ...]) -> None:
        self._world = world
        self._line = line
        self._names = names
        self._family = family
        self._stopped = False

    def begin(self) -> None:
        self._world.after(self._world.random.randint(1_000, 60_000), self._edit)

    def heal(self) -> None:
        self._stopped = True

    def _edit(self) -> None:
        if self._stopped:
            return
        random = self._world.random
        if self._family and random.random() < 0.2:
            table = draw_table(random)
            self._send(lambda turn, now: put_decision_table(turn, now, table, "editor"))
        elif random.random() < 0.5:
            policy = draw_policy(random, random.choice(POLICIES))
            self._send(lambda turn, now: catalog.put_policy(turn, now, policy, "editor"))
        else:
            name = random.choice(self._names)
            definition = change(Drawing(random, below(self._family, name)).definition(name), version=None)
            self._send(lambda turn, now: catalog.put_definition(turn, now, definition, "editor", update=True))

    def _send(self, errand: Callable[[Any, int], Any]) -> None:
        def heard(value: Any) -> None:
            if not isinstance(value, Exception) and value is not LOST:
                self._world.sightings["catalog changed"] += 1
            self._world.note("edited", type(value).__name__)
            self.begin()

        self._line.call(lambda answer: ErrandAsk(answer, errand), heard)
