"""A real server as a process of its own: started, stopped, killed and started again on the same port."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from stepwell.client import Client

CLIENT_ID, TOKEN = "test", "secret"
PATIENCE_S = 30.0
"""How long anything that must happen may take before a test gives up; nothing is measured against it."""

T = TypeVar("T")


def until(look: Callable[[], T], what: str = "what was awaited") -> T:
    """Look again and again until something true is seen, and return it."""
    give_up = time.monotonic() + PATIENCE_S
    while not (seen := look()):
        assert time.monotonic() < give_up, f"{what} did not happen within {PATIENCE_S} s"
        time.sleep(0.01)
    return seen


class ServerProcess:
    """`with ServerProcess(folder) as server: …`. The database and the log are files in `folder`.

    `settings` are STEPWELL_* variables without their prefix, such as `lease_ms=500`. Servers that share a database have
    a folder each, and a key file together.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.port = 0
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None

    @property
    def database(self) -> str:
        return str(self._settings.get("database", f"sqlite:///{self.folder / 'stepwell.db'}"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    @property
    def environment(self) -> dict[str, str]:
        """What a worker or a command needs to reach this server."""
        return {
            **os.environ,
            "STEPWELL_URL": self.url,
            "STEPWELL_CLIENT_ID": CLIENT_ID,
            "STEPWELL_TOKEN": TOKEN,
        }

    def start(self) -> Self:
        """Returns when it is ready. Started again, it takes the port that it had before."""
        settings = {
            "database": self.database,
            "bootstrap_client": f"{CLIENT_ID}:{TOKEN}",
            **self._settings,
            "port": self.port,
        }
        variables = {f"STEPWELL_{name.upper()}": str(value) for name, value in settings.items()}
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stepwell.cli", "server"],
                env=os.environ | variables,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.port = self._port_when_ready(self._process)
        return self

    def stop(self) -> int:
        """SIGTERM, as an operator would. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: nothing is drained, nothing is said."""
        self._end(signal.SIGKILL)

    def client(self) -> Client:
        return Client(self.url, CLIENT_ID, TOKEN)

    def _port_when_ready(self, process: subprocess.Popen[str]) -> int:
        patience = threading.Timer(PATIENCE_S, process.kill)
        patience.start()
        try:
            return self._announced_port(process)
        finally:
            patience.cancel()

    def _announced_port(self, process: subprocess.Popen[str]) -> int:
        assert process.stdout is not None
        for line in process.stdout:  # ends when the server does
            if ready := re.search(r"ready on http://\S+?:(\d+)", line):
                return int(ready[1])
        raise AssertionError(f"the server ended with {process.wait()}:\n{self.log}")

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        code = process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def on_postgres(folder: Path, url: str, **settings: object) -> ServerProcess:
    """A server on a database that does not wait for its disk: nobody takes its power away here."""
    folder.mkdir(exist_ok=True)
    shared = {"key_file": folder.parent / "shared.key", "accept_unsafe_database": "yes"}
    return ServerProcess(folder, database=url, **shared, **settings)
