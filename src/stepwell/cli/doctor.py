"""`stepwell doctor`: is everything in the database as it should be?"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stepwell.cli.connection import Server, connection_options, told
from stepwell.cli.console import emit, output_option, print_table, say
from stepwell.settings import from_environment

if TYPE_CHECKING:
    from stepwell.runtime.doctor import Check

WELL, RED, CANNOT_LOOK = 0, 1, 2


@click.command()
@click.argument("process_ids", nargs=-1, type=int, metavar="[PROCESS_ID]...")
@click.option("--database", metavar="URL", help="sqlite:///path or postgresql://… [STEPWELL_DATABASE]")
@click.option("--key-file", metavar="PATH", help="The keys of secrets [STEPWELL_KEY_FILE]")
@click.option(
    "--retry", is_flag=True, help="Have the server play set-aside events again, of all processes or these."
)
@click.option("--why", default="", help="For the audit; with --retry.")
@output_option
@connection_options
def doctor(
    server: Server,
    process_ids: tuple[int, ...],
    database: str | None,
    key_file: str | None,
    retry: bool,
    why: str,
    form: str,
) -> None:
    """Check the database, also while a server runs: it only reads. Each line says what was found, and what to do.

    Exit code 0: all is well; 1: something is wrong; 2: it could not look. With --retry it asks the server to play
    events again that made the engine raise: 0 when none is left.
    """
    if retry:
        raise SystemExit(_retry(server, process_ids, why, form))
    if process_ids or why:
        raise click.UsageError("process ids and --why go with --retry")
    checks = _examine(database, key_file)
    _show(checks, form)
    raise SystemExit(WELL if all(check.ok for check in checks) else RED)


def _examine(database: str | None, key_file: str | None) -> "list[Check]":
    from stepwell.cli.server import open_store
    from stepwell.runtime.doctor import examine

    settings = from_environment(os.environ, database=database, key_file=key_file)
    path = settings.database_path
    if settings.database == "memory://":
        raise click.UsageError("a database in memory can be seen by its server only: ask its /metrics")
    if path is not None and not (Path(path).is_file() and os.access(path, os.R_OK)):
        raise click.UsageError(f"there is no database {path} that can be read")
    store = open_store(settings.database, exclusive=False)
    try:
        return examine(store, settings.key_path)
    finally:
        store.close()


def _show(checks: "Sequence[Check]", form: str) -> None:
    from rich.text import Text

    if form == "json":
        emit([{"check": c.check, "ok": c.ok, "found": c.found, "do": c.do} for c in checks])
        return
    marks = {True: Text("ok", style="green"), False: Text("WRONG", style="bold red")}
    print_table(["", "check", "found"], [(marks[c.ok], c.check, c.found) for c in checks])
    for check in checks:
        if check.do:
            say(f"{check.check}: {check.do}")


# -- playing events again


def _retry(server: Server, process_ids: Sequence[int], why: str, form: str) -> int:
    from stepwell.client import ApiError

    try:
        ids = process_ids or sorted({row["processId"] for row in server.client.set_aside()})
        retried: list[Any] = [server.client.retry_set_aside(id, reason=why or None) for id in ids]
    except ApiError as error:
        click.echo(f"Error: {told(error)}", err=True)
        return CANNOT_LOOK
    if form == "json":
        emit(retried)
    else:
        rows = [
            (one["processId"], event["id"], event["event"], event["outcome"], event["message"])
            for one in retried
            for event in one["events"]
        ]
        print_table(["process", "event", "kind", "outcome", "why"], rows)
    return RED if any(one["left"] for one in retried) else WELL
