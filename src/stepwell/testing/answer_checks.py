"""What the lane remembers, and what it says to callers and workers."""

from collections.abc import Mapping, Sequence
from typing import Any

from stepwell.model.codec import change
from stepwell.model.errors import Busy
from stepwell.model.process import ProcessContext
from stepwell.model.step import HandOut, StepContext
from stepwell.model.work import WorkRequest
from stepwell.runtime.asks import Ask, ExchangeAsk, StartAsk
from stepwell.runtime.clockwork import OWN_HANDS
from stepwell.runtime.lane import Answer, Lane, answer_of
from stepwell.runtime.requests import Exchanged
from stepwell.testing.evidence import Evidence, Invariants, broken, shown

NO_HAND_OUT = HandOut()


class AnswerChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._handed: dict[tuple[int, int], tuple[str, str | None]] = {}
        """(step, token) → the client and the poll that got it."""

    def check_cache(self, lane: Lane, touched: Sequence[int]) -> None:
        cached = lane.node.cache
        for id in touched:
            snapshot = cached.peek(id)
            stored = self.mirror.processes.get(id)
            if snapshot is None or snapshot.process is None:
                continue
            if stored is None or snapshot.process.revision != stored.revision:
                if stored is None or snapshot.process.revision > stored.revision:
                    broken("memory is never ahead of the store", f"process {id}")
                continue
            if snapshot.process != stored:
                broken("what is remembered is what is stored", f"{snapshot.process} is not {stored}")
            for step_id, step in snapshot.steps.items():
                row = self.mirror.steps.get(step_id)
                if _engines_half(step) != _engines_half(row):
                    broken("what is remembered is what is stored", f"{step} is not {row}")
            if snapshot.complete:
                for step_id in self.mirror.steps_of.get(stored.id, ()):
                    if 0 < step_id - id < snapshot.plan.size and step_id not in snapshot.steps:
                        broken("what is remembered is what is stored", f"step {step_id} is not known")

    def held_by_poll(self, asks: Sequence[Ask]) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """What each repeated poll got before, as (step, token): it must get that again while it still stands."""
        wanted = set()
        for ask in asks:
            if isinstance(ask, ExchangeAsk) and ask.exchange.poll and ask.exchange.poll.poll_id:
                wanted.add((ask.exchange.poll.client, ask.exchange.poll.poll_id))
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for claim in self.mirror.claims.values():
            if claim.poll_id is not None and (claim.client, claim.poll_id) in wanted:
                # Of one that is in memory only there is no row yet.
                held = [self.mirror.steps[id] for id in claim.steps if id in self.mirror.steps]
                found[claim.client, claim.poll_id] = [
                    (step.id, step.hand_out.token) for step in held if step.hand_out.claim == claim.id
                ]
        return found

    def check(
        self, answers: Sequence[Answer], before: Mapping[tuple[str, str], list[tuple[int, int]]]
    ) -> None:
        for ask, answer in answers:
            value = answer_of(ask, answer)
            if isinstance(ask, ExchangeAsk) and isinstance(value, Exchanged):
                for work in value.work:
                    self._check_handed(ask, work)
                if ask.exchange.poll is not None and not ask.gone.gone:
                    self._check_repeated(ask, value, before)
            elif isinstance(ask, StartAsk):
                self._check_started(ask, value)

    def _check_handed(self, ask: ExchangeAsk, work: WorkRequest) -> None:
        poll = ask.exchange.poll
        assert poll is not None
        stretch = self.evidence.stretches().get(work.process_id)
        if stretch is not None:
            # What only the server's own hands know need not be durable: they die with it.
            if not poll.client.startswith(OWN_HANDS):
                broken("nobody else hears of what is in memory only", f"{work} went to {poll.client}")
            self.see("handed out from memory")
            return
        step = self.mirror.steps.get(work.step_id)
        if step is None:
            broken("nothing is handed out before it is durable", f"{work} has no row")
        process = self.mirror.processes[step.process_id]
        if not process.status.is_open:
            broken("an ended process hands out nothing", f"{shown(step)} of a {process.status} process")
        if step.hand_out.token != work.token or step.hand_out.claim is None:
            broken("nothing is handed out before it is durable", f"{work} but {step.hand_out}")
        if (work.input, work.execution, work.ref) != (step.input, step.execution, step.ref):
            broken("a worker gets what is stored", f"{work} but {step}")
        key, to = (work.step_id, work.token), (poll.client, poll.poll_id)
        if self._handed.setdefault(key, to) != to:
            broken("a token goes to one worker", f"{key} went to {self._handed[key]} and to {to}")

    def _check_repeated(
        self, ask: ExchangeAsk, value: Exchanged, before: Mapping[tuple[str, str], list[tuple[int, int]]]
    ) -> None:
        poll = ask.exchange.poll
        assert poll is not None
        if poll.poll_id is None:
            return
        got = {(work.step_id, work.token) for work in value.work}
        for step_id, token in before.get((poll.client, poll.poll_id), ()):
            hand_out = self.mirror.steps[step_id].hand_out
            process = self.mirror.processes[self.mirror.steps[step_id].process_id]
            if hand_out.token == token and hand_out.claim is not None and process.status.is_open:
                if (step_id, token) not in got:
                    broken(
                        "the same poll gets the same work",
                        f"{poll.poll_id} did not get step {step_id} {hand_out}",
                    )
                self.see("the same poll was answered again")

    def _check_started(self, ask: StartAsk, value: Any) -> None:
        if isinstance(value, ProcessContext):
            if value.id not in self.mirror.processes:
                broken("an acknowledged start exists", f"process {value.id} does not")
        elif isinstance(value, Busy) and ask.request is not None:
            if ask.request.request_id in self.evidence.request_ids:
                broken("busy means nothing happened", f"{ask.request.request_id} was started")
            self.see("a start met a busy store")


def _engines_half(step: StepContext | None) -> StepContext | None:
    """Without what claims write: the queue columns of a polled step are not remembered."""
    return change(step, hand_out=NO_HAND_OUT) if step is not None and step.queue else step
