"""A lane: the thread that runs turns, and its inbox.

While a turn commits, asks gather; the next turn takes all of them. There is no linger timer: alone, an ask waits for
one commit; in a crowd it shares one.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from stepwell.engine.steps import rank
from stepwell.model.errors import Busy, Overtaken, StepwellError, Unreachable
from stepwell.model.process import ProcessContext
from stepwell.runtime.asks import Ask, ErrandAsk, ExchangeAsk
from stepwell.runtime.clock import Clock
from stepwell.runtime.dispatch import Waiting
from stepwell.runtime.hints import take_hints, tell
from stepwell.runtime.node import Node, RuntimeSettings
from stepwell.runtime.others import Others
from stepwell.runtime.outage import Outage
from stepwell.runtime.requests import Exchanged
from stepwell.runtime.turn import OneTurn
from stepwell.runtime.vault import Vault
from stepwell.store.port import Store

MOST_AT_ONCE = 1_000
"""Asks that one turn takes at the most."""
TRIES = 8
"""How often a turn is run before its asks hear that it could not be done."""
LONGEST_SLEEP_S = 5.0
"""Rows may be written by others (another node, a command at rest): look at least this often."""

log = logging.getLogger("stepwell.lane")

Answer = tuple[Ask, Any]


class Lane:
    """Turns over one store, one after the other. `run_turn` is what the simulation calls, without any thread."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: RuntimeSettings,
        vault: Vault | None = None,
        name: str = "node",
    ) -> None:
        self._store = store
        self._clock = clock
        self._outage = Outage()
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.node = Node(settings, vault, Others(name) if store.shared else None)

    def next_at(self) -> int:
        """When a turn is due even if nobody asks, epoch ms."""
        return self._outage.put_off(self.node.next_at())

    def hear(self, hint: str) -> None:
        """What another node has told, from any thread; the next turn makes use of it."""
        self._heard.put(hint)

    def run_turn(self, asks: Sequence[Ask]) -> tuple[list[Answer], list[ProcessContext]]:
        """One turn: the answers to give now, and the processes that ended. Everything said in them is committed."""
        answers: list[Answer] = []
        ended: list[ProcessContext] = []
        together = []
        if self._outage.lasts(self._clock.now()):
            answers += [(ask, Unreachable()) for ask in asks]
            asks = ()
        elif self.node.others is not None:
            take_hints(self._heard, self.node.others, self.node.dispatch)
        for ask in asks:
            if isinstance(ask, ErrandAsk):
                answers.append((ask, self._run_errand(ask)))
            else:
                together.append(ask)
        if together or self._outage.put_off(self.node.next_work_at()) <= self._clock.now():
            self._run_together(together, answers, ended)
        self._answer_polls(answers)
        return answers, ended

    def _run_errand(self, ask: ErrandAsk) -> Any:
        if ask.catalog:
            self.node.lookups.forget_names()
        for _ in range(TRIES):
            try:
                return self._run_errand_once(ask)
            except Overtaken as error:
                failure: Exception = error
            except Exception as error:
                if not isinstance(error, StepwellError):
                    log.exception("an errand failed")
                self._outage.note(error, self._clock.now())
                return error
        return failure

    def _run_errand_once(self, ask: ErrandAsk) -> Any:
        with self._store.turn() as turn:
            now = self._clock.now()
            answer = ask.errand(turn, now)
            if ask.catalog and self.node.others is not None:
                self.node.others.catalog_was_written(turn, now)
        return answer

    def _run_together(self, asks: Sequence[Ask], answers: list[Answer], ended: list[ProcessContext]) -> None:
        """Once; or again, when another node has been quicker: then nothing was committed, and nothing was said."""
        began = self._clock.monotonic()
        for attempt in range(1, TRIES + 1):
            one: OneTurn | None = None
            try:
                with self._store.turn() as turn:
                    one = OneTurn(self.node, turn, asks, self._clock.now())
                    one.run()
            except Exception as error:
                self._outage.note(error, self._clock.now())
                if isinstance(error, Overtaken) and attempt < TRIES:
                    self._take_back(asks, error, answers)
                    continue
                self._rolled_back(asks, error, answers)
                return
            self._outage.is_over()
            one.committed()
            self.node.counts.turn(self._clock.monotonic() - began)
            answers += one.answers
            ended += one.ended
            if self.node.others is not None and not self.node.others.alone:
                tell(self._store, self.node.others.node, one.left, one.ended)
            return

    def _rolled_back(self, asks: Sequence[Ask], error: Exception, answers: list[Answer]) -> None:
        if not isinstance(error, Busy):
            log.exception("a turn was rolled back")
        self.node.counts.rolled_back += 1
        told = error if isinstance(error, Busy) else Busy("nothing was committed; try again")
        polls = self._take_back(asks, told, answers)
        answers += [(waiting.ask, told) for waiting in polls]
        dropped = {id(waiting.ask) for waiting in polls}
        answers += [(ask, told) for ask in asks if id(ask) not in dropped]

    def _take_back(self, asks: Sequence[Ask], told: Busy, answers: list[Answer]) -> list[Waiting]:
        """Memory may be ahead of the store: none of it is kept. The polls of these asks, which have left."""
        self.node.forget()
        answers += [(stretch.ask, told) for stretch in self.node.stretches.forget()]
        for ask in asks:
            if isinstance(ask, ExchangeAsk):
                ask.reset()
        return self.node.dispatch.drop({id(ask) for ask in asks})

    def _answer_polls(self, answers: list[Answer]) -> None:
        finished = self.node.dispatch.finished(self._clock.now())
        lost = [waiting for waiting in finished if waiting.gone and waiting.steps]
        if lost:
            self._release(lost)
        for waiting in finished:
            answers.append((waiting.ask, _exchanged(waiting)))

    def _release(self, lost: Sequence[Waiting]) -> None:
        """What was claimed for somebody who hung up meanwhile goes back to its queue.

        When that fails the leases end by themselves: what the turn has committed must be answered as it is."""
        steps = [step for waiting in lost for step in waiting.steps]
        try:
            with self._store.turn() as turn:
                turn.release([(s.id, s.hand_out.token, rank(s.schedule, s.priority)) for s in steps])
                turn.drop_claims([waiting.claim for waiting in lost])
        except Exception as error:
            if not isinstance(error, Busy):
                log.exception("nothing was given back for callers who hung up")
            return
        for step in steps:
            self.node.dispatch.left_in_queue(step.queue)
        # Others may wait for these steps: a turn is due now.
        self.node.clockwork.look_again()

    def drain(self) -> tuple[list[Answer], list[ProcessContext]]:
        """The server stops: what is in memory only is saved, every held poll is answered empty."""
        answers: list[Answer] = []
        ended: list[ProcessContext] = []
        if self.node.stretches:
            self.node.stretches.hurry()
            self._run_together([], answers, ended)
        answers += [(waiting.ask, _exchanged(waiting)) for waiting in self.node.dispatch.drain()]
        if self.node.others is not None:
            self._leave(self.node.others)
        return answers, ended

    def _leave(self, others: Others) -> None:
        """When that fails, the others find out by themselves."""
        try:
            with self._store.turn() as turn:
                others.leave(turn)
        except Busy:
            log.debug("the others were not told that this node stops")


def _exchanged(waiting: Waiting) -> Exchanged:
    ask = waiting.ask
    return Exchanged(
        outcomes=ask.outcomes, extended=ask.extended, work=[] if waiting.gone else waiting.requests
    )


class LaneThread(threading.Thread):
    """Runs a lane until it is stopped. `deliver` gets what each turn answered, on this thread."""

    def __init__(
        self, lane: Lane, clock: Clock, deliver: Callable[[list[Answer], list[ProcessContext]], None]
    ) -> None:
        super().__init__(name="stepwell-lane", daemon=True)
        self._lane = lane
        self._clock = clock
        self._deliver = deliver
        self._inbox: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._stopping = False

    def put(self, ask: Ask) -> None:
        self._inbox.put(ask)

    def waiting(self) -> int:
        """How many asks wait for a turn."""
        return self._inbox.qsize()

    def stop(self) -> None:
        """Finish what waits, answer held polls, end."""
        self._stopping = True
        self._inbox.put(None)

    def wake(self) -> None:
        """Look at the held polls again: one of them may have hung up."""
        self._inbox.put(None)

    def run(self) -> None:
        while True:
            asks = self._take()
            if asks or not self._stopping:
                self._turn(asks)
            if self._stopping and self._inbox.empty():
                self._deliver(*self._lane.drain())
                return

    def _turn(self, asks: list[Ask]) -> None:
        try:
            answers, ended = self._lane.run_turn(asks)
        except Exception:
            log.exception("a turn failed outside of its transaction")
            answers, ended = [(ask, Busy("try again")) for ask in asks], []
        if answers or ended:
            self._deliver(answers, ended)

    def _take(self) -> list[Ask]:
        """Everything that waits now; wait for the first, at most until a clock wants a turn."""
        asks: list[Ask] = []
        try:
            first = self._inbox.get(timeout=self._patience())
            while True:
                if first is not None:
                    asks.append(first)
                if len(asks) >= MOST_AT_ONCE:
                    return asks
                first = self._inbox.get_nowait()
        except queue.Empty:
            return asks

    def _patience(self) -> float:
        if self._stopping:
            return 0.0
        return min(max((self._lane.next_at() - self._clock.now()) / 1000, 0.0), LONGEST_SLEEP_S)


def answer_of(ask: Ask, value: Any) -> Any:
    """An exchange without a poll is answered by what the turn wrote beside it."""
    if isinstance(value, ExchangeAsk):
        return Exchanged(outcomes=value.outcomes, extended=value.extended, work=[])
    return value
