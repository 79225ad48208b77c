"""The turn: everything that waits is weighed, written in one stroke, and only then answered.

    look at clocks → load with locks → fold each process through the engine → save → hand out → (commit)

A turn is synchronous and belongs to one thread. `starts.py` begins processes, `folds.py` holds those it touches,
`handing.py` gives out their steps.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stepwell.definition.plan import Plan
from stepwell.engine.compensate import UNDO
from stepwell.engine.effects import Refusal, Reply, Write
from stepwell.engine.events import (
    AnyEvent,
    DeliveryExpired,
    ResumeRequested,
    StepOrdered,
    StepReported,
    TimerFired,
)
from stepwell.engine.process import is_closing
from stepwell.model.audit import Audit
from stepwell.model.codec import Record, change, encode
from stepwell.model.due import DueKind
from stepwell.model.entry import Entry
from stepwell.model.errors import Conflict, Invalid, NotFound, Overtaken, StepwellError
from stepwell.model.process import ProcessContext
from stepwell.model.step import HandOut
from stepwell.model.work import Acceptance, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, EventAsk, ExchangeAsk, RetryAsk, StartAsk
from stepwell.runtime.fold import Fold
from stepwell.runtime.folds import Folds
from stepwell.runtime.handing import Handing
from stepwell.runtime.jobs import done_before
from stepwell.runtime.locking import lock_first
from stepwell.runtime.node import Node
from stepwell.runtime.others import Others
from stepwell.runtime.requests import Poll
from stepwell.runtime.retries import Retries, has_token
from stepwell.runtime.secrets import BadSecretState, split_off
from stepwell.runtime.starts import Starts
from stepwell.runtime.stretch import Stretch
from stepwell.store.port import Changes, Turn


class Pending(Record, frozen=True, gc=False):
    """An event, and who hears what became of it: an ask, with the result's place in it. Nobody waits for a timer."""

    event: AnyEvent
    ask: ExchangeAsk | EventAsk | RetryAsk | None = None
    index: int = 0
    """Of the result; or the number of the event that was set aside."""


class OneTurn:
    """One turn in the making: `run` inside the transaction, then `committed` or nothing."""

    def __init__(self, node: Node, turn: Turn, asks: Sequence[Ask], now: int) -> None:
        self._node = node
        self._turn = turn
        self._now = now
        self._asks = asks
        self._events: dict[int, list[Pending]] = {}
        self._changes = new_changes()
        self._hand_outs: dict[int, HandOut] = {}
        self._done_claims: list[int] = []
        self._folds = Folds(node, turn)
        self._starts = Starts(node, turn, self._folds, self._changes, now)
        self._retries = Retries(turn, asks, self._changes, now)
        self._handing = Handing(node, turn, self._folds, now)
        self._expired = 0
        self.left: set[int] = set()
        """Queues in which this turn leaves something that nobody here has taken."""
        self.answers: list[tuple[Ask, Any]] = []
        """Everything but held polls: (ask, value or exception), to be given after the commit."""

    def run(self) -> None:
        if self._node.others is not None:
            self._meet(self._node.others)
        polls = self._take_reports()
        self._take_operations()
        self._take_withheld()
        self._take_timers()
        self._take_retries()
        self._load()
        self._folds.take_up(self._node.stretches.over(self._now))
        for ask in self._asks:
            if isinstance(ask, StartAsk):
                self._start(ask)
        for process_id, events in self._events.items():
            for pending in events:
                self._fold_event(process_id, pending)
        for ask, poll in polls:
            self._handing.wait(ask, poll)
        self._save()
        self._handing.give(self._done_claims)
        if self._node.others is not None:
            made = (*self._changes.new_steps, *self._changes.offered)
            ready = {step.queue for step in made if step.hand_out.ready is not None}
            self.left = {queue for queue in ready if not self._node.dispatch.is_empty(queue)}

    @property
    def ended(self) -> Sequence[ProcessContext]:
        """Processes that ended in this turn, or answered their caller before their end."""
        return self._folds.ended()

    def committed(self) -> None:
        """Keep what is worth keeping. Called after the commit, never after a rollback."""
        self._node.clockwork.committed()
        if self._node.others is not None:
            self._node.others.committed()
        self._folds.committed()
        self._count()

    def _count(self) -> None:
        counts, changes = self._node.counts, self._changes
        counts.started += len(changes.new_processes)
        counts.set_aside += len(changes.set_aside)
        counts.handed_out += self._handing.steps
        counts.expired += self._expired
        counts.end(self.ended)
        for ask in self._asks:
            if isinstance(ask, ExchangeAsk) and ask.outcomes:
                counts.report(ask.outcomes)

    def _meet(self, others: Others) -> None:
        """What others may have written, and what this turn must hold so that they do not write it now."""
        others.beat(self._turn, self._now)
        if lock_first(self._node, others, self._turn, self._asks, self._now):
            self._node.lookups.forget_names()

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

    def _read_hand_outs(self, ids: set[int], exchanges: Iterable[ExchangeAsk]) -> None:
        found = self._hand_outs_of(ids)
        for ask in exchanges:
            for index, result in enumerate(ask.exchange.results):
                known = found.get(result.step_id)
                if known is None:
                    continue
                process_id, hand_out = known
                self._hand_outs[result.step_id] = hand_out
                self._add(process_id, Pending(self._reported(process_id, result), ask, index))

    def _hand_outs_of(self, ids: set[int]) -> Mapping[int, tuple[int, HandOut]]:
        """Of rows, and of stretches that have none."""
        kept = self._node.stretches.hand_outs(ids)
        stored = list(ids - kept.keys()) if kept else list(ids)
        return {**kept, **self._turn.hand_outs(stored)} if stored else kept

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
        if not withheld:
            return
        found = self._hand_outs_of({event.step_id for event in withheld})
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
        if isinstance(event, StepOrdered) and event.sealed is None:
            try:
                output, sealed = split_off(self._node.vault, ask.process_id, event.output)
            except BadSecretState as error:
                self.answers.append((ask, Invalid(str(error))))
                return
            event = ask.event = change(event, output=output, sealed=sealed)
        if ask.receipt is not None and self._node.others is not None and self._was_done(ask, ask.receipt):
            return
        self._add(ask.process_id, Pending(event, ask))

    def _was_done(self, ask: EventAsk, receipt: Entry) -> bool:
        """By another node that works on the same job."""
        try:
            done = done_before(self._turn, receipt) is not None
        except Conflict as error:
            self.answers.append((ask, error))
            return True
        if done:
            self.answers.append((ask, None))
        return done

    def _take_retries(self) -> None:
        for ask, number, event in self._retries.events():
            if has_token(event):
                step_id = event.step_id  # type: ignore[union-attr]
                found = self._hand_outs_of({step_id})
                if step_id not in found:
                    self._retries.gone(number)
                    continue
                self._hand_outs[step_id] = found[step_id][1]
            self._add(ask.process_id, Pending(event, ask, number))
        for process_id in self._retries.processes():
            self._events.setdefault(process_id, [])

    def _take_timers(self) -> None:
        clockwork = self._node.clockwork
        clockwork.sweep(self._turn, self._now)
        for due in clockwork.due(self._turn, self._now):
            if due.kind is DueKind.START_PROCESS:
                self._starts.due(due)
            else:
                if due.kind is DueKind.GO_ON and (due.body == UNDO or is_closing(due.body)):
                    self._node.dispatch.closing.discard(due.process_id)
                event = TimerFired(kind=due.kind, step_id=due.step_id, body=due.body)
                self._add(due.process_id, Pending(event))
        over = clockwork.recovered(self._turn, self._now) + clockwork.expired(self._turn, self._now)
        self._expired = len(over)
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
        """Lock and load what the events name, and tell it of the hand-outs that were read."""
        self._folds.load(self._events)
        for process_id, events in self._events.items():
            fold = self._folds.get(process_id)
            if fold is not None:
                if not fold.snapshot.complete or fold.snapshot.plan.has_loops:
                    fold.load_ahead(_steps_of(events))
                for pending in events:
                    if isinstance(pending.event, StepReported | DeliveryExpired):
                        fold.set_hand_out(pending.event.step_id, self._hand_outs[pending.event.step_id])

    def _start(self, ask: StartAsk) -> None:
        answer = self._starts.asked(ask)
        if answer is not None:
            self.answers.append((ask, answer))

    def _fold_event(self, process_id: int, pending: Pending) -> None:
        stretch = self._folds.stretch_of(process_id)
        if stretch is not None and not isinstance(pending.event, StepReported):
            stretch.disturbed = True
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
            said = f"{type(error).__name__}: {error}"
            if isinstance(pending.ask, RetryAsk):
                self._retries.raised(pending.index, said)
                return
            fold.set_aside(encode(pending.event), said, self._now, self._changes)
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
        elif isinstance(ask, RetryAsk):
            self._retries.hear(pending.index, reply)
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

    # -- saving

    def _save(self) -> None:
        dispatch, changes = self._node.dispatch, self._changes
        self.answers += self._retries.settle(self._folds)
        for fold in self._folds:
            if fold.snapshot.process is not None and fold.snapshot.process.status.is_open:
                self._stick_new(fold)
        for stretch in self._folds.part_stretches(self._now):
            self._save_stretch(stretch)
        for fold in self._folds:
            fold.collect(changes)
            self._note_closing(fold)
        for step in changes.offered:
            if step.hand_out.ready is not None:
                dispatch.left_in_queue(step.queue)
        for due in changes.due:
            self._node.clockwork.note_due(due.at)
        self._folds.collect_surroundings(changes)
        if self._node.others is not None:
            self._node.others.collect(changes, self._now)
        voided = self._turn.save(changes)
        if voided:
            assert self._node.others is not None, f"a one-writer store refused tokens of {voided}"
            raise Overtaken("another node has handed out a step since its row was read")

    def _save_stretch(self, stretch: Stretch) -> None:
        """It gets its rows, and its caller may know of it. What it holds already needs rows of claims."""
        self.answers.append((stretch.ask, stretch.process))
        for claim in self._node.stretches.claims_for(stretch):
            self._turn.add_claim(claim)
            self._node.clockwork.note_claim(claim.deadline)

    def _stick_new(self, fold: Fold) -> None:
        steps = fold.snapshot.steps
        for id, write in fold.writes.items():
            if write is Write.NEW:
                step = steps[id]
                if step is not None and step.hand_out.ready is not None:
                    steps[id] = self._node.dispatch.stick(step, self._turn, self._now)

    def _note_closing(self, fold: Fold) -> None:
        if self._node.others is not None:
            return  # another node may end it: the rows are asked
        process = fold.snapshot.process
        if process is not None and not process.goes_on:
            going_on = fold.due.get((process.id, 0, DueKind.GO_ON))
            if going_on is not None and (going_on.body == UNDO or is_closing(going_on.body)):
                self._node.dispatch.closing.add(process.id)
        elif process is not None:
            self._node.dispatch.closing.discard(process.id)


def _steps_of(events: Iterable[Pending]) -> list[int]:
    """The steps that events name."""
    return [
        event.step_id
        for event in (pending.event for pending in events)
        if isinstance(event, StepReported | DeliveryExpired | TimerFired) and event.step_id
    ]


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
        settled=[],
        entries=[],
        dropped_entries=[],
        audit=[],
    )
