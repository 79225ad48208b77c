"""One exchange under way, from its making until its answer has arrived; and the line that carries it."""

import asyncio
import logging
import random

from stepwell.worker.connection import (
    FIRST_DELAY_S,
    MOST_DELAY_S,
    Connection,
    Lost,
    Refused,
    Stale,
    Target,
    delay_s,
)
from stepwell.worker.results import Finished
from stepwell.worker.slots import Asked
from stepwell.worker.wire import Answer, Extension, exchange_body

log = logging.getLogger("stepwell.worker")

TRIES_TO_LEARN = 3
"""How often a withdrawn poll is repeated to learn what it was given."""


class Withdrawn(Exception):
    """The sending was cut short on purpose."""


class Call:
    def __init__(
        self,
        *,
        poll_id: str,
        results: list[Finished],
        extensions: list[Extension],
        asked: Asked,
        size: int,
        wait_ms: int,
    ) -> None:
        self.poll_id = poll_id
        self.results = results
        self.extensions = extensions
        self.asked = asked
        self.size = size
        """Most steps that the answer may hold."""
        self.wait_ms = wait_ms
        self.task: asyncio.Task[None] | None = None
        self._is_sending = False
        self._is_interrupted = False
        self._tries_left: int | None = None
        """None = as many as it takes."""

    @property
    def is_held(self) -> bool:
        """The server may keep it until there is work."""
        return self.wait_ms > 0

    def body(self) -> bytes:
        return exchange_body(
            poll_id=self.poll_id,
            results=[finished.item for finished in self.results],
            extensions=self.extensions,
            asked=self.asked,
            size=self.size,
            wait_ms=self.wait_ms,
        )

    def withdraw(self) -> None:
        """End the holding. The call goes out once more, under its id, to learn what it was given."""
        self._tries_left = None if self.results else TRIES_TO_LEARN
        if self.is_held and self._is_sending and self.task is not None:
            self._is_interrupted = True
            self.task.cancel()
        self.wait_ms = 0

    @property
    def is_optional(self) -> bool:
        """A withdrawn poll without results: not worth a long wait for a server that is away."""
        return self._tries_left is not None

    def may_try_again(self) -> bool:
        if self._tries_left is None:
            return True
        self._tries_left -= 1
        return self._tries_left >= 0

    async def send(self, connection: Connection) -> Answer:
        """Raises what `Connection.exchange` raises, and Withdrawn."""
        self._is_sending = True
        try:
            return await connection.exchange(self.body(), self.wait_ms)
        except asyncio.CancelledError as error:
            if not self._is_interrupted or self.task is None:
                raise
            self._is_interrupted = False
            self.task.uncancel()
            raise Withdrawn from error
        finally:
            self._is_sending = False


class Line:
    """Sends calls until they are answered, and tells about trouble once, not at every try."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = Connection(target)
        self._trouble: asyncio.Event | None = None
        """Set when the trouble is over, for all the calls that wait."""

    async def carry(self, call: Call) -> Answer:
        """Raises Unacceptable; everything else is tried again, for ever. An empty answer = not worth it."""
        attempt = 0
        while call.may_try_again():
            attempt += 1
            try:
                answer = await call.send(self._connection)
            except Withdrawn:
                continue
            except Stale as error:
                if attempt > 1:
                    await self._pause(delay_s(attempt, random.random()), self._lost(error))
            except Lost as error:
                await self._pause(delay_s(attempt, random.random()), self._lost(error))
            except Refused as error:
                if call.is_optional:
                    break
                await self._pause(delay_s(30, random.random()), self._refused(error))
            else:
                self._recover()
                return answer
        return Answer()

    def hurry(self) -> None:
        """Whoever waits for better times tries once more now."""
        if self._trouble is not None:
            self._trouble.set()
            self._trouble = asyncio.Event()

    async def pause_slowly(self, message: str) -> None:
        await self._pause(MOST_DELAY_S, message)

    async def close(self) -> None:
        await self._connection.close()

    async def _pause(self, pause_s: float, message: str) -> None:
        if self._trouble is None:
            self._trouble = asyncio.Event()
            log.error(message)
        over = self._trouble
        # Another call's success ends the wait early, but never lets this one hurry.
        await asyncio.sleep(min(pause_s, FIRST_DELAY_S))
        try:
            await asyncio.wait_for(over.wait(), max(0.0, pause_s - FIRST_DELAY_S))
        except TimeoutError:
            return

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble.set()
            self._trouble = None
            log.warning("%s answers again", self._target.url)

    def _lost(self, error: Lost) -> str:
        return f"no answer from {self._target.url} ({error}); trying again until there is one"

    def _refused(self, error: Refused) -> str:
        return (
            f"{self._target.url} refuses client '{self._target.client_id}' ({error}). Check the address, "
            f"STEPWELL_CLIENT_ID and STEPWELL_TOKEN. Trying again every {MOST_DELAY_S:.0f} s"
        )
