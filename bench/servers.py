"""Starting what is measured, each in a process of its own, and ending it again by its id."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stepwell.model.client import bearer
from tests.postgres import DURABLE, Databases, PrivatePostgres

CLIENT, TOKEN = "bench", "bench-token"
BEARER = bearer(CLIENT, TOKEN)


class Server:
    """A stepwell server on a free port over a fresh database."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, database: Path, ready_s: float) -> None:
        self.process = process
        self.url = url
        self.database = database
        self.ready_s = ready_s
        """From its start as a process until it said that it is ready."""

    @property
    def pid(self) -> int:
        return self.process.pid


postgres: PrivatePostgres | None = None
"""Where the databases of the servers are; None: each is a file."""


@contextmanager
def on_postgres() -> Iterator[None]:
    """Until the end of the block, servers share a PostgreSQL that is as durable as it comes."""
    global postgres
    with PrivatePostgres(**DURABLE) as postgres:
        yield
    postgres = None


@contextmanager
def _database(file: Path) -> Iterator[str]:
    if postgres is None:
        yield f"sqlite:///{file}"
        return
    with Databases(postgres.url).database() as url:
        yield url


@contextmanager
def server(prepare: Callable[[Path], None] | None = None) -> Iterator[Server]:
    """`prepare` makes the database before the server starts."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stepwell-bench-", dir="."))
        database = Path(folder).resolve() / "bench.db"
        if prepare is not None:
            prepare(database)
        environment = {
            **os.environ,
            "STEPWELL_DATABASE": stack.enter_context(_database(database)),
            "STEPWELL_KEY_FILE": f"{database}.key",
            "STEPWELL_PORT": "0",
            "STEPWELL_BOOTSTRAP_CLIENT": f"{CLIENT}:{TOKEN}",
        }
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "stepwell.cli", "server"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Server(process, _url(process), database, time.perf_counter() - start)
        finally:
            _end(process)


def _url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"ready on (http://\S+)", line)
        if found:
            return found.group(1)
    raise RuntimeError("the server ended before it was ready")


@contextmanager
def worker(module: str, url: str, **settings: object) -> Iterator["subprocess.Popen[str]"]:
    """A worker process: a module of this folder that prints a line when it polls."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps({"url": url, **settings})],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
