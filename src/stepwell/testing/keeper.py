"""The retention of a simulated server: the real one, driven step by step without a loop, and what it may drop."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar, cast

from stepwell.definition.plan import SERVER, Plan
from stepwell.model.codec import decode_as
from stepwell.model.due import DueKind
from stepwell.model.entry import EntryKind
from stepwell.model.errors import Busy
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.retention import Finished
from stepwell.runtime.asks import ErrandAsk
from stepwell.runtime.counts import Counts
from stepwell.runtime.retention import LeftOver, Retention
from stepwell.runtime.runtime import Runtime
from stepwell.store.port import Reads, Turn
from stepwell.testing.evidence import Evidence, Invariants, broken
from stepwell.testing.family_checks import child_of
from stepwell.testing.mirror import Delta
from stepwell.testing.world import LOST, Server, World

T = TypeVar("T")
DRAW_MS = 3_000
"""From a look at what is over until it is dropped, at the most; longer when the store is busy."""
LOOK_MS = 4_000
"""Between two passes."""


class Wish(Awaitable[Any]):
    """A write that the retention waits for."""

    def __init__(self, errand: Callable[[Turn, int], Any]) -> None:
        self.errand = errand

    def __await__(self) -> Generator["Wish", Any, Any]:
        return (yield self)


class House:
    """Of a runtime what the retention asks of it."""

    def __init__(self, world: World, server: Server, evidence: Evidence) -> None:
        self.clock = world.clock
        self.counts = Counts()
        self._server = server
        self._evidence = evidence

    async def read(self, query: Callable[[Reads], T]) -> T:
        return query(self._server.store.reads)

    async def write(self, errand: Callable[[Turn, int], T], *, catalog: bool = True) -> T:
        result: T = await Wish(errand)
        return result

    async def plan_of(self, process: Finished) -> Plan:
        return self._evidence.plan(process)


class Keeper:
    """Passes of the retention, one after the other; a crash of the server ends the one that runs."""

    def __init__(self, world: World, server: Server, evidence: Evidence, keep_ms: int) -> None:
        self._world = world
        self._server = server
        self._house = House(world, server, evidence)
        self._keep_ms = keep_ms
        self._retention = self._fresh()

    def begin(self) -> None:
        self._world.after(LOOK_MS, self._pass)

    def _fresh(self) -> Retention:
        return Retention(cast(Runtime, self._house), self._keep_ms)

    def _pass(self) -> None:
        self._go(self._retention.pass_once(), None)

    def _go(self, work: Coroutine[Any, Any, Any], value: Any) -> None:
        try:
            wish = work.throw(value) if isinstance(value, Exception) else work.send(value)
        except (StopIteration, Busy):
            self.begin()
            return
        if wish is None:
            self._world.after(self._world.random.choice((0, 10)), lambda: self._go(work, None))
            return

        def heard(value: Any) -> None:
            if value is LOST:
                work.close()
                self._retention = self._fresh()
                self.begin()
            else:
                self._go(work, value)

        ask = ErrandAsk(heard, wish.errand, catalog=False)
        self._world.after(self._world.random.choice((0, 0, 300, 2_000)), lambda: self._server.receive(ask))


class KeeperChecks(Invariants):
    """Only what is over goes, and of what went nothing is left."""

    def __init__(self, evidence: Evidence, keep_ms: int) -> None:
        super().__init__(evidence)
        self._keep_ms = keep_ms

    def check(self, delta: Delta) -> None:
        for process in delta.dropped:
            self._check_dropped(process)

    def _check_dropped(self, process: ProcessContext) -> None:
        if process.status.is_open or process.marked:
            broken("only what is over goes", f"process {process.id} was {process.status}")
        if not self._keep_ms or process.ended + self._keep_ms > self.world.now:
            broken("what ended is kept for its time", f"process {process.id} ended at {process.ended}")
        due = self.mirror.due_of.get(process.id, {})
        if due:
            broken("only what is over goes", f"process {process.id} has {next(iter(due.values()))}")
        for other in self.mirror.processes.values():
            # One that began, or was resumed by people, since the retention looked is nobody's mistake.
            known = other.created + DRAW_MS < self.world.now and not other.resumed
            if other.parent_id == process.id and other.status.is_open and known:
                broken("who has open children stays", f"process {process.id} of {other.id}")
        step = self.mirror.steps.get(process.parent_step_id or 0)
        if step is not None and step.status.is_open and child_of(step) == process.id:
            told = (step.process_id, step.id, int(DueKind.NEWS)) in self.mirror.due
            if told or process.status is not ProcessStatus.COMPLETED:
                broken("who is waited for stays", f"process {process.id} {process.status}")
        self.see("a finished process was dropped")
        if any(row.status.is_open for row in self.mirror.processes.values()):
            self.see("it was dropped while others ran")

    def check_end(self) -> None:
        kept = self.evidence.store.reads.entries(EntryKind.LEFT_OVER, SERVER)
        left = {decode_as(entry.body, LeftOver).process_id for entry in kept}
        for id, step in self.mirror.steps.items():
            if step.process_id not in self.mirror.processes and step.process_id not in left:
                broken("of what went nothing is left", f"step {id} of process {step.process_id}")
        for step_id, number in self.mirror.executions:
            if step_id not in self.mirror.steps:
                broken("of what went nothing is left", f"execution {number} of step {step_id}")
