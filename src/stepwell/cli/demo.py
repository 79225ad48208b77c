"""`stepwell demo`: a server, a worker and one process, on this machine, in a folder of their own."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import click

from stepwell.cli.connection import Server
from stepwell.cli.console import console, emit, on_terminal, say

if TYPE_CHECKING:
    from stepwell.client import Process

FOLDER = ".stepwell-demo"
CLIENT_ID = "demo"
READY_S = 10.0
RUN_S = 30.0
STOP_S = 10.0
STEP_CONTEXT = (
    *("id", "processId", "ref", "parentId", "parentRef", "parentExecutionId", "namespace", "name", "type"),
    *("status", "optional", "priority", "start", "schedule", "updated", "workerId", "input", "output"),
    *("executionCount", "executionList", "stepDefinitionSnapshot"),
)
"""The documented members, in reading order. The answer also carries the names that other SDKs read."""


@click.command()
@click.option("--folder", default=FOLDER, show_default=True, help="Where the database and the logs go.")
def demo(folder: str) -> None:
    """Start a server and a worker, run a sample process, draw it.

    On a terminal it stays up until Ctrl-C, so that you can go on by hand.
    """
    from stepwell.demo import WORKERS

    _end_in_order()
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    port, token = _free_port(), _token(place)
    server = Server(f"http://127.0.0.1:{port}", CLIENT_ID, token)
    settings = {
        "STEPWELL_DATABASE": f"sqlite:///{place.absolute() / 'stepwell.db'}",
        "STEPWELL_HOST": "127.0.0.1",
        "STEPWELL_PORT": str(port),
        "STEPWELL_BOOTSTRAP_CLIENT": f"{CLIENT_ID}:{token}",
        "STEPWELL_URL": server.url,
        "STEPWELL_CLIENT_ID": CLIENT_ID,
        "STEPWELL_TOKEN": token,
    }
    with _running(["server"], settings, place / "server.log") as serving:
        _await_ready(server, serving, place / "server.log")
        _step(f"a server on {server.url}, its store in {place}/")
        with _running(["worker", WORKERS], settings, place / "worker.log"):
            _step("a worker, in a process of its own")
            _show_off(server)
            _how_to_go_on(server, token, place)
            if on_terminal():
                _stay()


def _show_off(server: Server) -> None:
    """Define, run, draw, and print one step context whole."""
    from stepwell.cli.definitions import apply_one
    from stepwell.cli.files import documents
    from stepwell.cli.live import follow, show
    from stepwell.demo import DEFINITION, INPUT, POLICIES, path_of

    for policy in documents(str(path_of(POLICIES))):
        server.client.put_policy(policy)
    definition = documents(str(path_of(DEFINITION)))[0]
    applied = apply_one(server, DEFINITION, definition)
    if applied["outcome"] == "refused":
        raise click.ClickException("; ".join(f"{p['path']}: {p['message']}" for p in applied["problems"]))
    _step(f"the definition {definition['name']} v{applied['version']}, {applied['outcome']}")
    process = server.client.start(definition["name"], INPUT)
    _step(f"process {process['processId']}\n")
    process = follow(server, process["processId"], RUN_S)
    if not on_terminal():
        show(process)
    if process["status"] != "COMPLETED":
        raise click.ClickException(f"the process should have completed, it is {process['status']}")
    _print_step(server, process, "charge")


def _print_step(server: Server, process: "Process", ref: str) -> None:
    step = next(step for step in process["stepRecords"] if step["ref"] == ref)
    click.echo(f"\nOne step context whole: {ref}, which failed once and was tried again\n")
    whole: Mapping[str, Any] = server.client.step(step["id"])
    emit({name: whole[name] for name in STEP_CONTEXT if name in whole})


def _how_to_go_on(server: Server, token: str, place: Path) -> None:
    from stepwell.demo import DEFINITION, INPUT, path_of

    order = place / "order.json"
    order.write_text(json.dumps({**INPUT, "orderId": "SO-1043"}, indent=2))

    stepwell = "stepwell" if which("stepwell") else _beside_python()
    click.echo(f"""
How to go on{"" if on_terminal() else " (on a terminal the demo stays up until Ctrl-C)"}

  API documentation   {server.url}/docs
  the definition      {path_of(DEFINITION)}
  in another shell    export STEPWELL_URL={server.url} STEPWELL_CLIENT_ID={CLIENT_ID} STEPWELL_TOKEN={token}
                      {stepwell} process search
                      {stepwell} definition get order_fulfilment
                      {stepwell} run order_fulfilment --wait --input @{order}
""")


def _beside_python() -> str:
    """The command of this virtual environment, by the shortest name that works from here."""
    command = Path(sys.executable).parent / "stepwell"
    return str(command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command)


def _stay() -> None:
    say("The server and the worker are running. Ctrl-C stops them.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3_600)


def _end_in_order() -> None:
    """Whatever ends the demo, its processes are stopped first: the end comes as an exception."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: sys.exit(128 + number))


def _step(text: str) -> None:
    console().print(f"[green]●[/] {text}" if on_terminal() else f"- {text}", soft_wrap=True)


@contextmanager
def _running(arguments: list[str], settings: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`stepwell <arguments>` in a process of its own. It is stopped, and waited for, at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "stepwell.cli", *arguments],
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; they are stopped in order
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(server: Server, serving: subprocess.Popen[bytes], log: Path) -> None:
    from stepwell.client import ApiError

    until = time.monotonic() + READY_S
    while True:
        if serving.poll() is not None or time.monotonic() > until:
            tail = "\n  ".join(log.read_text(errors="replace").splitlines()[-5:])
            raise click.ClickException(f"the server did not start; {log} says:\n  {tail}")
        try:
            server.client.health()
            return
        except ApiError as error:
            if error.status:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _token(place: Path) -> str:
    """The demo's own token, made at its first start: the database knows that one."""
    file = place / "token"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()
