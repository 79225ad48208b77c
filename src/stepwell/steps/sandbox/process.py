"""A program started from a server of many threads, and its pipes.

Not by the loop's own means: between fork and exec uvloop runs Python in the child, which tidies up after the threads
that are not there any more; one that held a lock of the database library at that moment leaves it locked, the child
waits for ever, and the server with it. `subprocess` runs nothing of Python there.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from asyncio.streams import FlowControlMixin
from collections.abc import Sequence


class Process:
    """One running program, leader of a session of its own."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self.stdout = reader
        self.stdin = writer

    @classmethod
    async def start(cls, command: Sequence[str]) -> "Process":
        """With an empty environment, at the root, two pipes and nothing else. Raises OSError."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={},
            cwd="/",
            start_new_session=True,
        )
        try:
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader()
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
            transport, protocol = await loop.connect_write_pipe(FlowControlMixin, process.stdin)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return cls(process, reader, asyncio.StreamWriter(transport, protocol, None, loop))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """It and everything it started, at once."""
        self._close()
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        if not self.stdin.transport.is_closing():
            self.stdin.transport.abort()

    async def ended(self) -> int:
        """Wait for the end; the exit status, negative for a signal."""
        if self.alive:
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            descriptor = os.pidfd_open(self.pid)
            loop.add_reader(descriptor, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        self._close()
        return self._process.wait()
