"""Limits and persisted values: places, windows, versions."""

from stepwell.engine.limits import Line, Room, Window
from stepwell.model.codec import decode, decode_as
from stepwell.model.definition import StepType
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.step import Phase, StepContext, StepStatus
from stepwell.testing.evidence import Evidence, Invariants, broken, shown
from stepwell.testing.further_steps import COUNTED, GATE, RATE, ROOM, WINDOW_S
from stepwell.testing.mirror import Delta

AT_WORK = (Phase.WORK, Phase.EVALUATING, Phase.TRANSFORMING)
WINDOW_MS = 1_000 * WINDOW_S


class EntryChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._windows: dict[str, Window] = {}
        self._starts: dict[str, list[int]] = {}
        self._started: dict[tuple[int, int], None] = {}
        """(step, execution) under a rate limit that have begun."""
        self._at_work: dict[str, dict[int, None]] = {}
        """Room → steps at work in it."""
        self._written: dict[str, dict[tuple[int, int], None]] = {name: {} for name in COUNTED}

    def check(self, delta: Delta) -> None:
        for old, new in delta.entries:
            self._check_entry(old, new)
        for before, after in delta.steps:
            self._note_limits(before, after)
            self._note_write(after.id, after.execution, after, after.output)
        for (id, number), execution in delta.executions.items():
            self._note_write(id, number, self.mirror.steps[id], execution.output)
        self._check_rooms()
        for name, writes in self._written.items():
            entry = self.mirror.entries.get((EntryKind.STATE, "default", name))
            version = 0 if entry is None else entry.version
            if version != len(writes):
                broken(
                    "no write is lost", f"{name} was written {len(writes)} times, its version is {version}"
                )

    def _check_entry(self, old: Entry | None, new: Entry | None) -> None:
        counted = new is not None and new.kind is EntryKind.STATE and new.name in COUNTED
        if old is not None and new is not None and counted and new.version <= old.version:
            broken("versions grow", f"{new.kind} {new.name}: {old.version} → {new.version}")
        if new is not None and new.kind is EntryKind.LIMIT and new.name.startswith("rate:"):
            self._check_window(new.name, decode_as(new.body, Window))

    # -- rate limits

    def _check_window(self, name: str, window: Window) -> None:
        before = self._windows.get(name)
        if window.used > RATE:
            broken("a rate is a limit", f"{name}: {window.used} starts in one window")
        if before is not None and window.start != before.start and window.start < before.start + WINDOW_MS:
            broken("windows do not overlap", f"{name}: {before} → {window}")
        if before is not None and window.start == before.start and window.used < before.used:
            broken("a rate is a limit", f"{name}: {before} → {window}")
        self._windows[name] = window
        if window.start > self.world.now:
            self.see("a start was booked ahead")

    def _note_start(self, step: StepContext) -> None:
        preparation = self.step_plan(step).preparation
        if preparation is None or not preparation.rate or step.phase not in AT_WORK:
            return
        gone = step.status in (StepStatus.SKIPPED, StepStatus.CANCELLED, StepStatus.PAUSED)
        if gone or (step.id, step.execution) in self._started or not (step.queue or step.hand_out.start):
            return
        self._started[step.id, step.execution] = None
        name = self._name("rate", step, preparation.rate_key is not None)
        starts = self._starts.setdefault(name, [])
        starts.append(self.world.now)
        recent = [at for at in starts if at > self.world.now - WINDOW_MS]
        if len(recent) > 2 * RATE:
            # Two windows may meet in the middle of any stretch that long, never three.
            broken("a rate is a limit", f"{name}: {len(recent)} starts within {WINDOW_S} s")

    # -- concurrency limits

    def _note_limits(self, old: StepContext | None, new: StepContext) -> None:
        preparation = self.step_plan(new).preparation
        if preparation is None:
            return
        self._note_start(new)
        if preparation.cache and new.status is StepStatus.COMPLETED and not new.hand_out.runs:
            self.see("the cache served")
        if new.phase is Phase.CROWDED:
            self.see("a step stood in line")
        if preparation.concurrency:
            name = self._name("open", new, preparation.concurrency_key is not None)
            at_work = self._at_work.setdefault(name, {})
            if new.status.is_open and new.phase in AT_WORK:
                at_work[new.id] = None
            else:
                at_work.pop(new.id, None)

    def _check_rooms(self) -> None:
        for name, at_work in self._at_work.items():
            room = self.room(name)
            if len(at_work) > ROOM or len(room.inside) > ROOM:
                broken("concurrency is a limit", f"{name}: {len(at_work)} at work, {room}")
            for id in at_work:
                if id not in room.inside:
                    broken("who works has a place", f"{shown(self.mirror.steps[id])} is not in {name} {room}")
            for id in room.inside:
                if not self.mirror.steps[id].status.is_open:
                    broken("places are given back", f"{shown(self.mirror.steps[id])} is still in {name}")

    def room(self, name: str) -> Room:
        entry = self.mirror.entries.get((EntryKind.LIMIT, "default", name))
        return Room() if entry is None else decode_as(entry.body, Room)

    def stands_in_line(self, step: StepContext) -> bool:
        preparation = self.step_plan(step).preparation
        assert preparation is not None
        name = self._name("open", step, preparation.concurrency_key is not None)
        room = self.room(name)
        for number in range(room.first, room.last + 1):
            entry = self.mirror.entries.get((EntryKind.LIMIT, "default", f"line:{number}:{name}"))
            if entry is not None and (step.process_id, step.id) in decode_as(entry.body, Line):
                return True
        return False

    def _name(self, kind: str, step: StepContext, keyed: bool) -> str:
        process = self.mirror.processes[step.process_id]
        return f"{kind}:key/{GATE}" if keyed else f"{kind}:step/{process.name}/{step.path[0]}"

    # -- persisted values

    def _note_write(self, id: int, execution: int, step: StepContext, output: bytes) -> None:
        plan = self.step_plan(step)
        if plan.type is not StepType.PERSISTED_STATE or b'"found"' not in output:
            return
        given, name = plan.definition.input, decode(output).get("name")
        if given["action"] == "UPSERT" and name in self._written:
            self._written[name][id, execution] = None
            self.see("a value was persisted")

    def check_end(self) -> None:
        for key, entry in self.mirror.entries.items():
            if entry.kind is EntryKind.LIMIT and not entry.name.startswith("rate:"):
                broken("places are given back", f"{key} is left: {entry.body!r}")
