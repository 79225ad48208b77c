"""`stepwell move`: take everything to another database."""

import os
import time
from typing import TYPE_CHECKING

import click

from stepwell.cli.console import emit, output_option, print_table, say
from stepwell.settings import from_environment

if TYPE_CHECKING:
    from stepwell.store.port import Store

EVERY_S = 2.0
"""Between two words about progress."""


@click.command()
@click.option("--to", metavar="URL", help="The database that takes over, empty or not there yet.")
@click.option("--undo", "undoing", is_flag=True, help="Let a server go on with a database that was moved.")
@click.option("--database", metavar="URL", help="sqlite:///path or postgresql://… [STEPWELL_DATABASE]")
@output_option
def move(to: str | None, undoing: bool, database: str | None, form: str) -> None:
    """Move definitions, history and processes in flight to another database. No server may run on either.

    Everything is compared afterwards. The old database stays, and is marked: a server does not start on it any more.
    """
    from stepwell.runtime.clock import WallClock
    from stepwell.runtime.move import move as moved
    from stepwell.runtime.move import undo

    if (to is None) is not undoing:
        raise click.UsageError("say where --to, or --undo")
    source = _opened(database)
    try:
        if undoing:
            say("it is as it was" if undo(source) else "this database was not moved")
            return
        target = _opened(to)
        try:
            target.migrate()
            counts = moved(source, target, WallClock().now(), _Progress())
        finally:
            target.close()
    finally:
        source.close()
    if form == "json":
        emit(counts)
    else:
        print_table(["table", "rows"], [(table, f"{rows:,}") for table, rows in counts.items()])
        say(
            "moved and compared. Start the server with the new database; keep the key file of secrets with it"
        )


def _opened(url: str | None) -> "Store":
    from stepwell.cli.server import open_store

    database = from_environment(os.environ, database=url).database
    if database == "memory://":
        raise click.UsageError("what is in memory cannot be moved")
    store = open_store(database)
    store.migrate()
    return store


class _Progress:
    """A line now and then, for what takes long."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY_S

    def __call__(self, table: str, rows: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            say(f"{table}: {rows:,} rows")
