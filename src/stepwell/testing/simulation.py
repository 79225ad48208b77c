"""One simulated run: faults first, then everybody is well again, and every process must end.

    run(seed)                      → Outcome, or SimulationFailed with all that is needed to see it again

The engine, the turn and the store are the real ones; only time, chance, callers and workers are played.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import ModuleType

from stepwell.definition.check import check
from stepwell.engine import draft, process
from stepwell.engine.control.table import CONTROLS
from stepwell.model.codec import Record, change
from stepwell.model.definition import ProcessDefinition
from stepwell.runtime import catalog, clockwork, retention
from stepwell.runtime.decision_tables import put_decision_table
from stepwell.runtime.node import RuntimeSettings
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.testing.asking_steps import draw_table
from stepwell.testing.checks import Checks
from stepwell.testing.clients import Editor, Ledger, Operator, Starter
from stepwell.testing.definitions import (
    HOOK,
    POLICIES,
    WIDE_LOOP,
    Drawing,
    below,
    draw_policy,
    hook_definition,
)
from stepwell.testing.disk import Disk
from stepwell.testing.evidence import Violation, broken
from stepwell.testing.faults import FaultyStore, Rates, draw_rates
from stepwell.testing.keeper import Keeper
from stepwell.testing.own_hands import OwnHands
from stepwell.testing.repairers import Repairer
from stepwell.testing.workers import Worker
from stepwell.testing.world import Line, Server, World

FAULTS_MS = 90_000
"""Virtual time of the first phase, at the most."""
HEAL_MS = 4 * 3_600_000
"""Virtual time that everything well may need to end."""
MOST_TURNS = 20_000
CROWD_DOUBLED = 0.5


class SimulationFailed(AssertionError):
    """An invariant broke. The text holds the seed, the last events and the command that replays them."""

    def __init__(self, seed: int, reason: str, last: list[str], sqlite: bool) -> None:
        again = f"python -m stepwell.testing.simulate --seed {seed}" + (" --sqlite" if sqlite else "")
        super().__init__(
            "\n".join([f"seed {seed}: {reason}", *(f"  {line}" for line in last), f"again: {again}"])
        )
        self.seed = seed
        self.reason = reason


class Outcome(Record, frozen=True, kw_only=True):
    """A run in which everything held."""

    seed: int
    history: str
    """Hash of the whole history: the same seed gives the same."""
    turns: int
    processes: int
    steps: int
    sightings: Counter[str]


def run(seed: int, *, folder: Path | None = None) -> Outcome:
    """One seed on the memory store, or on SQLite in `folder`. Raises SimulationFailed."""
    with quiet():
        return Simulation(seed, folder).run()


class Simulation:
    """One run. Some are crowded: a wide loop, a slow disk, doubled requests, so that one turn holds a lot at once."""

    def __init__(self, seed: int, folder: Path | None) -> None:
        random = Random(f"setting {seed}")
        self.seed = seed
        self._disk = Disk(folder) if folder is not None else None
        self._crowded = random.random() < 0.2
        whole = Random(f"whole {seed}")
        self._whole = whole.random() < 0.6 and not self._crowded
        """Every kind of step and operation; else the plain ones, in which their own mistakes show sooner."""
        self._quick = self._whole and whole.random() < 0.4
        """Most runs are API_ORCHESTRATION, with somebody who waits."""
        self.rates: Rates = draw_rates(random)
        if self._crowded:
            self.rates = change(self.rates, doubled=CROWD_DOUBLED)
        self.world = World(seed, self.rates)
        self.settings = RuntimeSettings(
            lease_ms=random.choice((2_000, 10_000, 30_000)),
            lease_max_ms=random.choice((5_000, 60_000)),
            max_deliveries=random.choice((2, 4, 10)),
            cache_bytes=random.choice((1, 20_000, 1 << 28)),
        )
        self.bounds = {
            (draft, "MAX_TRANSITIONS"): random.choice((256, 3, 7)),
            (process, "CLOSING_SLICE"): 1 if self._crowded else random.choice((256, 1, 3)),
            (clockwork, "DUE_AT_ONCE"): random.choice((500, 2)),
            (clockwork, "CLAIMS_AT_ONCE"): random.choice((100, 1)),
            (retention, "PAUSE_S"): 0,
            (retention, "BITE"): whole.choice((50, 2)),
            (retention, "STEPS"): whole.choice((1_000, 3)),
        }
        inner: Store = self._disk.store() if self._disk is not None else MemoryStore()
        survive = self._disk.survive if self._disk is not None else (lambda store: store)
        self.store = FaultyStore(inner, lambda: self.server.fate(), survive)
        self.ledger = Ledger()
        self._keep_ms = whole.choice((0, 0, 20_000, 40_000)) if self._whole else 0
        """How long what ended is kept; 0 = for ever."""
        self.checks = Checks(self.world, self.store, self.settings, self.ledger, self._keep_ms)
        self.names = tuple(f"made{n}" for n in range(random.randint(1, 4)))
        if self._crowded:
            self.names += (WIDE_LOOP,) * 3
        self.family = (*self.names[1:], HOOK) if self._whole else ()
        self._stock(random)
        self.server = Server(self.world, self.store, self.settings, self.checks, slow=self._crowded)
        self.checks.evidence.stretches = self.server.stretches
        line = Line(self.world, self.server)
        often = (self.names[0],) * 4 if self._quick else ()
        self.starter = Starter(self.world, line, self.ledger, (*self.names, *often), random.randint(2, 9))
        self.workers = [self._worker(n, random) for n in range(random.choice((1, 1, 2, 3, 4)))]

    def _worker(self, number: int, random: Random) -> Worker:
        line = Line(self.world, self.server)
        modern = random.random() < 0.6
        return Worker(self.world, line, f"worker{number}", self.settings.lease_ms, modern=modern)

    def _draw(self, random: Random, name: str) -> ProcessDefinition:
        quick = self._quick and name == self.names[0]
        return Drawing(random, below(self.family, name), quick=quick).definition(name)

    def _stock(self, random: Random) -> None:
        definitions = [
            hook_definition(),
            *(self._draw(random, name) for name in dict.fromkeys(self.names)),
        ]
        with self.store.inner.turn() as turn:
            for name in POLICIES if random.random() < 0.8 else POLICIES[:1]:
                catalog.put_policy(turn, self.world.now, draw_policy(random, name), "simulation")
            if self._whole:
                put_decision_table(turn, self.world.now, draw_table(random), "simulation")
            for definition in definitions:
                _assert_valid(definition)
                catalog.put_definition(turn, self.world.now, definition, "simulation", update=False)

    # -- the two phases

    def run(self) -> Outcome:
        try:
            with small(self.bounds):
                self._live()
        except Violation as violation:
            raise self._failed(str(violation)) from violation
        except Exception as error:
            raise self._failed(f"{type(error).__name__}: {error}") from error
        finally:
            self.store.close()
        return Outcome(
            seed=self.seed,
            history=self.world.history_hash(),
            turns=self.server.turns,
            processes=len(self.checks.mirror.processes),
            steps=len(self.checks.mirror.steps),
            sightings=self.world.sightings,
        )

    def _live(self) -> None:
        world, random = self.world, self.world.random
        line = Line(world, self.server)
        operator = Operator(world, line, self.ledger)
        editor = Editor(world, line, self.names, self.family)
        repairer = Repairer(world, line, self.checks.evidence)
        hands = OwnHands(world, self.server, self.checks.evidence)
        for worker in self.workers:
            worker.begin()
        self.starter.begin()
        if random.random() < 0.7:
            operator.begin()
        if random.random() < 0.3:
            editor.begin()
        if self._keep_ms:
            Keeper(world, self.server, self.checks.evidence, self._keep_ms).begin()
        if self._whole:
            hands.begin()
            if random.random() < 0.8:
                repairer.begin()
        world.run_until(world.now + random.randint(FAULTS_MS // 6, FAULTS_MS), self._tired)
        self._heal(operator, editor)
        if self._whole:
            hands.heal()
            repairer.heal()
        world.run_until(world.now + HEAL_MS, lambda: self._tired() or self._is_quiet())
        self.checks.check_end()

    def _heal(self, operator: Operator, editor: Editor) -> None:
        self.world.note("heal")
        self.world.heal()
        operator.heal()
        editor.heal()
        for worker in self.workers:
            worker.heal()

    def _tired(self) -> bool:
        return self.server.turns >= MOST_TURNS

    def _is_quiet(self) -> bool:
        mirror = self.checks.mirror
        return (
            self.server.lane is not None
            and self.starter.is_done
            and not mirror.due
            and not mirror.claims
            and not self.server.stretches()
            and not any(row.status.is_open for row in mirror.processes.values())
        )

    def _failed(self, reason: str) -> SimulationFailed:
        return SimulationFailed(self.seed, reason, list(self.world.last), self._disk is not None)


def _assert_valid(definition: ProcessDefinition) -> None:
    problems = check(definition, known=CONTROLS, policies=lambda name: True)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        broken("what is drawn is valid", str(errors[0]))


@contextmanager
def small(bounds: dict[tuple[ModuleType, str], int]) -> Iterator[None]:
    """Bounds of the engine set so low that what is rare becomes common."""
    before = {(module, name): getattr(module, name) for module, name in bounds}
    try:
        for (module, name), value in bounds.items():
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


@contextmanager
def quiet() -> Iterator[None]:
    """Rollbacks are what a simulation is about: the lane need not log them."""
    log = logging.getLogger("stepwell.lane")
    was = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = was
