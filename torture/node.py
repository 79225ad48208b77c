"""Processes that we start, and end again by their own id: servers and workers."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 60.0
"""How long a server may take to be ready before that is a finding of its own."""
CLIENT_ID, TOKEN = "torture", "torture-token"
DEFAULT_SERVER = f"{shlex.quote(sys.executable)} -m stepwell.cli server"
DEFAULT_DOCTOR = f"{shlex.quote(sys.executable)} -m stepwell.cli doctor"
DEFAULT_DATABASE = "sqlite:///{folder}/stepwell.db"


class NotReady(Exception):
    """The server ended, or did not say that it is ready."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Node:
    """One server: a command line, settings in its environment, and always the same port."""

    def __init__(
        self,
        folder: Path,
        *,
        command: str = DEFAULT_SERVER,
        database: str = DEFAULT_DATABASE,
        settings: Mapping[str, object] | None = None,
        prefix: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        """`prefix` goes before the command, such as a namespace to enter. `database` may name the `{folder}`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.log = log or folder / "server.log"
        self.port = free_port()
        self.environment: dict[str, str] = {
            "STEPWELL_DATABASE": database.format(folder=folder),
            "STEPWELL_BOOTSTRAP_CLIENT": f"{CLIENT_ID}:{TOKEN}",
            "STEPWELL_PORT": str(self.port),
            **{f"STEPWELL_{name.upper()}": str(value) for name, value in (settings or {}).items()},
        }
        self.prefix = list(prefix)
        self._command = [*prefix, *shlex.split(command)]
        self._process: subprocess.Popen[str] | None = None
        self.ready_ms: list[int] = []
        """How long each start took until the server said that it is ready."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start without waiting until it is ready."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self) -> None:
        """Raises NotReady."""
        began = time.monotonic()
        self.launch()
        self.await_ready()
        self.ready_ms.append(round((time.monotonic() - began) * 1000))

    def await_ready(self) -> None:
        process = self._process
        assert process is not None and process.stdout is not None
        patience = threading.Timer(PATIENCE_S, process.kill)
        patience.start()
        try:
            for line in process.stdout:
                if re.search(r"ready on http://\S+", line):
                    return
        finally:
            patience.cancel()
        raise NotReady(f"the server ended with {process.wait()}: {last_lines(self.log)}")

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM. The exit code."""
        return self.end(signal.SIGTERM)

    def end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        code = end(process, number)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def reap(self) -> int | None:
        """The exit code of one that ended by itself, else None."""
        if self._process is None or self._process.poll() is None:
            return None
        return self.end(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> int:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    if number is not signal.SIGKILL:
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def last_lines(path: Path, count: int = 12) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:]) if path.exists() else ""
