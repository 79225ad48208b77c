"""Playing set-aside events again: the server was mended, or what an event met has changed.

Each goes through the engine like any other event, in the order in which they were set aside. One that the engine takes,
or refuses, is done with; one that makes it raise again stays. A process without any is marked no more.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from stepwell.engine.effects import Refusal, Reply
from stepwell.engine.events import AnyEvent, DeliveryExpired, StepReported
from stepwell.engine.hooks import StartBody
from stepwell.model.audit import Audit
from stepwell.model.codec import CodecError, Record, decode_as, encode
from stepwell.model.due import Due, DueKind
from stepwell.model.errors import NotFound, StepwellError
from stepwell.model.work import Acceptance
from stepwell.runtime.asks import Ask, RetryAsk
from stepwell.runtime.folds import Folds
from stepwell.runtime.requests import Retried, RetryOutcome
from stepwell.store.port import Changes, SetAside, Turn

UNTOUCHED = "the process moved on in the same moment; try again"


class _Named(Record):
    event: str


class Retries:
    """What one turn plays again."""

    def __init__(self, turn: Turn, asks: Iterable[Ask], changes: Changes, now: int) -> None:
        self._turn = turn
        self._changes = changes
        self._now = now
        self._asks = [ask for ask in asks if isinstance(ask, RetryAsk)]
        self._rows: dict[int, list[SetAside]] = {}
        self._told: dict[int, Retried] = {}
        """By the number of the event: one is played once in a turn, however many ask for it."""

    def events(self) -> Iterator[tuple[RetryAsk, int, AnyEvent]]:
        """Each event with its number, to be played."""
        for ask in self._asks:
            if ask.process_id in self._rows:
                continue
            rows = self._rows[ask.process_id] = self._turn.set_aside(ask.process_id)
            for row in rows:
                try:
                    event: AnyEvent = decode_as(row.event, AnyEvent)  # type: ignore[arg-type]
                except CodecError as error:
                    self._start_again(row, error)
                else:
                    yield ask, row.id, event

    def _start_again(self, row: SetAside, error: CodecError) -> None:
        """What is no event is a process that a hook, a policy or a step asked for, and that could not be started."""
        try:
            body = decode_as(row.event, StartBody)
        except CodecError:
            self._tell(row.id, RetryOutcome.RAISED, f"it cannot be read any more: {error}")
            return
        if body.parent_step_id is not None:
            self._tell(
                row.id, RetryOutcome.REFUSED, "the step that waits for it was told: resume its process"
            )
            return
        start = Due(self._turn.reserve(1), 0, DueKind.START_PROCESS, self._now, row.event)
        self._changes.due.append(start)
        self._tell(row.id, RetryOutcome.DONE, "")

    def processes(self) -> Iterable[int]:
        """Those that may lose their mark, so they must be loaded."""
        return (id for id, rows in self._rows.items() if rows)

    def gone(self, id: int) -> None:
        """What the event is about does not exist any more."""
        self._tell(id, RetryOutcome.REFUSED, "its step does not exist any more")

    def raised(self, id: int, error: str) -> None:
        self._tell(id, RetryOutcome.RAISED, error)

    def hear(self, id: int, reply: Reply | StepwellError) -> None:
        if isinstance(reply, Refusal | StepwellError):
            self._tell(id, RetryOutcome.REFUSED, reply.message)
        elif isinstance(reply, Acceptance) and reply is not Acceptance.ACCEPTED:
            self._tell(id, RetryOutcome.REFUSED, _TOO_LATE.get(reply, reply.value))
        else:
            self._tell(id, RetryOutcome.DONE, "")

    def _tell(self, id: int, outcome: RetryOutcome, message: str) -> None:
        self._told[id] = Retried(id=id, event="", created=0, outcome=outcome, message=message)

    def settle(self, folds: Folds) -> list[tuple[Ask, object]]:
        """Delete what is done with, let the mark go with the last one, note it in the audit. The answers."""
        told = {id: self._settle(id, rows, folds) for id, rows in self._rows.items()}
        answers: list[tuple[Ask, object]] = []
        for ask in self._asks:
            found = told[ask.process_id]
            if not found and folds.process(ask.process_id) is None:
                answers.append((ask, NotFound(f"no process {ask.process_id}")))
                continue
            answers.append((ask, found))
            if found:
                self._changes.audit.append(_audit(ask, found, self._now))
        return answers

    def _settle(self, process_id: int, rows: Sequence[SetAside], folds: Folds) -> list[Retried]:
        changes = self._changes
        told = [self._of(row) for row in rows]
        settled = [one.id for one in told if one.is_over]
        changes.settled += settled
        again = any(row.process_id == process_id for row in changes.set_aside)
        fold = folds.get(process_id)
        if fold is not None and not again and len(settled) == len(rows):
            fold.unmark()
        return told

    def _of(self, row: SetAside) -> Retried:
        found = self._told.get(row.id)
        outcome, message = (
            (RetryOutcome.RAISED, UNTOUCHED) if found is None else (found.outcome, found.message)
        )
        return Retried(
            id=row.id, event=event_name(row.event), created=row.created, outcome=outcome, message=message
        )


_TOO_LATE = {
    Acceptance.DUPLICATE: "its step has ended meanwhile",
    Acceptance.STALE: "its step was handed out again meanwhile",
    Acceptance.UNKNOWN: "its step does not exist any more",
}


def has_token(event: AnyEvent) -> bool:
    """Does it speak for a hand-out, so that the hand-out of its step must be read?"""
    return isinstance(event, StepReported | DeliveryExpired)


def event_name(event: bytes) -> str:
    """What kind of event it is; empty when it cannot be read."""
    for kind, name_of in ((_Named, lambda named: named.event), (StartBody, lambda _: "StartProcess")):
        with suppress(CodecError):
            return str(name_of(decode_as(event, kind)))
    return ""


def _audit(ask: RetryAsk, told: Sequence[Retried], now: int) -> Audit:
    return Audit(
        at=now,
        who=ask.actor.who,
        what="RETRY_SET_ASIDE",
        process_id=ask.process_id,
        why=ask.actor.why,
        detail=encode([{"id": one.id, "event": one.event, "outcome": one.outcome} for one in told]),
    )
