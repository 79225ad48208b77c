"""A whole server below the socket: the application over a real runtime and the memory store."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from stepwell.model.client import GRANTABLE, Permission, token_digest
from stepwell.runtime.catalog import create_client
from stepwell.runtime.runtime import Runtime
from stepwell.server.app import App
from stepwell.settings import Settings
from stepwell.store.memory import MemoryStore

ONE_STEP = {
    "namespace": "default",
    "name": "one",
    "type": "STANDARD",
    "steps": [{"name": "work", "type": "WORKER", "ref": "work_1", "input": {"n": "{{ context.input.n }}"}}],
}


def bearer(client_id: str, token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer client.sdk.{client_id}.{token_digest(token)}"}


class Site:
    """The application, a caller with every permission, and shorthands for what tests do most."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self.runtime = runtime
        self.app = App(runtime, settings)
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.http = httpx2.AsyncClient(
            transport=transport, base_url="http://stepwell", headers=bearer("admin", "secret")
        )

    async def create_client(
        self, client_id: str, token: str, *permissions: Permission, expires: int = 0
    ) -> None:
        await self.runtime.write(
            lambda turn, now: create_client(turn, now, client_id, token, permissions, expires)
        )

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The decoded answer of a call that must succeed."""
        answer = await self.raw(method, path, body, **more)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()

    async def raw(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return await self.http.request(method, path, content=content, **more)

    async def poll(self, name: str = "work", size: int = 10, namespace: str = "default") -> Any:
        queue = {"namespace": namespace, "stepType": "WORKER", "name": name}
        return await self.call("POST", "/api/clients/poll", [{"stepQueueNameData": queue, "size": size}])

    async def report(self, *items: dict[str, Any]) -> Any:
        return await self.call("POST", "/api/clients/bulkResults", list(items))

    async def run(self, name: str = "one", **more: Any) -> Any:
        return await self.call("POST", "/api/process/runAsync", {"name": name} | more)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    store = MemoryStore()
    store.migrate()
    runtime = Runtime(store)
    await runtime.start_up()
    site = Site(runtime, Settings(poll_hold_ms=0, body_limit=500_000, item_limit=1_000))
    await site.create_client("admin", "secret", *GRANTABLE)
    async with site.http:
        yield site
    await runtime.stop()
    store.close()
