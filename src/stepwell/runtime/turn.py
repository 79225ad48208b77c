"""The turn: everything that waits is weighed, written in one stroke, and only then answered.

    look at clocks → load with locks → fold each process through the engine → hand out → save → (commit)

A turn is synchronous and belongs to one thread. `Node` is what a lane remembers between turns; nothing in it is needed
for correctness, a crash loses nothing of worth.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from stepwell.definition.plan import Plan
from stepwell.engine.compensate import UNDO
from stepwell.engine.effects import Refusal, Reply, Snapshot, Write
from stepwell.engine.events import (
    AnyEvent,
    DeliveryExpired,
    ProcessStarted,
    ResumeRequested,
    StepOrdered,
    StepReported,
    TimerFired,
)
from stepwell.engine.hooks import ChildEnded, StartBody
from stepwell.engine.process import CLOSING
from stepwell.model.audit import Audit
from stepwell.model.codec import Json, Record, change, decode_as, encode, members, raw
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Conflict, Invalid, NotFound, StepwellError
from stepwell.model.process import ProcessContext, ProcessStatus, TriggerType
from stepwell.model.step import HandOut, Phase, StepContext
from stepwell.model.work import Acceptance, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, EventAsk, ExchangeAsk, StartAsk
from stepwell.runtime.cache import SnapshotCache
from stepwell.runtime.clockwork import Clockwork
from stepwell.runtime.dispatch import Dispatch, Waiting, work_request
from stepwell.runtime.dynamic import keep_dynamic
from stepwell.runtime.fold import Fold, forget_iterations, load_snapshot, new_snapshot
from stepwell.runtime.idempotency import entry_name, first_start, remembered
from stepwell.runtime.jobs import receipt_of_rerun
from stepwell.runtime.lookups import Lookups
from stepwell.runtime.requests import Poll, StartRequest
from stepwell.runtime.secrets import BadSecretState, Filled, fill, split_off
from stepwell.runtime.surroundings import Surroundings
from stepwell.runtime.vault import Vault
from stepwell.store.port import BLOCK, Changes, SetAside, Turn


class Pending(Record, frozen=True, gc=False):
    """An event, and who hears what became of it: an ask, with the result's place in it. Nobody waits for a timer."""

    event: AnyEvent
    ask: ExchangeAsk | EventAsk | None = None
    index: int = 0


class RuntimeSettings(Record, frozen=True, kw_only=True):
    """Bounds of the runtime; times in milliseconds."""

    lease_ms: int = 600_000
    """How long a worker may hold a step without a clock of its own."""
    lease_max_ms: int = 3_600_000
    """How long signs of life may stretch that."""
    max_deliveries: int = 10
    """Hand-outs in a row without any report before the step fails."""
    cache_bytes: int = 256 * 1024 * 1024


class Lineage(Record, frozen=True):
    """Where a process comes from."""

    process_id: int = 0
    """Its id when that is known already; 0 = a new one."""
    rerun_of: int | None = None
    parent_id: int | None = None
    parent_step_id: int | None = None
    depth: int = 0


class Node:
    """What a lane keeps in memory between its turns."""

    def __init__(self, settings: RuntimeSettings, vault: Vault | None = None) -> None:
        self.settings = settings
        self.vault = vault or Vault()
        self.withheld: list[StepReported] = []
        """What the next turn is to hear of steps that were claimed and could not be handed out."""
        self.cache = SnapshotCache(settings.cache_bytes)
        self.lookups = Lookups()
        self.dispatch = Dispatch(settings.lease_ms)
        self.clockwork = Clockwork(settings.lease_ms, settings.lease_max_ms, settings.max_deliveries)

    def next_at(self) -> int:
        """When a turn is due even if nobody asks, epoch ms."""
        until = self.dispatch.next_until()
        at = self.clockwork.next_at()
        return at if until is None else min(at, until)

    def forget(self) -> None:
        """A turn was rolled back: memory may be ahead of the store, so none of it is kept."""
        self.cache.clear()
        self.lookups.forget()
        self.dispatch.forget()
        self.clockwork.look_again()
        self.withheld.clear()


class OneTurn:
    """One turn in the making: `run` inside the transaction, then `committed` or nothing."""

    def __init__(self, node: Node, turn: Turn, asks: Sequence[Ask], now: int) -> None:
        self._node = node
        self._turn = turn
        self._now = now
        self._asks = asks
        self._folds: dict[int, Fold] = {}
        self._around = Surroundings(turn, node.lookups, self._snapshot_of)
        self._events: dict[int, list[Pending]] = {}
        self._changes = new_changes()
        self._hand_outs: dict[int, HandOut] = {}
        self._done_claims: list[int] = []
        self._keys: dict[tuple[str, str], Entry] = {}
        """Idempotency keys that this turn has seen first."""
        self.answers: list[tuple[Ask, Any]] = []
        """Everything but held polls: (ask, value or exception), to be given after the commit."""

    def run(self) -> None:
        polls = self._take_reports()
        self._take_operations()
        self._take_withheld()
        self._take_timers()
        self._load()
        for ask in self._asks:
            if isinstance(ask, StartAsk):
                self._start_asked(ask)
        for process_id, events in self._events.items():
            for pending in events:
                self._fold_event(process_id, pending)
        for ask, poll in polls:
            self._wait(ask, poll)
        self._save()
        self._hand_out()

    @property
    def ended(self) -> list[ProcessContext]:
        """Processes that ended in this turn, or answered their caller before their end."""
        return [
            fold.snapshot.process
            for fold in self._folds.values()
            if (fold.ended or fold.responded) and fold.snapshot.process is not None
        ]

    def committed(self) -> None:
        """Keep what is worth keeping. Called after the commit, never after a rollback."""
        self._node.clockwork.committed()
        for process_id, fold in self._folds.items():
            process = fold.snapshot.process
            if process is None or not process.status.is_open:
                self._node.cache.drop(process_id)
            else:
                freed = forget_iterations(fold.snapshot, fold.writes)
                self._node.cache.put(fold.snapshot, fold.added_bytes - freed)

    # -- what is in the inbox

    def _take_reports(self) -> list[tuple[ExchangeAsk, Poll]]:
        exchanges = [ask for ask in self._asks if isinstance(ask, ExchangeAsk)]
        ids = {result.step_id for ask in exchanges for result in ask.exchange.results}
        if ids:
            self._read_hand_outs(ids, exchanges)
        polls = []
        for ask in exchanges:
            self._extend(ask)
            poll = ask.exchange.poll
            if poll is None:
                self.answers.append((ask, ask))
            else:
                self._node.clockwork.sign_of_life(poll.client, poll.host, self._now)
                polls.append((ask, poll))
        return polls

    def _read_hand_outs(self, ids: Iterable[int], exchanges: Iterable[ExchangeAsk]) -> None:
        found = self._turn.hand_outs(list(ids))
        for ask in exchanges:
            for index, result in enumerate(ask.exchange.results):
                known = found.get(result.step_id)
                if known is None:
                    continue
                process_id, hand_out = known
                self._hand_outs[result.step_id] = hand_out
                self._add(process_id, Pending(self._reported(process_id, result), ask, index))

    def _reported(self, process_id: int, result: WorkResult) -> StepReported:
        """The event of a report: nothing that must stay secret is in clear in it."""
        status, sealed = result.status, None
        try:
            output, sealed = split_off(self._node.vault, process_id, result.output)
        except BadSecretState as error:
            status, output = WorkStatus.FAILED, encode({"error": str(error)})
        return StepReported(
            step_id=result.step_id,
            token=result.token,
            status=status,
            output=output,
            reschedule_ms=result.reschedule_ms,
            sealed=sealed,
        )

    def _take_withheld(self) -> None:
        """Steps of the last turn that could not be handed out have failed."""
        withheld, self._node.withheld = self._node.withheld, []
        found = self._turn.hand_outs([event.step_id for event in withheld]) if withheld else {}
        for event in withheld:
            if event.step_id in found:
                process_id, self._hand_outs[event.step_id] = found[event.step_id]
                self._add(process_id, Pending(event))

    def _extend(self, ask: ExchangeAsk) -> None:
        extensions = ask.exchange.extensions
        if not extensions:
            return
        rows = {step.id: step for step in self._turn.steps([e.step_id for e in extensions])}
        asked = []
        for extension in extensions:
            step = rows.get(extension.step_id)
            own, until = (step.lease_ms, step.hand_out.deadline) if step is not None else (0, 0)
            more = extension.lease_ms or own or self._node.settings.lease_ms
            # Asking to keep a step never makes its lease end sooner.
            asked.append((extension.step_id, extension.token, max(until, self._now + more)))
        ask.extended = self._turn.extend(asked)

    def _take_operations(self) -> None:
        for ask in self._asks:
            if isinstance(ask, EventAsk):
                self._take_operation(ask)

    def _take_operation(self, ask: EventAsk) -> None:
        event = ask.event
        if isinstance(event, StepOrdered):
            try:
                output, sealed = split_off(self._node.vault, ask.process_id, event.output)
            except BadSecretState as error:
                self.answers.append((ask, Invalid(str(error))))
                return
            event = ask.event = change(event, output=output, sealed=sealed)
        self._add(ask.process_id, Pending(event, ask))

    def _take_timers(self) -> None:
        clockwork = self._node.clockwork
        clockwork.sweep(self._turn, self._now)
        for due in clockwork.due(self._turn, self._now):
            if due.kind is DueKind.START_PROCESS:
                self._start_due(due)
            else:
                if due.kind is DueKind.GO_ON and due.body in (CLOSING, UNDO):
                    self._node.dispatch.closing.discard(due.process_id)
                event = TimerFired(kind=due.kind, step_id=due.step_id, body=due.body)
                self._add(due.process_id, Pending(event))
        over = clockwork.recovered(self._turn) + clockwork.expired(self._turn, self._now)
        self._node.dispatch.claims_gone(clockwork.dropped)
        for step, expired in over:
            self._hand_outs[step.id] = step.hand_out
            self._add(step.process_id, Pending(expired))

    def _add(self, process_id: int, pending: Pending) -> None:
        events = self._events.get(process_id)
        if events is None:
            self._events[process_id] = [pending]
        else:
            events.append(pending)

    # -- processes

    def _load(self) -> None:
        """Lock what the events name, in id order; take it from memory where that is still right."""
        revisions = self._turn.lock(sorted(self._events))
        missing = []
        for process_id, revision in revisions.items():
            snapshot = self._node.cache.get(process_id, revision)
            if snapshot is None:
                missing.append(process_id)
            else:
                self._folds[process_id] = self._fold(snapshot)
        for process in self._turn.processes(missing) if missing else ():
            snapshot = load_snapshot(self._turn, self._node.lookups, process)
            self._folds[process.id] = self._fold(snapshot)
        for process_id, events in self._events.items():
            fold = self._folds.get(process_id)
            if fold is not None:
                for pending in events:
                    if isinstance(pending.event, StepReported | DeliveryExpired):
                        fold.set_hand_out(pending.event.step_id, self._hand_outs[pending.event.step_id])

    def _fold(self, snapshot: Snapshot) -> Fold:
        return Fold(self._turn, self._node.lookups, self._around, snapshot)

    def _snapshot_of(self, process_id: int) -> Snapshot | None:
        fold = self._folds.get(process_id)
        return None if fold is None else fold.snapshot

    def _fold_event(self, process_id: int, pending: Pending) -> None:
        fold = self._folds.get(process_id)
        if fold is None:
            self._hear(pending, NotFound(f"no process {process_id}"))
            return
        if isinstance(pending.event, TimerFired) and fold.has_moved(pending.event):
            return
        try:
            plan = self._plan_asked(fold, pending.event)
        except StepwellError as error:
            self._hear(pending, error)
            return
        try:
            reply = fold.take(pending.event, self._now, plan)
        except Exception as error:
            # A bug of ours must cost one event of one process, not the turn: it is kept, with what it says.
            fold.set_aside(
                encode(pending.event), f"{type(error).__name__}: {error}", self._now, self._changes
            )
            self._hear(
                pending, StepwellError("this event was set aside; see `stepwell doctor`", code="SET_ASIDE")
            )
        else:
            self._hear(pending, reply)

    def _plan_asked(self, fold: Fold, event: AnyEvent) -> Plan | None:
        """The plan that the process shall follow from now on, when that is another one. Raises Conflict, NotFound."""
        process = fold.snapshot.process
        if not isinstance(event, ResumeRequested) or event.follow is None or process is None:
            return None
        lookups = self._node.lookups
        found = lookups.find(self._turn, process.namespace, process.name, event.follow or None)
        if found.id == process.definition_id:
            return None
        return lookups.numbered(self._turn, found.id, (*process.numbering, process.definition_id))

    def _hear(self, pending: Pending, reply: Reply | StepwellError) -> None:
        ask = pending.ask
        if isinstance(ask, ExchangeAsk):
            self._hear_report(ask, pending.index, reply)
        elif isinstance(ask, EventAsk):
            self.answers.append((ask, _told(reply)))
            if reply is None and ask.actor.who:
                self._changes.audit.append(_audit(ask, self._now))
            if reply is None and ask.receipt is not None:
                self._changes.entries.append(ask.receipt)

    def _hear_report(self, ask: ExchangeAsk, index: int, reply: Reply | StepwellError) -> None:
        if not isinstance(reply, Acceptance):
            ask.outcomes[index] = Acceptance.SET_ASIDE
            return
        ask.outcomes[index] = reply
        if reply is Acceptance.ACCEPTED:
            claim = self._hand_outs[ask.exchange.results[index].step_id].claim
            if claim is not None:
                self._done_claims.append(claim)

    # -- starts

    def _start_asked(self, ask: StartAsk) -> None:
        try:
            process = self._rerun(ask) if ask.request is None else self._start_once(ask.request)
        except StepwellError as error:
            self.answers.append((ask, error))
        else:
            self.answers.append((ask, process))
            if ask.request is None:
                self._note_rerun(ask, process)

    def _note_rerun(self, ask: StartAsk, process: ProcessContext) -> None:
        if ask.created_by:
            line = Audit(
                at=self._now,
                who=ask.created_by,
                what="RERUN",
                process_id=ask.rerun_of,
                target=f"process {process.id}",
                why=ask.why,
            )
            self._changes.audit.append(line)
        if ask.receipt is not None:
            self._changes.entries.append(receipt_of_rerun(ask.receipt, process.id))

    def _start_once(self, request: StartRequest) -> ProcessContext:
        """Start it, or answer the process that the same key has started before. Raises Conflict, NotFound."""
        if request.idempotency_key is None:
            return self._start(request, None, Lineage())
        key = (request.namespace, entry_name(request))
        entry = self._keys.get(key) or self._turn.entry(EntryKind.IDEMPOTENCY, *key)
        first = first_start(entry, request, self._now)
        if first is not None:
            return self._process_now(first)
        process = self._start(request, None, Lineage())
        self._keys[key] = remembered(request, process.id, entry, self._now)
        self._changes.entries.append(self._keys[key])
        return process

    def _process_now(self, process_id: int) -> ProcessContext:
        fold = self._folds.get(process_id)
        if fold is not None and fold.snapshot.process is not None:
            return fold.snapshot.process
        found = self._turn.processes([process_id])
        if not found:
            raise NotFound(f"process {process_id}, which this key has started, is gone")
        return found[0]

    def _rerun(self, ask: StartAsk) -> ProcessContext:
        found = self._turn.processes([ask.rerun_of])
        if not found:
            raise NotFound(f"no process {ask.rerun_of}")
        old = found[0]
        lookups = self._node.lookups
        if ask.version is None:
            plan = lookups.by_id(self._turn, old.definition_id)
        else:
            plan = lookups.find(self._turn, old.namespace, old.name, ask.version or None)
        request = StartRequest(
            namespace=old.namespace,
            name=old.name,
            input=old.input,
            request_id=old.request_id,
            correlation_id=old.correlation_id,
            priority=old.priority,
            trigger=old.trigger,
            created_by=ask.created_by,
        )
        return self._start(request, plan, Lineage(rerun_of=old.id))

    def _start_due(self, due: Due) -> None:
        """A hook's or a policy's process. What cannot be started is set aside beside the process that asked."""
        body = decode_as(due.body, StartBody)
        wish = body.request
        request = StartRequest(
            namespace=wish.namespace or "default",
            name=wish.name,
            version=wish.version,
            input=encode(wish.input),
            request_id=wish.request_id,
            correlation_id=wish.correlation_id,
            priority=wish.priority,
            trigger=body.trigger,
            created_by="stepwell",
        )
        lineage = Lineage()
        if body.trigger is TriggerType.SUB_PROCESS:
            lineage = Lineage(due.process_id, None, body.source_id, body.parent_step_id, body.depth)
        try:
            plan = self._node.lookups.by_id(self._turn, body.definition_id) if body.definition_id else None
            self._start(request, plan, lineage)
        except StepwellError as error:
            self._changes.set_aside.append(
                SetAside(process_id=body.source_id, event=due.body, error=error.message, created=self._now)
            )
            self._tell_parent_of_failure(due.process_id, body, error)

    def _tell_parent_of_failure(self, child_id: int, body: StartBody, error: StepwellError) -> None:
        """A step that waits for a process that could not begin must not wait for ever."""
        if body.parent_step_id is not None:
            news = ChildEnded(
                process_id=child_id,
                status=ProcessStatus.FAILED,
                output={"error": error.message},
                began=False,
            )
            row = Due(body.source_id, body.parent_step_id, DueKind.NEWS, self._now, encode(news))
            self._changes.due.append(row)

    def _start(self, request: StartRequest, plan: Plan | None, lineage: Lineage) -> ProcessContext:
        """Raises NotFound for an unknown definition, StepwellError when the engine raised."""
        lookups = self._node.lookups
        if plan is None and request.definition is not None:
            stored = keep_dynamic(self._turn, self._now, request.definition, request.namespace)
            plan = lookups.by_id(self._turn, stored.id)
        if plan is None:
            plan = lookups.find(self._turn, request.namespace, request.name, request.version)
        definition = plan.definition
        fold = self._fold(new_snapshot(plan))
        event = ProcessStarted(
            process_id=lineage.process_id or self._turn.reserve(-(-plan.size // BLOCK)),
            namespace=definition.namespace,
            name=definition.name,
            version=definition.version or 1,
            definition_id=plan.id,
            type=definition.type,
            trigger=request.trigger,
            input=_with_defaults(request.input, definition.default_input),
            request_id=request.request_id,
            correlation_id=request.correlation_id,
            priority=request.priority,
            created_by=request.created_by,
            tags=definition.tags,
            rerun_of=lineage.rerun_of,
            parent_id=lineage.parent_id,
            parent_step_id=lineage.parent_step_id,
            depth=lineage.depth,
        )
        try:
            fold.take(event, self._now)
        except StepwellError:
            raise
        except Exception as error:
            raise StepwellError(f"the start could not be decided: {error}", code="INTERNAL") from error
        process = fold.snapshot.process
        assert process is not None
        self._folds[process.id] = fold
        return process

    # -- polls, saving, handing out

    def _wait(self, ask: ExchangeAsk, poll: Poll) -> None:
        lookups = self._node.lookups
        rooms = {lookups.queue(self._turn, name): size for name, size in poll.queues if size > 0}
        waiting = Waiting(ask, rooms, self._now + poll.wait_ms)
        self._node.dispatch.add(waiting, self._now)
        if poll.poll_id is not None:
            self._give_again(waiting, poll.client, poll.poll_id)

    def _give_again(self, waiting: Waiting, client: str, poll_id: str) -> None:
        """The answer to this poll was lost: what it got and still holds is its answer again."""
        claim = self._turn.claim_of_poll(client, poll_id)
        if claim is None:
            return
        waiting.again = [step for step in self._turn.steps(claim.steps) if step.hand_out.claim == claim.id]

    def _save(self) -> None:
        dispatch, changes = self._node.dispatch, self._changes
        for fold in self._folds.values():
            if fold.snapshot.process is not None and fold.snapshot.process.status.is_open:
                self._stick_new(fold)
            fold.collect(changes)
            self._note_closing(fold)
        for step in changes.offered:
            if step.hand_out.ready is not None:
                dispatch.left_in_queue(step.queue)
        for due in changes.due:
            self._node.clockwork.note_due(due.at)
        self._around.collect(changes)
        voided = self._turn.save(changes)
        assert not voided, f"a one-writer store refused tokens of {voided}"

    def _stick_new(self, fold: Fold) -> None:
        steps = fold.snapshot.steps
        for id, write in fold.writes.items():
            if write is Write.NEW:
                step = steps[id]
                if step is not None and step.hand_out.ready is not None:
                    steps[id] = self._node.dispatch.stick(step, self._turn, self._now)

    def _note_closing(self, fold: Fold) -> None:
        process = fold.snapshot.process
        if process is not None and not process.goes_on:
            going_on = fold.due.get((process.id, 0, DueKind.GO_ON))
            if going_on is not None and going_on.body in (CLOSING, UNDO):
                self._node.dispatch.closing.add(process.id)
        elif process is not None:
            self._node.dispatch.closing.discard(process.id)

    def _hand_out(self) -> None:
        dispatch = self._node.dispatch
        for waiting in dispatch.repeated():
            # What was reported, withdrawn or offered anew in this very turn is not theirs any more.
            held = {step.id: step.hand_out.claim for step in waiting.again}
            rows = self._turn.steps(list(held))
            waiting.again = [
                step
                for step in rows
                if step.hand_out.claim == held[step.id] and step.process_id not in dispatch.closing
            ]
        if self._node.clockwork.caught_up:
            # Before that, a process may be closing that this lane has not heard of.
            dispatch.claim(self._turn, self._now)
        served = dispatch.served()
        if served:
            self._name(served)
            earliest = dispatch.save_claims(self._turn, self._now)
            if earliest is not None:
                self._node.clockwork.note_claim(earliest)
        done = dispatch.reported(self._done_claims)
        if done:
            self._turn.drop_claims(done)

    def _name(self, served: Sequence[Waiting]) -> None:
        """Say what was handed out in the words of the wire; a step's plan tells whether it is optional."""
        lookups = self._node.lookups
        plans = self._plans_of(
            {step.process_id for waiting in served for step in (*waiting.again, *waiting.steps)}
        )
        for waiting in served:
            for step in (*waiting.again, *waiting.steps):
                filled = self._filled(step)
                if filled is not None:
                    optional = plans[step.process_id].steps[str(step.path[0])].optional
                    queue = lookups.queue_name(step.queue)
                    waiting.requests.append(work_request(step, queue, optional, filled))

    def _filled(self, step: StepContext) -> Filled | None:
        """Its input with secrets, in this one hand-out only; None when one cannot be had: then the step fails."""
        if not step.secrets or step.phase is not Phase.WORK:
            return Filled(step.input, ())
        try:
            process = self._turn.processes([step.process_id])[0]
            return fill(self._node.vault, self._turn, process, step, self._now)
        except Exception as error:
            # One secret that cannot be read must not keep everybody else's turn from being committed.
            said = error.message if isinstance(error, StepwellError) else type(error).__name__
            self._withhold(step, f"its secrets could not be filled in: {said}")
            return None

    def _withhold(self, step: StepContext, message: str) -> None:
        """It was claimed, but nobody gets it. Should this be forgotten, its lease ends and it is offered again."""
        event = StepReported(
            step_id=step.id,
            token=step.hand_out.token,
            status=WorkStatus.FAILED,
            output=encode({"error": message}),
        )
        self._node.withheld.append(event)
        self._node.clockwork.note_due(self._now)

    def _plans_of(self, process_ids: Iterable[int]) -> dict[int, Plan]:
        plans: dict[int, Plan] = {}
        unknown = []
        for id in process_ids:
            fold = self._folds.get(id)
            snapshot = fold.snapshot if fold is not None else self._node.cache.peek(id)
            if snapshot is None:
                unknown.append(id)
            else:
                plans[id] = snapshot.plan
        for process in self._turn.processes(unknown) if unknown else ():
            plans[process.id] = self._node.lookups.of(self._turn, process)
        return plans


def _told(reply: Reply | StepwellError) -> object:
    if not isinstance(reply, Refusal):
        return reply
    return (
        NotFound(reply.message) if reply.code == NotFound.code else Conflict(reply.message, code=reply.code)
    )


def _audit(ask: EventAsk, now: int) -> Audit:
    """`RerunFromRequested` as RERUN_FROM, with the event itself as the detail."""
    act = re.sub(r"(?<!^)(?=[A-Z])", "_", type(ask.event).__name__).upper()
    what = act.removesuffix("_REQUESTED").removesuffix("_EDITED").removesuffix("_RECEIVED")
    return Audit(
        at=now,
        who=ask.actor.who,
        what=what,
        process_id=ask.process_id,
        why=ask.actor.why,
        detail=encode(ask.event),
    )


def _with_defaults(given: Json, defaults: dict[str, Any]) -> Json:
    """The caller's input over the definition's `defaultInput`, member by member."""
    if not defaults:
        return given
    return encode({**{key: raw(encode(value)) for key, value in defaults.items()}, **members(given)})


def new_changes() -> Changes:
    return Changes(
        new_processes=[],
        processes=[],
        new_steps=[],
        steps=[],
        withdrawn=[],
        offered=[],
        inputs=[],
        executions=[],
        blocks=[],
        due=[],
        undue=[],
        ended=[],
        set_aside=[],
        entries=[],
        dropped_entries=[],
        audit=[],
    )
