"""The server as a whole, on a real socket: ready line, held polls, disconnects, the end."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from stepwell.runtime.runtime import Runtime
from stepwell.server.serve import serve
from stepwell.settings import BootstrapClient, Settings
from stepwell.store.memory import MemoryStore
from tests.server.conftest import ONE_STEP, Site, bearer

pytestmark = pytest.mark.anyio
QUEUE = [{"stepQueueNameData": {"name": "work"}, "size": 1}]


class Running:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.runtime = Runtime(self.store)
        self.stop = asyncio.Event()
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    async def start(self, **settings: Any) -> None:
        chosen = Settings(port=0, bootstrap_client=BootstrapClient("admin", "secret"), **settings)
        self.task = asyncio.ensure_future(
            serve(self.runtime, chosen, say=self.lines.put_nowait, stop=self.stop)
        )
        line = asyncio.ensure_future(self.lines.get())
        await asyncio.wait([line, self.task], return_when=asyncio.FIRST_COMPLETED)
        self.line = line.result()
        found = re.fullmatch(r"stepwell \S+ ready on (http://127\.0\.0\.1:(\d+)) \(.*\)", self.line)
        assert found, self.line
        self.port = int(found[2])
        self.http = httpx2.AsyncClient(base_url=found[1], headers=bearer("admin", "secret"), timeout=30)

    async def close(self) -> None:
        self.stop.set()
        await self.task
        await self.http.aclose()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    yield running
    if not running.task.done():
        await running.close()


async def test_ready_means_ready_and_there_is_one_line(running: Running) -> None:
    await running.start()
    answer = await running.http.get("/health")
    assert answer.status_code == 200 and answer.json()["status"] == "UP"
    assert running.port > 0 and running.lines.empty()
    assert (await running.http.get("/api/clients")).json()[0]["clientId"] == "admin"


async def test_a_held_poll_gets_the_work_that_comes(running: Running) -> None:
    await running.start(poll_hold_ms=2_000)
    await running.http.post("/api/processDefinitions", json=ONE_STEP)
    held = asyncio.ensure_future(running.http.post("/api/clients/poll", json=QUEUE))
    await running.http.post("/api/process/runAsync", json={"name": "one"})
    assert len((await held).json()) == 1


async def test_stopping_ends_held_polls_and_waiting_calls_at_once(running: Running) -> None:
    await running.start()
    await running.http.post("/api/processDefinitions", json=ONE_STEP)
    asked = {"queues": [{"name": "other", "size": 1}], "waitMs": 30_000}
    held = asyncio.ensure_future(running.http.post("/api/clients/exchange", json=asked))
    waiting = asyncio.ensure_future(
        running.http.post("/api/process/runSync?timeout=300", json={"name": "one"})
    )
    while (await running.http.get("/api/stats/process/search")).json() == []:
        await asyncio.sleep(0)
    running.stop.set()
    assert (await held).json()["work"] == []
    assert (await waiting).json()["status"] == "RUNNING"
    await asyncio.wait_for(running.task, 10)


async def test_work_is_not_given_to_a_client_that_hung_up(site: Site) -> None:
    """Below the socket: the server says that the client is gone, and the held poll ends without work."""
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    body = json.dumps({"queues": [{"name": "work", "size": 1}], "waitMs": 30_000}).encode()
    messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(k.lower().encode(), v.encode()) for k, v in bearer("admin", "secret").items()]
    scope = {"type": "http", "method": "POST", "path": "/api/clients/exchange", "query_string": b""}
    await asyncio.wait_for(site.app(scope | {"headers": headers, "client": None}, receive, send), 10)
    assert json.loads(sent[1]["body"])["work"] == []
    await site.run()
    (work,) = await site.poll()
    assert work["runCount"] == 1


async def test_an_address_in_use_is_an_error_before_anything_starts(running: Running) -> None:
    await running.start()
    with pytest.raises(OSError):
        await serve(Runtime(MemoryStore()), Settings(port=running.port), say=print)
