"""The server's own hands: takes the steps that it runs itself from their queues, like any worker, without HTTP.

A poll is always held, so a built-in step is handed out in the very turn that schedules it; its result goes in as soon
as it is there. A step that was running when the server died is offered again at the next start.
"""

import asyncio
import logging
import traceback
from collections.abc import Mapping

from stepwell.definition.plan import SCRIPTS
from stepwell.model.codec import Json, change, encode
from stepwell.model.errors import Busy
from stepwell.model.work import QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.masking import Masker
from stepwell.runtime.requests import Exchange, Poll
from stepwell.runtime.runtime import Runtime
from stepwell.runtime.view import RowView
from stepwell.steps.step import Again, BuiltIn, Completed, Failed, Outcome, StepCall

CLIENT = "stepwell"
"""Prefix of the worker id of built-in steps: `stepwell:<node>`."""
HOLD_MS = 5_000
PAUSE_S = 0.2
LONG_OUTPUT = 32 * 1024

log = logging.getLogger("stepwell.runner")


class LocalRunner:
    """Runs built-in steps beside the event loop's other work. Belongs to one loop."""

    def __init__(self, runtime: Runtime, steps: Mapping[QueueName, BuiltIn], slots: int = 64) -> None:
        self._runtime = runtime
        self._steps = dict(steps)
        self._slots = slots
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._steps:
            self._polling = asyncio.get_running_loop().create_task(
                self._poll_for_ever(), name="stepwell-runner"
            )

    async def stop(self, drain_s: float = 3.0) -> None:
        """Take nothing more; let what runs end for a while. What does not is offered again at the next start."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running, timeout=drain_s)
        for task in self._running:
            task.cancel()

    async def _poll_for_ever(self) -> None:
        while True:
            free = self._slots - len(self._running)
            if free <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            try:
                work = await self._take(free)
            except Busy:
                await asyncio.sleep(PAUSE_S)
                continue
            for request in work:
                task = asyncio.get_running_loop().create_task(self._do(request))
                self._running.add(task)
                task.add_done_callback(self._done)

    async def _take(self, free: int) -> list[WorkRequest]:
        poll = Poll(
            queues=tuple((name, free) for name in self._steps),
            limit=free,
            client=f"{CLIENT}:{self._runtime.node}",
            host=self._runtime.node,
            wait_ms=HOLD_MS,
        )
        return (await self._runtime.exchange(Exchange(poll=poll))).work

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()

    async def _do(self, request: WorkRequest) -> None:
        masker = Masker(request.secrets) if request.secrets else None
        result = _result_of(request, await self._outcome(request, masker))
        if masker is not None:
            result = change(result, output=await _masked(masker, result.output))
        while True:
            try:
                await self._runtime.exchange(Exchange(results=(result,)))
                return
            except Busy:
                await asyncio.sleep(PAUSE_S)

    async def _outcome(self, request: WorkRequest, masker: Masker | None) -> Outcome:
        queue = QueueName(request.namespace, request.type, request.name)
        step = self._steps[queue]
        view = RowView(self._runtime, request.process_id, request.step_id)
        try:
            script = await view.script() if queue == SCRIPTS else None
            call = StepCall(request=request, view=view, now_ms=self._runtime.clock.now(), script=script)
            return await step.run(call)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            told = traceback.format_exc()
            log.error("a built-in step raised\n%s", masker.text(told) if masker else told)
            return Failed(encode({"error": f"{type(error).__name__}: {error}"}))


async def _masked(masker: Masker, output: Json) -> Json:
    """What is long is searched beside the loop, which others wait for."""
    return masker.json(output) if len(output) < LONG_OUTPUT else await asyncio.to_thread(masker.json, output)


def _result_of(request: WorkRequest, outcome: Outcome) -> WorkResult:
    match outcome:
        case Completed(output):
            return _result(request, WorkStatus.COMPLETED, output)
        case Failed(output):
            return _result(request, WorkStatus.FAILED, output)
        case Again(output, after_ms):
            return _result(request, WorkStatus.RUNNING, output, after_ms)


def _result(request: WorkRequest, status: WorkStatus, output: Json, after_ms: int = 0) -> WorkResult:
    return WorkResult(
        process_id=request.process_id,
        step_id=request.step_id,
        token=request.token,
        status=status,
        output=output,
        reschedule_ms=after_ms,
    )
