"""Simulated workers: honest ones, and all the others."""

from collections.abc import Callable
from typing import Any

from stepwell.model.codec import encode
from stepwell.model.work import WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ExchangeAsk, Gone
from stepwell.runtime.requests import Exchange, Exchanged, Extension, Poll
from stepwell.testing.definitions import QUEUES
from stepwell.testing.faults import Habit
from stepwell.testing.world import LOST, Line, World

STATE_PUT = "__statePut"


class Worker:
    """Polls, works, reports.

    A `modern` one sends all in one exchange with a poll id that it repeats until answered; the other, like the
    published SDKs, reports and polls apart, without ids, and holds no poll for long."""

    def __init__(self, world: World, line: Line, name: str, lease_ms: int, *, modern: bool) -> None:
        self.world = world
        self.name = name
        self.modern = modern
        self.host = f"{name}-host"
        self._line = line
        self._lease_ms = lease_ms
        self._polls = 0
        self._outbox: list[WorkResult] = []
        self._extensions: list[Extension] = []
        self._holding: dict[tuple[int, int], None] = {}
        self._capacity = world.random.choice((1, 1, 2, 4, 20))
        self._queues = tuple(q for q in QUEUES if world.random.random() < 0.8) or QUEUES
        self._well = False

    def begin(self) -> None:
        self._next()

    def heal(self) -> None:
        """Well again: forgets what it held, works on every queue and is honest from now on."""
        self._well = True
        self._holding.clear()
        self._queues = QUEUES
        self._capacity = 20

    # -- talking

    def _next(self) -> None:
        """The next exchange, after a breath."""
        pause = self.world.random.choice((1, 10, 100, 500))
        self.world.after(pause, self._exchange if self.modern else self._report_then_poll)

    def _exchange(self) -> None:
        exchange = self._take(poll=True)
        self._send(exchange, self._next)

    def _report_then_poll(self) -> None:
        def poll() -> None:
            self._send(self._take(poll=True, results=False), self._next)

        if self._outbox or self._extensions:
            self._send(self._take(poll=False), poll)
        else:
            poll()

    def _take(self, *, poll: bool, results: bool = True) -> Exchange:
        sent: tuple[WorkResult, ...] = ()
        extensions: tuple[Extension, ...] = ()
        if results:
            self.world.random.shuffle(self._outbox)
            sent, self._outbox = tuple(self._outbox), []
            extensions, self._extensions = tuple(self._extensions), []
        room = self._capacity - len(self._holding)
        wish = self._poll(room) if poll and room > 0 else None
        return Exchange(results=sent, extensions=extensions, poll=wish)

    def _poll(self, room: int) -> Poll:
        self._polls += 1
        wait = 30_000 if self._well else self.world.random.choice((0, 500, 3_000))
        return Poll(
            queues=tuple((name, room) for name in self._queues),
            limit=room,
            client=self.name,
            host=self.host,
            poll_id=f"{self.name}.{self._polls}" if self.modern else None,
            wait_ms=wait if self.modern else min(wait, 1_000),
        )

    def _send(self, exchange: Exchange, then: Callable[[], None]) -> None:
        if not exchange.results and exchange.poll is None and not exchange.extensions:
            self.world.after(100, then)
            return
        copies: list[Gone] = []
        over = False

        def make(answer: Callable[[Any], None]) -> Ask:
            copies.append(Gone())
            return ExchangeAsk(answer, exchange, copies[-1])

        def done(value: Any) -> None:
            nonlocal over
            if not over:
                over = True
                self._answered(exchange, value, then)

        def hang_up() -> None:
            nonlocal over
            if not over:
                over = True
                for gone in copies:
                    gone.gone = True
                self.world.note(self.name, "hangs up")
                self._line.server.wake()
                self._answered(exchange, LOST, then)

        self._line.call(make, done)
        if exchange.poll is not None and self.world.happens(self.world.rates.hang_up):
            during = self._line.server.store.during
            way = hang_up if self.world.random.random() < 0.5 else lambda: during.append(hang_up)
            self.world.after(self.world.random.choice((1, 5, 30, 400)), way)

    def _answered(self, exchange: Exchange, value: Any, then: Callable[[], None]) -> None:
        if isinstance(value, Exchanged):
            for work in value.work:
                self._begin_work(work)
            then()
        elif self.modern and self.world.random.random() < 0.9:
            # The same exchange again, to the last byte: whatever became of the first one, nothing is lost by it.
            again = Exchange(results=exchange.results, poll=exchange.poll)
            self.world.after(self.world.random.choice((10, 1_000)), lambda: self._send(again, then))
        else:
            self._outbox += exchange.results
            then()

    # -- working

    def _begin_work(self, work: WorkRequest) -> None:
        """Every hand-out is dealt with, also one that came twice: the token says which is which."""
        key = (work.step_id, work.token)
        if key in self._holding:
            return
        self._holding[key] = None
        habit = self._habit()
        self.world.note(self.name, "got", work.ref, work.step_id, work.token, habit)
        time_ms = self.world.random.choice((1, 10, 200, 1_500))
        lease_ms = work.deadline - work.polled
        late = int(lease_ms * self.world.random.choice((0.9, 1.1, 1.5)))
        completed = self._result(work, WorkStatus.COMPLETED)
        match habit:
            case Habit.HONEST:
                self._report(work, completed, time_ms)
            case Habit.FAIL:
                self._report(work, self._result(work, WorkStatus.FAILED), time_ms)
            case Habit.SLOW:
                self._report(work, completed, late)
            case Habit.EXTEND:
                for nth in (1, 2, 3):
                    self.world.after(nth * lease_ms // 2, lambda: self._extend(work))
                self._report(work, completed, 2 * lease_ms - 50)
            case Habit.KEEP:
                wait = self.world.random.choice((0, 50, 2_000))
                self._report(work, self._result(work, WorkStatus.RUNNING, wait), time_ms)
            case Habit.VANISH:
                self.world.after(lease_ms, lambda: self._drop(work))
            case Habit.ZOMBIE:
                self.world.after(10, lambda: self._drop(work))
                self._report(work, completed, lease_ms * self.world.random.choice((2, 3, 6)))
            case Habit.TWICE:
                self._report(work, completed, time_ms)
                self._report(work, completed, time_ms + self.world.random.choice((0, 40, 4_000)))
            case Habit.LIE:
                status = self.world.random.choice(tuple(WorkStatus))
                self._report(work, completed, time_ms)
                self._report(work, self._result(work, status), time_ms + self.world.random.choice((0, 40)))
            case Habit.GUESS:
                for step_id, token in ((0, 1), (1, 0), (0, -1), (10_000_000, 0)):
                    guess = self._result(work, WorkStatus.COMPLETED, step_id=step_id, token=token)
                    self._report(work, guess, self.world.random.choice((1, 400)))
                self._report(work, completed, time_ms)

    def _habit(self) -> Habit:
        habits = self.world.rates.habits
        if self._well or not habits:
            return Habit.HONEST
        kinds = (Habit.HONEST, *habits)
        return self.world.random.choices(kinds, weights=(1.0, *habits.values()))[0]

    def _result(
        self, work: WorkRequest, status: WorkStatus, reschedule_ms: int = 0, step_id: int = 0, token: int = 0
    ) -> WorkResult:
        """An output that no other report has, so that it is known whose was stored."""
        unique = self.world.random.getrandbits(50)
        output: dict[str, Any] = {"n": unique, "by": self.name, "token": work.token}
        if status is WorkStatus.FAILED:
            output["error"] = f"no luck {unique}"
        if self.world.random.random() < 0.3:
            output[STATE_PUT] = {f"k{work.step_id}": unique}
        return WorkResult(
            step_id=work.step_id + step_id,
            token=work.token + token,
            status=status,
            output=encode(output),
            reschedule_ms=reschedule_ms,
        )

    def _report(self, work: WorkRequest, result: WorkResult, delay_ms: int) -> None:
        def put() -> None:
            self._drop(work)
            self._outbox.append(result)

        self.world.after(delay_ms, put)

    def _extend(self, work: WorkRequest) -> None:
        if (work.step_id, work.token) in self._holding:
            lease = self.world.random.choice((0, self._lease_ms))
            self._extensions.append(Extension(work.step_id, work.token, lease))

    def _drop(self, work: WorkRequest) -> None:
        self._holding.pop((work.step_id, work.token), None)
