"""`stepwell doctor`: is everything in the database as it should be?"""

import os
from pathlib import Path

import click

from stepwell.cli.console import emit, output_option, print_table
from stepwell.settings import from_environment


@click.command()
@click.option("--database", metavar="URL", help="sqlite:///path or postgresql://… [STEPWELL_DATABASE]")
@output_option
def doctor(database: str | None, form: str) -> None:
    """Check the database, also while a server runs: it only reads. Exit code 1 if a check fails."""
    from rich.text import Text

    from stepwell.cli.server import open_store

    settings = from_environment(os.environ, database=database)
    path = settings.database_path
    if settings.database == "memory://":
        raise click.UsageError("a database in memory can be seen by its server only")
    if path is not None and not Path(path).is_file():
        raise click.ClickException(f"there is no database {path}")
    store = open_store(settings.database, exclusive=False)
    try:
        checks = store.checks()
    finally:
        store.close()
    if form == "json":
        emit([{"check": what, "ok": well, "found": found} for what, well, found in checks])
    else:
        marks = {True: Text("ok", style="green"), False: Text("WRONG", style="bold red")}
        print_table(["", "check", "found"], [(marks[well], what, found) for what, well, found in checks])
    if not all(well for _, well, _ in checks):
        raise SystemExit(1)
