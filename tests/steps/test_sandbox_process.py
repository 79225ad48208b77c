"""Children are started from a server of many threads."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from stepwell.steps.sandbox.children import Child
from stepwell.steps.sandbox.process import Process
from stepwell.steps.sandbox.script import SandboxSettings

_INSIDE: list[int] = []
os.register_at_fork(after_in_child=lambda: [os.write(descriptor, b"!") for descriptor in _INSIDE])


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_nothing_of_python_runs_between_fork_and_exec(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """What tidies up after the threads that a child does not have may wait for a lock that one of them held."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    _INSIDE.append(writing)
    try:
        said, status = new_loop().run_until_complete(_echo())
    finally:
        _INSIDE.clear()
    assert (said, status) == (b"hello", 7)
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    os.close(reading)
    os.close(writing)


async def _echo() -> tuple[bytes, int]:
    text = (
        "import os, sys; os.write(1, os.read(0, 5)); assert not os.environ.keys() - {'LC_CTYPE'}; sys.exit(7)"
    )
    process = await Process.start([sys.executable, "-I", "-S", "-c", text])
    assert process.alive
    process.stdin.write(b"hello")
    await process.stdin.drain()
    said = await process.stdout.read()
    return said, await process.ended()


def test_killed() -> None:
    async def play() -> int:
        process = await Process.start([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
        process.kill()
        status = await process.ended()
        process.kill()
        assert not process.alive
        return status

    assert asyncio.run(play()) == -9


def test_a_child_stands_back_behind_the_server_and_its_session_too() -> None:
    async def play() -> tuple[str, str]:
        child = await Child.start("plain", SandboxSettings())
        shares = Path(f"/proc/{child.pid}/autogroup")
        said = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[16]
        session = shares.read_text() if shares.exists() else "no sessions, nice 10"
        child.kill()
        await child.ended()
        return said, session

    own, session = asyncio.run(play())
    assert own == "10"
    assert session.split() == [] or session.split()[-2:] == ["nice", "10"]


def test_no_such_program() -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(Process.start(["/nowhere/at-all"]))
