"""The child processes: started ahead of need, killed when they do not answer in time, replaced.

Nothing that a child says is believed: lengths are capped, texts are parsed as what they should be.
"""

import asyncio
import contextlib
import os
import resource
import sys
from pathlib import Path
from typing import Any, TypeVar

from stepwell.model.codec import CodecError, Record, decode_as, encode
from stepwell.steps.sandbox.frames import LENGTHS, frame
from stepwell.steps.sandbox.process import Process
from stepwell.steps.sandbox.script import SandboxSettings

_START = "import sys; sys.path[:] = sys.argv[4:]; from stepwell.steps.sandbox.child import main; main(*sys.argv[1:4])"
_START_S = 20.0
_HEADER = 4 * 1_048_576
_SPARE = 128 * 1_048_576
"""Address space beyond what a script may use: the interpreter's own, stacks, the question and the answer."""
_PAGE_BYTES = resource.getpagesize()

T = TypeVar("T")


class Unavailable(Exception):
    """There is no child that may run a script; the message says why."""


class Lost(Exception):
    """The child ended, or said something that makes no sense."""


class Hello(Record, frozen=True):
    ready: list[str] | None = None
    refused: str = ""
    processes: list[int] = []


class Said(Record, frozen=True):
    error: str
    limit: str
    need: str
    logs: list[str]
    broken: bool


class Child:
    """One child and its pipes. Raises Lost from whatever it is asked once it is gone."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.namespaces: list[str] = []
        self.used_s = 0.0

    @classmethod
    async def start(cls, family: str, settings: SandboxSettings) -> "Child":
        """Raises Unavailable."""
        command = [
            sys.executable,
            "-I",
            "-S",
            "-B",
            "-c",
            _START,
            family,
            str(os.getpid()),
            str(settings.cpu_s),
        ]
        paths = [path for path in sys.path if Path(path).is_absolute()]
        try:
            process = await Process.start([*command, *paths])
        except OSError as error:
            raise Unavailable(f"no process for scripts could be started: {error}") from error
        child = cls(process)
        try:
            async with asyncio.timeout(_START_S):
                await child._greet(settings)
        except BaseException as error:
            child.kill()
            if isinstance(error, (Lost, TimeoutError, OSError)):
                raise Unavailable(f"the process for scripts did not start: {error or 'too slow'}") from error
            raise
        return child

    async def _greet(self, settings: SandboxSettings) -> None:
        header, _ = await self._hear(0)
        hello = _parsed(header, Hello)
        if hello.ready is None:
            raise Unavailable(f"the sandbox cannot be closed on this machine: {hello.refused}")
        self.namespaces = hello.ready
        for pid in (self.pid, *hello.processes):
            self._tie(pid, settings)

    def _tie(self, pid: int, settings: SandboxSettings) -> None:
        """Take from a process what it needed to start: descriptors, processes and memory without end."""
        if os.getsid(pid) != self.pid:
            raise Lost("it named a process that is not its own")
        space = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * _PAGE_BYTES
        for which, value in (
            (resource.RLIMIT_AS, space + settings.limits.memory + _SPARE),
            (resource.RLIMIT_NOFILE, 0),
            (resource.RLIMIT_NPROC, 0),
        ):
            resource.prlimit(pid, which, (value, value))

    @property
    def alive(self) -> bool:
        return self._process.alive

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, header: dict[str, Any], body: bytes, most: int) -> tuple[Said, bytes]:
        """The answer's body has at most `most` bytes. Raises Lost."""
        try:
            self._process.stdin.write(frame(encode(header), body))
            await self._process.stdin.drain()
        except OSError as error:
            raise Lost("it has ended") from error
        said, result = await self._hear(most)
        return _parsed(said, Said), result

    async def _hear(self, most: int) -> tuple[bytes, bytes]:
        try:
            header, body = LENGTHS.unpack(await self._process.stdout.readexactly(LENGTHS.size))
            if header > _HEADER or body > most:
                raise Lost("it said more than it may")
            return await self._process.stdout.readexactly(header), await self._process.stdout.readexactly(
                body
            )
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Lost("it has ended") from error

    def kill(self) -> None:
        """It and everything it started, at once."""
        self._process.kill()

    async def ended(self) -> int:
        """Wait for the end; the exit status, negative for a signal."""
        return await self._process.ended()


class Children:
    """The children of one family. At most `settings.children`; a caller waits until one is free."""

    def __init__(self, family: str, settings: SandboxSettings) -> None:
        self._family = family
        self._settings = settings
        self._free: list[Child] = []
        self._busy: set[Child] = set()
        self._slots = asyncio.Semaphore(settings.children)
        self._warming: set[asyncio.Task[None]] = set()

    async def warm(self) -> None:
        """Have every child ready. Raises Unavailable."""
        missing = self._settings.children - len(self._free) - len(self._busy) - len(self._warming)
        children = await asyncio.gather(*(Child.start(self._family, self._settings) for _ in range(missing)))
        self._free += children

    @property
    def namespaces(self) -> tuple[str, ...]:
        return tuple(self._free[0].namespaces) if self._free else ()

    async def take(self) -> Child:
        """One for the caller alone; give it back with `give` or `drop`. Raises Unavailable."""
        await self._slots.acquire()
        try:
            if not self._free and self._warming:
                await asyncio.wait(self._warming, return_when=asyncio.FIRST_COMPLETED)
            while self._free:
                child = self._free.pop()
                if child.alive:
                    break
            else:
                child = await Child.start(self._family, self._settings)
        except BaseException:
            self._slots.release()
            raise
        self._busy.add(child)
        return child

    def give(self, child: Child) -> None:
        """Back, for the next; or replaced when it has worked long enough."""
        # What it does between two scripts is not in `used_s`, but counts for its limit.
        if not child.alive or child.used_s > self._settings.cpu_s / 4:
            self.drop(child)
            return
        self._busy.discard(child)
        self._free.append(child)
        self._slots.release()

    def drop(self, child: Child) -> None:
        """Kill it and start another in its place."""
        child.kill()
        self._busy.discard(child)
        self._slots.release()
        task = asyncio.create_task(self._replace(child))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def _replace(self, child: Child) -> None:
        await child.ended()
        with contextlib.suppress(Unavailable):  # the next caller tries again, and hears why
            self._free.append(await Child.start(self._family, self._settings))

    async def stop(self) -> None:
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        for child in [*self._free, *self._busy]:
            child.kill()
            await child.ended()
        self._free.clear()
        self._busy.clear()


def _parsed(text: bytes, kind: type[T]) -> T:
    try:
        return decode_as(text, kind)
    except CodecError as error:
        raise Lost("it said something that makes no sense") from error
