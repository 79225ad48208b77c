"""The asynchronous skin: what the server talks to. Puts asks into the lane and waits for their answers."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from stepwell.definition.compile import build_plan
from stepwell.definition.plan import Plan
from stepwell.definition.renumber import follow
from stepwell.engine.events import (
    AnyEvent,
    CancelRequested,
    PauseRequested,
    ResumeRequested,
    ReviewRequested,
    TerminateRequested,
    UnpauseRequested,
)
from stepwell.model.codec import decode_as
from stepwell.model.definition import ProcessDefinition
from stepwell.model.entry import Entry
from stepwell.model.errors import Busy, NotFound, StepwellError
from stepwell.model.process import ProcessContext
from stepwell.model.retention import Finished
from stepwell.runtime.asks import Ask, ErrandAsk, EventAsk, ExchangeAsk, Gone, RetryAsk, StartAsk
from stepwell.runtime.clock import Clock, WallClock
from stepwell.runtime.counts import Counts, Figures
from stepwell.runtime.distant import Distant
from stepwell.runtime.jobs import Jobs
from stepwell.runtime.lane import Answer, Lane, LaneThread, answer_of
from stepwell.runtime.liveness import Liveness
from stepwell.runtime.moment import at_once, of_process
from stepwell.runtime.node import RuntimeSettings as RuntimeSettings
from stepwell.runtime.plans import Plans
from stepwell.runtime.requests import Actor, Exchange, Exchanged, Operated, Operation, Retried, StartRequest
from stepwell.runtime.stretch import ProcessRows
from stepwell.runtime.vault import Vault
from stepwell.runtime.waiting import Polls
from stepwell.store.port import Reads, Store, Turn

T = TypeVar("T")


class Runtime:
    """One node over one store. All methods belong to one event loop."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        node: str = "node",
        settings: RuntimeSettings | None = None,
        vault: Vault | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or WallClock()
        self.node = node
        self.vault = vault or Vault()
        settings = settings or RuntimeSettings()
        self._most_waiting = settings.most_waiting
        self._lane = Lane(store, self.clock, settings, self.vault, node)
        self._thread = LaneThread(self._lane, self.clock, self._deliver)
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="stepwell-read")
        self._plans = Plans()
        self._enders: dict[int, list[asyncio.Future[ProcessContext | None]]] = {}
        self._callers: set[asyncio.Future[ProcessContext | None]] = set()
        """Of those who wait for an end, the ones whom a response satisfies too."""
        self._closed = False
        self.jobs = Jobs(self)
        self.liveness = Liveness(self)
        self._distant = Distant(self)

    async def start_up(self) -> None:
        """Start the lane, and go on with unfinished jobs. Belongs to the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self.jobs.start()
        self._distant.start()

    async def stop(self, drain_s: float = 5.0) -> None:
        """Answer what waits, stop the lane. The store stays open; who waits for an end hears that it is open still."""
        await self.jobs.stop()
        await self._distant.stop()
        self._closed = True
        self._thread.stop()
        await self._loop.run_in_executor(None, self._thread.join, drain_s)
        for process_id in list(self._enders):
            self._tell_end(process_id, None)
        self._readers.shutdown(wait=False)

    # -- processes

    async def start(self, request: StartRequest) -> ProcessContext:
        """Durable when it answers. Raises NotFound for an unknown definition, Busy when too much waits already."""
        self._admit()
        started: ProcessContext = await self._ask(lambda answer: StartAsk(answer, request))
        return started

    async def rerun(
        self,
        process_id: int,
        version: int | None = None,
        created_by: str = "",
        why: str = "",
        receipt: Entry | None = None,
    ) -> ProcessContext:
        """A new process like that one; version 0 = by the newest definition. Raises NotFound."""
        started: ProcessContext = await self._ask(
            lambda answer: StartAsk(answer, None, process_id, version, created_by, why, receipt)
        )
        return started

    async def operate(
        self,
        operation: Operation,
        process_ids: Sequence[int],
        actor: Actor | None = None,
        version: int | None = None,
    ) -> list[Operated]:
        """The same operation on each process; one answer for each, in order. `version` as in `operate_once`."""
        by = actor or Actor()
        return list(await asyncio.gather(*(self._operate(operation, id, by, version) for id in process_ids)))

    async def _operate(
        self, operation: Operation, process_id: int, actor: Actor, version: int | None
    ) -> Operated:
        try:
            await self.operate_once(operation, process_id, actor, version=version)
        except StepwellError as error:
            return Operated(process_id=process_id, error=error.message, code=error.code)
        return Operated(process_id=process_id)

    async def operate_once(
        self,
        operation: Operation,
        process_id: int,
        actor: Actor,
        receipt: Entry | None = None,
        version: int | None = None,
    ) -> None:
        """One process. Raises NotFound, Conflict when it is refused.

        `version`: of its definition, to RESUME by; 0 = the newest, None = the one that it follows."""
        await self.tell(process_id, _event_of(operation, actor.why, version), actor, receipt)

    async def tell(
        self, process_id: int, event: AnyEvent, actor: Actor | None = None, receipt: Entry | None = None
    ) -> None:
        """An operator's or an outsider's event for one process. Raises NotFound, Conflict when it is refused.

        A receipt is stored in the same commit, unless it is refused."""
        await self._ask(lambda answer: EventAsk(answer, process_id, event, actor, receipt))

    async def retry_set_aside(self, process_id: int, actor: Actor) -> list[Retried]:
        """Play the set-aside events of a process again; what became of each, empty when there is none. NotFound."""
        retried: list[Retried] = await self._ask(lambda answer: RetryAsk(answer, process_id, actor))
        return retried

    @property
    def counts(self) -> Counts:
        return self._lane.node.counts

    def figures(self) -> Figures:
        node = self._lane.node
        return Figures(
            counts=node.counts,
            waiting=self._thread.waiting(),
            polls=len(node.dispatch),
            stretches=len(node.stretches),
        )

    def polls(self, queue: int) -> Polls:
        """What this node remembers of the queue of that number."""
        return Polls(*self._lane.node.dispatch.polls(queue))

    async def run(self, request: StartRequest, wait_ms: int) -> ProcessContext:
        """Start a process and wait for its end or its response, at most so long; then as it is.

        Raises NotFound for an unknown definition, Busy when too much waits already."""
        self._admit()
        end: asyncio.Future[ProcessContext | None] = self._loop.create_future()
        self._callers.add(end)

        def listen(answer: Callable[[Any], None]) -> Callable[[Any], None]:
            def answered(value: Any) -> None:
                # Listening begins before anything that a later turn says can be heard.
                if isinstance(value, ProcessContext):
                    self._enders.setdefault(value.id, []).append(end)
                answer(value)

            return answered

        try:
            process: ProcessContext = await self._ask(
                lambda answer: StartAsk(listen(answer), request, patience_ms=wait_ms)
            )
            return await self._end_of(process, end, wait_ms)
        finally:
            self._callers.discard(end)

    async def ended(self, process_id: int, timeout_ms: int) -> ProcessContext:
        """Wait until the process is not RUNNING, or until the time is over: the process as it is then. NotFound."""
        end: asyncio.Future[ProcessContext | None] = self._loop.create_future()
        # Listen first, look then: an end between the two is heard.
        self._enders.setdefault(process_id, []).append(end)
        try:
            process = await self._process(process_id)
        except BaseException:
            self._stop_listening(process_id, end)
            raise
        return await self._end_of(process, end, timeout_ms)

    async def _end_of(
        self, process: ProcessContext, end: "asyncio.Future[ProcessContext | None]", wait_ms: int
    ) -> ProcessContext:
        try:
            if not process.status.is_open or (process.response and end in self._callers):
                return process
            # Not asyncio.wait_for: this is paid by every synchronous run, and a timer is all it takes.
            timer = self._loop.call_later(wait_ms / 1000, _give_up, end)
            try:
                ended = await end
            finally:
                timer.cancel()
            return ended or (process if self._closed else await self._process(process.id))
        finally:
            self._stop_listening(process.id, end)

    def _stop_listening(self, process_id: int, end: "asyncio.Future[ProcessContext | None]") -> None:
        listeners = self._enders.get(process_id, [])
        if end in listeners:
            listeners.remove(end)
        if not listeners:
            self._enders.pop(process_id, None)

    def _tell_end(self, process_id: int, process: ProcessContext | None) -> None:
        for end in self._enders.pop(process_id, ()):
            if not end.done():
                end.set_result(process)

    def _tell_response(self, process: ProcessContext) -> None:
        """A SEND_RESPONSE step has spoken: who called it is answered, who waits for the end goes on waiting."""
        for end in self._enders.get(process.id, ()):
            if end in self._callers and not end.done():
                end.set_result(process)

    def waited_for(self) -> set[int]:
        """Processes whose end somebody waits for here."""
        return set(self._enders)

    def tell_ended(self, process: ProcessContext) -> None:
        """It has ended or has answered its caller, by the hands of another node."""
        self._say([], [process])

    def hear(self, hint: str) -> None:
        """What another node has told. From any thread."""
        self._lane.hear(hint)
        self._thread.wake()

    async def _process(self, process_id: int) -> ProcessContext:
        process = await self.read(lambda reads: reads.process(process_id))
        if process is None:
            raise NotFound(f"no process {process_id}")
        return process

    # -- workers

    async def exchange(self, exchange: Exchange, gone: Gone | None = None) -> Exchanged:
        """Results, extensions and the next poll, in any combination."""
        listening = gone or Gone()
        exchanged: Exchanged = await self._ask(lambda answer: ExchangeAsk(answer, exchange, listening))
        return exchanged

    def hung_up(self) -> None:
        """A client of a held poll is gone (its `Gone` says so): look at the held polls now."""
        self._thread.wake()

    # -- everything else

    async def write(self, errand: Callable[[Turn, int], T], *, catalog: bool = True) -> T:
        """Run `errand(turn, now)` in a transaction of its own; what it raises comes back here.

        `catalog`: it may write definitions, policies or marks, so what was found by name is looked up again."""
        result: T = await self._ask(lambda answer: ErrandAsk(answer, errand, catalog))
        return result

    async def read(self, query: Callable[[Reads], T]) -> T:
        """Run a query over committed rows beside the loop; all that it reads is of one moment."""
        if self._closed:
            raise Busy("the server is stopping")
        return await self._loop.run_in_executor(self._readers, at_once, query, self.store.reads)

    async def read_process(
        self, process_id: int, query: Callable[[Reads, ProcessContext, Plan], T]
    ) -> tuple[ProcessContext, Plan, T]:
        """A process and its plan, with what the query reads of them at the same moment. Raises NotFound.

        The plan is looked up before that moment; a process that follows another one by then is read once more."""
        process = await self._process(process_id)
        while True:
            plan = await self.plan_of(process)
            process, found = await self.read(of_process(process, plan, query))
            if found is not None:
                return process, plan, found

    async def look(self, process_id: int, query: Callable[[ProcessRows], T]) -> T:
        """Run a query over what one process is made of: rows, or what is in memory when it has none yet."""
        rows = self._lane.node.stretches.rows(process_id)
        return await self.read(query) if rows is None else query(rows)

    async def plan(self, definition_id: int) -> Plan:
        """The plan of a stored definition. Raises NotFound."""
        plan = self._plans.get(definition_id)
        if plan is None:
            stored = await self.read(lambda reads: reads.definition(definition_id))
            if stored is None:
                raise NotFound(f"no stored definition {definition_id}")
            plan = self._plans.put(build_plan(stored.id, decode_as(stored.content, ProcessDefinition)))
        return plan

    async def plan_of(self, process: ProcessContext | Finished) -> Plan:
        """The plan that a process follows."""
        if not process.numbering:
            return await self.plan(process.definition_id)
        plan = self._plans.get(process.definition_id, process.numbering)
        if plan is None:
            plans = [await self.plan(id) for id in (*process.numbering, process.definition_id)]
            plan = self._plans.put(follow(plans), process.numbering)
        return plan

    # -- the lane

    def _admit(self) -> None:
        """A new process adds work, a result takes some away: under more load than there is room for, what has begun
        goes on at its pace, and whoever starts more hears at once that it is too much. Raises Busy."""
        if self._thread.waiting() >= self._most_waiting:
            raise Busy("too many requests wait already; try again in a moment")

    async def _ask(self, make: Callable[[Callable[[Any], None]], Ask]) -> Any:
        if self._closed:
            raise Busy("the server is stopping")
        future: asyncio.Future[Any] = self._loop.create_future()

        def answer(value: Any) -> None:
            if future.cancelled():
                return
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)

        self._thread.put(make(answer))
        return await future

    def _deliver(self, answers: list[Answer], ended: list[ProcessContext]) -> None:
        """On the lane's thread: one call into the loop for everything a turn has to say."""
        self._loop.call_soon_threadsafe(self._say, answers, ended)

    def _say(self, answers: list[Answer], ended: list[ProcessContext]) -> None:
        for ask, value in answers:
            ask.answer(answer_of(ask, value))
        for process in ended:
            if process.status.is_open:
                self._tell_response(process)
            else:
                self._tell_end(process.id, process)


def _give_up(end: "asyncio.Future[ProcessContext | None]") -> None:
    """The time to wait is over."""
    if not end.done():
        end.set_result(None)


def _event_of(operation: Operation, reason: str, version: int | None) -> AnyEvent:
    match operation:
        case Operation.TERMINATE:
            return TerminateRequested(reason=reason)
        case Operation.CANCEL:
            return CancelRequested(reason=reason)
        case Operation.RESUME:
            return ResumeRequested(follow=version)
        case Operation.REVIEW:
            return ReviewRequested(reason=reason)
        case Operation.PAUSE:
            return PauseRequested()
        case Operation.UNPAUSE:
            return UnpauseRequested()
