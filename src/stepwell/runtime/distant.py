"""Ends that other nodes bring about, for callers who wait at this one. Hints say where to look; a look now and then
finds what no hint has said."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from stepwell.model.errors import Busy
from stepwell.runtime.hints import read_hint

if TYPE_CHECKING:
    from stepwell.runtime.runtime import Runtime

LOOK_S = 1.0
AT_ONCE = 500

log = logging.getLogger("stepwell.distant")


class Distant:
    """Belongs to the runtime's loop."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._wake = asyncio.Event()
        self._told: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._runtime.store.shared:
            loop = self._loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._watch_for_ever(), name="stepwell-distant")
            self._runtime.store.listen(self._heard)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _heard(self, hint: str) -> None:
        """On any thread."""
        self._runtime.hear(hint)
        ended = read_hint(hint).ended
        if ended:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._note, ended)

    def _note(self, ended: tuple[int, ...]) -> None:
        waited_for = set(ended) & self._runtime.waited_for()
        if waited_for:
            self._told |= waited_for
            self._wake.set()

    async def _watch_for_ever(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            hinted, self._told = self._told, set()
            ids = sorted(hinted if self._wake.is_set() else self._runtime.waited_for())
            self._wake.clear()
            try:
                for at in range(0, len(ids), AT_ONCE):
                    await self._look(ids[at : at + AT_ONCE])
            except Busy:
                log.debug("the store is out of reach; the ends are looked at later")
            except Exception:
                log.exception("looking at ends stumbled; it goes on in a moment")

    async def _look(self, ids: list[int]) -> None:
        runtime = self._runtime
        for id in await runtime.read(lambda reads: reads.told(ids)):
            process = await runtime.read(lambda reads, id=id: reads.process(id))  # type: ignore[misc]
            if process is not None:
                runtime.tell_ended(process)
