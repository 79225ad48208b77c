"""Past saturation new processes are refused, and what has begun goes on."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepwell.model.client import GRANTABLE
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.runtime import Runtime
from stepwell.settings import Settings
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Turn
from tests.server.conftest import ONE_STEP, Site

pytestmark = pytest.mark.anyio
MOST = 10


@pytest.fixture
async def narrow() -> AsyncIterator[Site]:
    """A site that lets ten requests wait."""
    store = MemoryStore()
    store.migrate()
    runtime = Runtime(store, settings=RuntimeSettings(most_waiting=MOST))
    await runtime.start_up()
    site = Site(runtime, Settings(poll_hold_ms=0))
    await site.create_client("admin", "secret", *GRANTABLE)
    async with site.http:
        yield site
    await runtime.stop()
    store.close()


async def test_starts_are_refused_while_too_much_waits_and_results_are_not(narrow: Site) -> None:
    await narrow.call("POST", "/api/processDefinitions", ONE_STEP)
    await narrow.run(input={"n": 1})
    (work,) = await narrow.poll()
    begun, gate = threading.Event(), threading.Event()

    def slow_disk(turn: Turn, now: int) -> None:
        """One transaction takes as long as this test wants."""
        begun.set()
        gate.wait(20)

    slow = asyncio.ensure_future(narrow.runtime.write(slow_disk))
    await asyncio.to_thread(begun.wait, 20)
    polls = [asyncio.ensure_future(narrow.poll()) for _ in range(MOST)]
    while narrow.runtime._thread.waiting() < MOST:
        await asyncio.sleep(0.001)

    for path in ("runAsync", "runSync"):
        refused = await narrow.raw("POST", f"/api/process/{path}", {"name": "one"})
        assert (refused.status_code, refused.json()["code"]) == (503, "BUSY")
        assert refused.headers["retry-after"] == "1"
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    told = asyncio.ensure_future(narrow.report(ids | {"status": "COMPLETED", "output": {}}))
    await asyncio.sleep(0.01)

    gate.set()
    await asyncio.gather(slow, *polls)
    assert str(work["stepId"]) in await told
    shown: Any = await narrow.call("GET", f"/api/process/context/{work['processId']}")
    assert shown["status"] == "COMPLETED"
    assert (await narrow.run())["status"] == "RUNNING"
