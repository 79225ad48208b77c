"""One worker at work: which steps run, which results wait, which calls are out.

A call carries everything at hand: finished results, extensions, and a poll for the slots that are free. So a
lone chain costs one call a step, and in a crowd whatever finished while a call was out shares the next one;
nothing ever waits for a timer to fill a batch.

The server may hold a poll until work arrives. A held call must never stand in the way of a result, so one
connection is always left for results: their polls are not held while a held one covers the same queues. A
queue without any free slot cannot be asked for; when it has one again, it gets a held call of its own.

Every poll has an id of its own. A call whose answer was lost is sent again unchanged, under the same id: the
server answers results it knows as duplicates and hands out the same steps again.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from functools import partial
from itertools import count

from stepwell.model.codec import Record
from stepwell.model.work import Acceptance, QueueName
from stepwell.worker.call import Call, Line
from stepwell.worker.connection import Target, Unacceptable
from stepwell.worker.handler import Handler, perform, perform_async
from stepwell.worker.leases import Leases
from stepwell.worker.outbox import Outbox
from stepwell.worker.results import Finished, failed, replaced
from stepwell.worker.slots import Slots
from stepwell.worker.threads import Threads
from stepwell.worker.wire import Answer, Outcome, StepKey, WorkRequest

log = logging.getLogger("stepwell.worker")

CONNECTIONS = 2
"""Calls out at a time while one held call covers every queue: that one, and one for results."""
MOST_HELD = 8


class Options(Record, frozen=True, kw_only=True):
    batch: int = 100
    """Most steps taken in one call."""
    hold_ms: int = 20_000
    """How long the server may hold a poll for which there is no work."""
    drain_s: float = 30.0
    """How long running steps may take to end after a stop."""


class Session:
    """Made in a running event loop, used once. `run` ends after `stop`, when all that ran is sent."""

    def __init__(self, target: Target, handlers: Sequence[Handler], options: Options) -> None:
        self._options = options
        self._handlers = {(h.queue.namespace, h.queue.name): h for h in handlers}
        self._slots = Slots({h.queue: h.concurrency for h in handlers})
        self._threads = Threads(sum(h.concurrency for h in handlers if not h.is_async))
        self._outbox = Outbox()
        self._leases = Leases()
        self._line = Line(target)
        self._running: dict[StepKey, asyncio.Task[None] | None] = {}
        """The task of each step under way; None for one in a thread."""
        self._calls: set[Call] = set()
        self._poll_ids = map(f"{secrets.token_hex(8)}-{{}}".format, count(1))
        self._has_more = False
        """The last poll was answered in full, so more work is probably waiting."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._is_closed = False

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                pump = self._group.create_task(self._pump())
                await self._stop_asked.wait()
                self._withdraw_calls()
                await asyncio.wait({pump}, timeout=self._options.drain_s)
                pump.cancel()
                self._give_up()
        finally:
            self._give_up()
            self._threads.close()
            await self._line.close()

    def stop(self) -> None:
        """Take no more work. Called in the loop's own thread; doing it again makes no difference."""
        self._stop_asked.set()
        self._wake.set()

    # Sending

    async def _pump(self) -> None:
        """Send whatever there is to send. Ends when the worker is stopping and nothing is left."""
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(0)  # a function that ends at once puts its result into this very call
            while call := self._next_call():
                self._slots.promise(call.asked)
                self._calls.add(call)
                call.task = self._group.create_task(self._carry(call))
            self._arm_timer()
            if self._stop_asked.is_set() and not (self._running or self._outbox or self._calls):
                return

    def _next_call(self) -> Call | None:
        held = [call for call in self._calls if call.is_held]
        if len(self._calls) >= max(CONNECTIONS, len(held) + 1):
            return None
        asked = {} if self._takes_no_work() else self._slots.ask(self._options.batch)
        is_covered = all(any(queue in call.asked for call in held) for queue in asked)
        holds = not is_covered and len(held) < MOST_HELD
        extensions = self._leases.take_due(self._loop.time())
        if not (self._outbox or extensions or holds):
            if not (asked and self._has_more):
                return None
            self._has_more = False
        return Call(
            poll_id=next(self._poll_ids),
            results=self._outbox.take(),
            extensions=extensions,
            asked=asked,
            size=min(sum(asked.values()), self._options.batch),
            wait_ms=self._options.hold_ms if holds else 0,
        )

    def _takes_no_work(self) -> bool:
        return self._stop_asked.is_set() or (self._outbox.is_careful and len(self._outbox) > 0)

    async def _carry(self, call: Call) -> None:
        try:
            answer = await self._line.carry(call)
        except Unacceptable as error:
            await self._refused(call, str(error))
            answer = Answer()
        finally:
            self._calls.discard(call)
            self._slots.give_back(call.asked)
        self._settle(call, answer)
        self._wake.set()

    async def _refused(self, call: Call, reason: str) -> None:
        if not call.results:
            await self._line.pause_slowly(f"the server does not accept our polls: {reason}")
        for finished in self._outbox.refused(call.results, reason):
            log.error("the result of %s (%s) is given up: %s", finished.name, finished.step_id, reason)

    def _settle(self, call: Call, answer: Answer) -> None:
        for outcome in answer.results:
            if outcome.outcome != Acceptance.ACCEPTED:
                self._not_accepted(outcome, call.results)
        if answer.results:
            self._outbox.accepted()
        for extension, is_kept in zip(call.extensions, answer.extended, strict=False):
            if not is_kept and extension.key in self._running:
                self._leases.drop(extension.key)
                log.warning("step %s could not be kept; it may run elsewhere too", extension.step_id)
        self._has_more = 0 < call.size <= len(answer.work)
        self._begin(answer.work)

    def _not_accepted(self, outcome: Outcome, results: list[Finished]) -> None:
        finished = next((finished for finished in results if finished.key == outcome.key), None)
        why = outcome.error_message or ""
        if outcome.outcome == "INVALID" and finished and not finished.is_replacement:
            self._outbox.put(replaced(finished, why))
        level = logging.DEBUG if outcome.outcome == Acceptance.DUPLICATE else logging.WARNING
        log.log(level, "the result of step %s was answered %s: %s", outcome.step_id, outcome.outcome, why)

    # Working

    def _begin(self, work: list[WorkRequest]) -> None:
        now = self._loop.time()
        for request in work:
            handler = self._handlers.get((request.namespace, request.name))
            if handler is None:
                log.error("got step %s of %s/%s unasked", request.step_id, request.namespace, request.name)
            elif request.key not in self._running:
                self._slots.take(handler.queue)
                self._leases.add(request.key, request.lease_length_ms / 1000, now)
                self._running[request.key] = self._begin_one(handler, request)

    def _begin_one(self, handler: Handler, request: WorkRequest) -> asyncio.Task[None] | None:
        if handler.is_async:
            return self._loop.create_task(self._perform(handler, request))
        self._threads.submit(partial(self._perform_in_thread, handler, request))
        return None

    async def _perform(self, handler: Handler, request: WorkRequest) -> None:
        try:
            finished = await perform_async(handler, request)
        except asyncio.CancelledError as error:
            if self._is_closed:
                raise
            finished = failed(request, f"{request.name} was cancelled", type(error).__name__)
        self._end(handler.queue, finished)

    def _perform_in_thread(self, handler: Handler, request: WorkRequest) -> None:
        finished = perform(handler, request)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the drain time has passed
            self._loop.call_soon_threadsafe(self._end, handler.queue, finished)

    def _end(self, queue: QueueName, finished: Finished) -> None:
        del self._running[finished.key]
        self._leases.drop(finished.key)
        self._slots.leave(queue)
        self._outbox.put(finished)
        self._wake.set()

    def _arm_timer(self) -> None:
        """Wake up for the next extension. One that is due but finds no connection goes with the next call."""
        if self._timer is not None:
            self._timer.cancel()
        is_ahead = self._loop.time() < self._leases.next_at < float("inf")
        self._timer = self._loop.call_at(self._leases.next_at, self._wake.set) if is_ahead else None

    # Ending

    def _withdraw_calls(self) -> None:
        for call in self._calls:
            call.withdraw()
        self._line.hurry()

    def _give_up(self) -> None:
        """Nothing more is waited for."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._running or self._outbox:
            log.warning(
                "stopped with %s steps still running and %s results not sent; they are offered again when "
                "their leases end",
                len(self._running),
                len(self._outbox) + sum(len(call.results) for call in self._calls),
            )
        for task in (*self._running.values(), *(call.task for call in self._calls)):
            if task is not None:
                task.cancel()
        if self._timer is not None:
            self._timer.cancel()
