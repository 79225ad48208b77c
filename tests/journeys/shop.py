"""A web shop on this machine: what HTTP steps call, in a thread of the test."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from tests.journeys.harness import PATIENCE_S


class Shop(ThreadingHTTPServer):
    """Answers `GET /orders/<id>` with the order, and remembers every request's Idempotency-Key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[str] = []
        self.slow = Event()
        """Until it is set, an order `slow` gets no answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Idempotency-Key"])
        order = self.path.rpartition("/")[2]
        if order == "slow":
            self.server.slow.wait(PATIENCE_S)
        body = json.dumps({"id": order, "items": [{"sku": "LAMP"}, {"sku": "CHAIR"}]}).encode()
        self.send_response(200 if self.path.startswith("/orders/") else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # whoever asked has been killed
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests say enough."""


@contextmanager
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.slow.set()
            server.shutdown()
            thread.join()
