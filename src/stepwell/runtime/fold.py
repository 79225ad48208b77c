"""Folding: one process's events through the engine, its needs loaded in the same transaction."""

import math
from collections.abc import Iterable, Mapping, Sequence

from stepwell.definition.plan import Plan
from stepwell.engine import signals
from stepwell.engine.decide import decide
from stepwell.engine.effects import (
    Decision,
    DefinitionByName,
    EntryByName,
    Ids,
    Key,
    KnownDefinition,
    Needs,
    NewestProcess,
    OpenSteps,
    PolicyById,
    PolicyByName,
    ProcessById,
    Reply,
    Snapshot,
    StepsById,
    WaitsFor,
    Write,
)
from stepwell.engine.events import AnyEvent, ResumeRequested, TimerFired
from stepwell.engine.process import is_closing
from stepwell.engine.texts import weight
from stepwell.model.codec import change
from stepwell.model.definition import StepType
from stepwell.model.due import Due, DueKind
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.model.step import HandOut, StepContext
from stepwell.runtime.cache import ROW_BYTES
from stepwell.runtime.lookups import Lookups
from stepwell.runtime.surroundings import Surroundings
from stepwell.store.port import BLOCK, Changes, SetAside, Turn

MOST_ROUNDS = 64
"""How often a decision may ask for more before it counts as a bug. One or two are usual; loops inside of loops take a
few for each level, and containers stand at most 20 deep."""


MOST_ITERATIONS = 4_096
"""How many open steps of iterations a process keeps in memory between turns; past that they are loaded when needed."""
LOOKED_AT = 1_000
"""Open steps that one read looks at for the one that waits for a signal."""


class TooManyRounds(AssertionError):
    """The engine kept asking for rows. A bug: the event is set aside."""


class Fold:
    """One process in one turn: its snapshot moves on with every event, its changes add up."""

    __slots__ = ("_around", "_fresh", "_lookups", "_opened", "_seen", "_turn", "added_bytes", "changed", "due", "ended",
                 "executions", "is_new", "responded", "snapshot", "transitions", "writes", "wrote_entries")  # fmt: skip

    def __init__(self, turn: Turn, lookups: Lookups, around: Surroundings, snapshot: Snapshot) -> None:
        self._lookups = lookups
        self.snapshot = snapshot
        self._fresh: set[int] = set()
        self.is_new = snapshot.process is None
        self.changed = False
        self.ended = False
        self.responded = False
        """A SEND_RESPONSE step answered whoever waits for this process."""
        self.added_bytes = 0
        self.transitions = 0
        """Steps that were opened, closed or moved on."""
        self.writes: dict[int, Write] = {}
        self.wrote_entries = False
        self.executions: list[Decision] = []
        self.due: dict[tuple[int, int, DueKind], Due | None] = {}
        self.enter(turn, around)

    def enter(self, turn: Turn, around: Surroundings) -> None:
        """Go on in this turn. A fold lives for one turn, but for a stretch's, which goes through several."""
        self._turn = turn
        self._around = around
        self._opened = weight(self.snapshot.memo) if self.snapshot.memo else 0
        self._seen = -1
        """How many writes of entries this turn had made when the snapshot's were loaded."""
        snapshot = self.snapshot
        # A policy's name may mean another version by now; the catalog's memory is cheap to ask.
        snapshot.policies.clear()
        snapshot.definitions.clear()
        definition = snapshot.plan.definition
        snapshot.marks = self._lookups.marks(turn, definition.namespace, definition.name)

    def opened_bytes(self) -> int:
        """By how much more texts are held open than before this turn."""
        memo = self.snapshot.memo
        return (weight(memo) if memo else 0) - self._opened

    # -- deciding

    def take(self, event: AnyEvent, now: int, plan: Plan | None = None) -> Reply:
        """Decide one event and move the snapshot on. What the engine raises comes out of here, nothing changed.

        `plan`: the process is to follow this one from now on, if the decision is that it can."""
        if plan is not None:
            return self._take_over(event, now, plan)
        decision = self._decide(event, now)
        if decision.process is not None:
            self._apply(decision)
        return decision.reply

    def _take_over(self, event: AnyEvent, now: int, plan: Plan) -> Reply:
        snapshot, before = self.snapshot, self.snapshot.plan
        assert snapshot.process is not None and isinstance(event, ResumeRequested)
        following = change(
            event,
            definition_id=plan.id,
            version=plan.definition.version or 1,
            numbering=(*snapshot.process.numbering, snapshot.process.definition_id),
        )
        snapshot.plan = plan
        try:
            return self.take(following, now)
        finally:
            if snapshot.process.definition_id != plan.id:
                snapshot.plan = before

    def _decide(self, event: AnyEvent, now: int) -> Decision:
        snapshot = self.snapshot
        snapshot.open_steps = None
        snapshot.waiting.clear()
        # Other processes of this turn may have moved on since the last decision.
        snapshot.others.clear()
        if self._seen != self._around.writes:
            self._seen = self._around.writes
            snapshot.entries.clear()
        for _ in range(MOST_ROUNDS):
            answer = decide(snapshot, event, now)
            if isinstance(answer, Decision):
                stale = self._stale(answer)
                if not stale:
                    return answer
                self._refresh(stale)
            else:
                self._load(answer)
        raise TooManyRounds(f"{type(event).__name__} asked for more than {MOST_ROUNDS} times")

    def _stale(self, decision: Decision) -> list[int]:
        """Polled steps that the decision would write although their hand-out was not read in this turn."""
        return [
            id
            for id, (step, write) in decision.steps.items()
            if write is not Write.NEW and id not in self._fresh and step.queue and id not in self.writes
        ]

    def _refresh(self, ids: Iterable[int]) -> None:
        for id, (_, hand_out) in self._turn.hand_outs(list(ids)).items():
            self.set_hand_out(id, hand_out)

    def set_hand_out(self, step_id: int, hand_out: HandOut) -> None:
        """Take over what the queue columns say now; a step that this turn has changed already is ahead of them."""
        self._fresh.add(step_id)
        step = self.snapshot.steps.get(step_id)
        if step is not None and step_id not in self.writes and step.hand_out != hand_out:
            self.snapshot.steps[step_id] = change(step, hand_out=hand_out)

    def _load(self, needs: Needs) -> None:
        for key in needs.keys:
            self._load_key(key)

    def _load_key(self, key: Key) -> None:
        snapshot = self.snapshot
        match key:
            case StepsById(ids):
                self._add(self._turn.steps(ids))
                for id in ids:
                    snapshot.steps.setdefault(id, None)
            case PolicyByName(namespace, name):
                found = self._lookups.policy(self._turn, namespace, name)
                snapshot.policies[key] = found
                if found is not None:
                    snapshot.policies[PolicyById(found.id)] = found
            case PolicyById(id):
                snapshot.policies[key] = self._turn.policy_by_id(id)
            case DefinitionByName(namespace, name, version):
                snapshot.definitions[key] = self._known(namespace, name, version)
            case EntryByName():
                snapshot.entries[key] = self._around.entry(key)
            case NewestProcess() | ProcessById():
                snapshot.others[key] = self._around.process(key)
            case OpenSteps(limit, after):
                snapshot.open_steps = self._open_steps(limit, after)
            case WaitsFor():
                snapshot.waiting[key] = self._waits_for(key)
            case Ids(purpose, count):
                snapshot.ids[purpose] = self._turn.reserve(-(-count // BLOCK))

    def load_ahead(self, ids: Iterable[int]) -> None:
        """Steps that this turn's events name, and what is around them. Asked for one by one, each costs a statement."""
        known = self.snapshot.steps
        missing = _unknown(known, ids)
        while missing:
            rows = self._turn.steps(missing)
            self._add(rows)
            for id in missing:
                known.setdefault(id, None)
            missing = _unknown(known, (row.parent_id for row in rows if row.parent_id is not None))

    def _known(self, namespace: str, name: str, version: int | None) -> KnownDefinition | None:
        try:
            plan = self._lookups.find(self._turn, namespace, name, version)
        except NotFound:
            return None
        return KnownDefinition(plan.id, plan.definition.version or 1, plan.size)

    def _add(self, steps: Sequence[StepContext]) -> None:
        for step in steps:
            if self.snapshot.steps.get(step.id) is not None:
                # Known, but perhaps from before its last hand-out.
                self.set_hand_out(step.id, step.hand_out)
            else:
                self._fresh.add(step.id)
                self.snapshot.steps[step.id] = step
                self.added_bytes += ROW_BYTES + len(step.input) + len(step.output)

    def _open_steps(self, limit: int, after: int) -> tuple[int, ...]:
        """Open steps behind an id as stored, and those that only this turn knows yet."""
        process = self.snapshot.process
        if process is None:
            return ()
        found = self._stored_open(process.id, limit, after)
        self._add(found)
        ids = {step.id for step in found}
        # Up to where the store was read: an id from behind that would hide what lies between.
        end = found[-1].id if len(found) >= limit else math.inf
        ids |= {
            id
            for id in self.writes
            if after < id <= end and (step := self.snapshot.steps[id]) is not None and step.status.is_open
        }
        return tuple(sorted(ids))

    def _stored_open(self, process_id: int, limit: int, after: int) -> list[StepContext]:
        """The first open steps behind an id, as their rows say."""
        found: list[StepContext] = []
        runs = [(process_id + 1, process_id + self.snapshot.plan.size - 1)]
        runs += [(block.first, block.first + block.count - 1) for block in self._turn.blocks(process_id)]
        for first, last in runs:
            if len(found) < limit and last > after:
                room = limit - len(found)
                found += self._turn.step_range(max(first, after + 1), last, room, open_only=True)
        return found

    def _waits_for(self, key: WaitsFor) -> int | None:
        """Looked for page by page among all open steps; only the one that is found is kept."""
        process, plan = self.snapshot.process, self.snapshot.plan
        if process is None or not any(step.type is StepType.WAIT for step in plan.steps.values()):
            return None

        def takes(step: StepContext | None) -> bool:
            return step is not None and signals.takes(plan, step, key.signal, key.correlation)

        first = min((id for id in self.writes if takes(self.snapshot.steps[id])), default=None)
        after, page = 0, self._stored_open(process.id, LOOKED_AT, 0)
        while page:
            for step in page:
                if first is not None and step.id > first:
                    return first
                if step.id not in self.writes and takes(step):
                    self._add([step])
                    return step.id
            after = page[-1].id
            page = self._stored_open(process.id, LOOKED_AT, after) if len(page) == LOOKED_AT else []
        return first

    # -- moving on

    def _apply(self, decision: Decision) -> None:
        snapshot = self.snapshot
        assert decision.process is not None
        had_response = snapshot.process is not None and bool(snapshot.process.response)
        self.responded |= bool(decision.process.response) and not had_response
        snapshot.process = decision.process
        snapshot.open_steps = None
        snapshot.ids.clear()
        self.changed = True
        self.ended = self.ended or decision.ended
        self.transitions += len(decision.steps)
        for id, (step, write) in decision.steps.items():
            if write is Write.NEW:
                step = self._queued(step)
                self.added_bytes += ROW_BYTES + len(step.input)
            elif write is Write.OFFER and step.hand_out.ready is not None:
                step = self._queued(step)
            self.added_bytes += len(step.output)
            before = self.writes.get(id)
            self.writes[id] = write if before is None else max(before, write)
            snapshot.steps[id] = step
        if decision.executions or decision.blocks or decision.inputs:
            self.executions.append(decision)
        if decision.due:
            self.due.update(decision.due)
        if decision.entries:
            self.wrote_entries = True
            self._around.write(decision.entries)

    def _queued(self, step: StepContext) -> StepContext:
        """With the number of the queue it stands in while it is offered: its own, or the one for scripts."""
        ref = str(step.path[0])
        queue = self._lookups.queue_of(self._turn, self.snapshot.plan, ref, step.phase)
        return step if queue == step.queue else change(step, queue=queue)

    def has_moved(self, timer: TimerFired) -> bool:
        """Has an earlier event of this turn dropped or moved the row that this timer stands for?"""
        process = self.snapshot.process
        return process is not None and (process.id, timer.step_id, timer.kind) in self.due

    def set_aside(self, event_text: bytes, error: str, now: int, changes: Changes) -> None:
        """Keep an event that made the engine raise beside its process, and mark the process."""
        process = self.snapshot.process
        if process is None:
            return
        changes.set_aside.append(SetAside(process_id=process.id, event=event_text, error=error, created=now))
        self.snapshot.process = change(process, marked=True, revision=process.revision + 1)
        self.changed = True

    def unmark(self) -> None:
        """Nothing of it is set aside any more."""
        process = self.snapshot.process
        if process is not None and process.marked:
            self.snapshot.process = change(process, marked=False, revision=process.revision + 1)
            self.changed = True

    def collect(self, changes: Changes) -> None:
        """Add what this process has become to what the turn writes."""
        process = self.snapshot.process
        if not self.changed or process is None:
            return
        (changes.new_processes if self.is_new else changes.processes).append(process)
        lists = (changes.steps, changes.withdrawn, changes.offered, changes.new_steps)
        for id, write in self.writes.items():
            step = self.snapshot.steps[id]
            assert step is not None
            lists[write].append(step)
        for decision in self.executions:
            changes.executions += decision.executions
            changes.blocks += decision.blocks
            self._collect_inputs(decision, changes)
        for key, due in self.due.items():
            if due is None:
                changes.undue.append(key)
            elif self._is_wanted(due, process):
                changes.due.append(due)
        if self.ended:
            changes.ended.append(process.id)

    def _collect_inputs(self, decision: Decision, changes: Changes) -> None:
        for id in decision.inputs:
            step = self.snapshot.steps[id]
            if step is not None and self.writes[id] is not Write.NEW and step not in changes.inputs:
                changes.inputs.append(step)

    @staticmethod
    def _is_wanted(due: Due, process: ProcessContext) -> bool:
        """A process that began a timer and ended in the same turn leaves none but the rest of its closing."""
        if process.status.is_open or due.process_id != process.id:
            return True
        return due.kind is DueKind.GO_ON and is_closing(due.body)


def new_snapshot(plan: Plan) -> Snapshot:
    """A process that does not exist yet: everything about it is known."""
    return Snapshot(plan=plan, process=None, steps={}, complete=True, policies={}, ids={}, memo={})


def load_snapshot(turn: Turn, lookups: Lookups, process: ProcessContext) -> Snapshot:
    """A process from its rows. A narrow one whole; of a wide one what is needed, when it is needed."""
    plan = lookups.of(turn, process)
    snapshot = Snapshot(plan=plan, process=process, steps={}, policies={}, ids={}, memo={})
    if plan.size <= BLOCK:
        rows = turn.step_range(process.id + 1, process.id + plan.size - 1, plan.size)
        snapshot.steps.update((step.id, step) for step in rows)
        snapshot.complete = True
    return snapshot


def forget_iterations(snapshot: Snapshot, ids: Iterable[int]) -> int:
    """Closed steps inside iterations are not kept, nor very many open ones: a wide process must not fill the memory.
    The bytes that go."""
    steps, freed = snapshot.steps, 0
    for id in ids:
        step = steps.get(id)
        if step is not None and len(step.path) > 1 and not step.status.is_open:
            del steps[id]
            freed += _weight(step)
    if len(steps) > snapshot.plan.size + MOST_ITERATIONS:
        gone = [id for id, step in steps.items() if step is None or len(step.path) > 1]
        freed += sum(_weight(steps.pop(id)) for id in gone)
    return freed


def _weight(step: StepContext | None) -> int:
    return 0 if step is None else ROW_BYTES + len(step.input) + len(step.output)


def _unknown(known: Mapping[int, StepContext | None], ids: Iterable[int]) -> list[int]:
    return sorted({id for id in ids if id not in known})
