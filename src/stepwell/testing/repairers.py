"""Simulated operators at three in the morning: they pause, cancel, order, edit, mark, send signals, run again from."""

from collections.abc import Callable
from typing import Any

from stepwell.engine.effects import Mark
from stepwell.engine.events import (
    AnyEvent,
    CancelRequested,
    PauseRequested,
    RerunFromRequested,
    SignalReceived,
    StateEdited,
    StepOrder,
    StepOrdered,
    StepRemoved,
    UnpauseRequested,
)
from stepwell.model.codec import decode, encode
from stepwell.model.definition import StepType
from stepwell.model.errors import StepwellError
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext
from stepwell.runtime import catalog
from stepwell.runtime.asks import ErrandAsk, EventAsk
from stepwell.testing.evidence import Evidence
from stepwell.testing.further_steps import SIGNALS
from stepwell.testing.world import Line, World

TIDY_MS = 5_000
PATIENCE_MS = 300_000
"""How long a step may watch others when all is well."""
WATCHING = (StepType.DEPENDSON, StepType.PROCESS_TRACKER)


class Repairer:
    """Sees all processes, as people do in a list. In the end it lets everything go on and answers who waits."""

    def __init__(self, world: World, line: Line, evidence: Evidence) -> None:
        self._world = world
        self._line = line
        self._evidence = evidence
        self._mirror = evidence.mirror
        self._pause_ms = world.random.choice((300, 1_500, 8_000))
        self._marked: dict[tuple[str, str], None] = {}
        self._signals = 0
        self._well = False

    def begin(self) -> None:
        if not self._well:
            self._world.after(self._world.random.randint(1, 2 * self._pause_ms), self._operate)

    def heal(self) -> None:
        self._well = True
        self._tidy()

    # -- while there are faults

    def _operate(self) -> None:
        random = self._world.random
        processes = list(self._mirror.processes.values())[-12:]
        if self._well:
            return
        if not processes:
            self.begin()
            return
        process = random.choice(processes)
        steps = [self._mirror.steps[id] for id in self._mirror.steps_of.get(process.id, ())]
        if random.random() < 0.12:
            self._mark(process)
            return
        make = self._wish(process, steps)
        if make is None:
            self.begin()
        else:
            self._send(process.id, make, self.begin)

    def _wish(self, process: ProcessContext, steps: list[StepContext]) -> Callable[[], AnyEvent] | None:
        random = self._world.random
        if not process.status.is_open:
            ended = [step for step in steps if not step.status.is_open]
            if not ended or random.random() < 0.3:
                return None
            ref, given = random.choice(ended).ref, random.choice((None, None, encode({"edited": True})))
            return lambda: RerunFromRequested(ref=ref, input=given)
        opened = [step for step in steps if step.status.is_open]
        kind = random.choice(
            ("cancel", "pause", "pause", "edit", "order", "order", "remove", "signal", "signal")
        )
        if process.paused and random.random() < 0.6:
            return UnpauseRequested
        match kind:
            case "cancel" if random.random() < 0.3:
                return lambda: CancelRequested(reason="not needed")
            case "pause":
                return PauseRequested
            case "edit":
                put = encode({"edited": random.randint(0, 9)})
                return lambda: StateEdited(put=put)
            case "order" if opened:
                return self._order(random.choice(opened))
            case "remove" if random.random() < 0.3 and steps:
                ref = random.choice(steps).ref
                return lambda: StepRemoved(ref=ref)
            case _:
                return self._signal

    def _order(self, step: StepContext) -> Callable[[], AnyEvent]:
        order = self._world.random.choice(tuple(StepOrder))
        output = encode({"ordered": self._world.random.getrandbits(30)})
        return lambda: StepOrdered(ref=step.ref, order=order, output=output)

    def _signal(self) -> AnyEvent:
        """Each copy that arrives has a number of its own: it is known which of them was taken."""
        self._signals += 1
        return SignalReceived(
            name=self._world.random.choice(SIGNALS), payload=encode({"signal": self._signals})
        )

    def _send(self, process_id: int, make: Callable[[], AnyEvent], then: Callable[[], None]) -> None:
        name = ""

        def build(answer: Callable[[Any], None]) -> EventAsk:
            nonlocal name
            event = make()
            name = type(event).__name__
            return EventAsk(answer, process_id, event)

        def heard(value: Any) -> None:
            said = value.code if isinstance(value, StepwellError) else value
            self._world.note("repair", name, process_id, said)
            if value is None:
                self._world.sightings[name] += 1
            then()

        self._line.call(build, heard)

    # -- marks on steps of a definition

    def _mark(self, process: ProcessContext) -> None:
        random = self._world.random
        ref = random.choice(list(self._evidence.plan(process).steps))
        mark = random.choice((Mark.HOLD, Mark.HOLD, Mark.SKIP))
        self._marked[process.name, ref] = None
        name = process.name

        def put(turn: Any, now: int) -> None:
            catalog.put_mark(turn, now, "default", name, ref, mark, "repairer", "")

        def heard(value: Any) -> None:
            self._world.note("marked", name, ref, mark, type(value).__name__)
            if value is None:
                self._world.sightings[f"marked {mark.value}"] += 1
            self.begin()

        self._line.call(lambda answer: ErrandAsk(answer, put), heard)
        if random.random() < 0.7:
            self._world.after(random.randint(1, 20_000), lambda: self._unmark(name, ref))

    def _unmark(self, name: str, ref: str) -> None:
        def drop(turn: Any, now: int) -> None:
            catalog.drop_mark(turn, now, "default", name, ref, "repairer")

        self._line.call(lambda answer: ErrandAsk(answer, drop), lambda value: None)

    # -- afterwards

    def _tidy(self) -> None:
        """Again and again: a doubled wish of before may still arrive."""
        for name, ref in self._marked:
            self._unmark(name, ref)
        for process in list(self._mirror.processes.values()):
            if process.status.is_open:
                self._help(process)
        self._world.after(TIDY_MS, self._tidy)

    def _help(self, process: ProcessContext) -> None:
        if process.paused:
            self._send(process.id, UnpauseRequested, lambda: None)
        plan = self._evidence.plan(process)
        for id in self._mirror.steps_of.get(process.id, ()):
            step = self._mirror.steps[id]
            if step.status.is_open and plan.steps[str(step.path[0])].type in WATCHING:
                self._end_watching(process.id, step)
            if step.status.is_open and plan.steps[str(step.path[0])].type is StepType.WAIT:
                wanted = decode(step.input).get("forSignal")
                if wanted:
                    self._signals += 1
                    payload = encode({"signal": self._signals})
                    self._signal_to(process.id, SignalReceived(name=wanted, payload=payload))

    def _end_watching(self, process_id: int, step: StepContext) -> None:
        """Two that wait for each other would wait for ever; what will come has had the time to come."""
        if self._world.now - step.hand_out.start > PATIENCE_MS:
            self._send(process_id, lambda: StepOrdered(ref=step.ref, order=StepOrder.COMPLETE), lambda: None)

    def _signal_to(self, process_id: int, event: SignalReceived) -> None:
        self._send(process_id, lambda: event, lambda: None)
