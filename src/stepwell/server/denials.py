"""Denied acts in the audit: who was turned away from which route, and why, counted.

One line for each caller, route and reason in a minute, and never more than so many lines: whoever knocks a thousand
times a second fills no disk. Callers without valid credentials are one caller.
"""

import asyncio
import logging
from collections import Counter
from typing import NamedTuple

from stepwell.model.audit import Audit
from stepwell.model.codec import encode
from stepwell.model.errors import Busy
from stepwell.runtime.runtime import Runtime
from stepwell.store.port import Changes, Turn

NOBODY = "unknown"
"""Who has no valid credentials. No client application is called so: it would say nothing of one."""
EVERY_S = 60.0
MOST_LINES = 100
"""Of one minute; what is beyond them is counted in one more."""

log = logging.getLogger("stepwell.server")


class Denial(NamedTuple):
    who: str
    act: str
    """The route, such as `POST /api/process/bulkTerminate`."""
    why: str


_OTHERS = Denial(NOBODY, "others", "more denials than are listed")


class Denials:
    """Belongs to the server's loop. Nothing waits for it: a request is denied at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._counts: Counter[Denial] = Counter()
        self._any = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, denial: Denial) -> None:
        if denial not in self._counts and len(self._counts) >= MOST_LINES:
            denial = _OTHERS
        self._counts[denial] += 1
        self._any.set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write_for_ever(), name="stepwell-denials")

    async def stop(self) -> None:
        """What was counted is written before the runtime stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.write()

    async def _write_for_ever(self) -> None:
        while True:
            await self._any.wait()
            await self.write()
            await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        """Write what was counted so far. What cannot be written now is counted on."""
        counts, self._counts = self._counts, Counter()
        self._any.clear()
        if not counts:
            return

        def lines(turn: Turn, now: int) -> None:
            turn.save(Changes(audit=[_line(denial, times, now) for denial, times in counts.items()]))

        try:
            await self._runtime.write(lines, catalog=False)
        except Busy:
            for denial, times in counts.items():
                self._counts[denial] += times
            self._any.set()
        except Exception:
            log.exception("denied acts could not be noted in the audit")


def _line(denial: Denial, times: int, now: int) -> Audit:
    return Audit(
        at=now,
        who=denial.who,
        what="DENIED",
        target=denial.act,
        why=denial.why,
        detail=encode({"times": times}),
    )
