"""What the commands print. Results go to standard output, words about them to standard error."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120
"""Columns when nobody looks: pipes and logs have no width of their own."""


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--output",
        "-o",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        envvar="STEPWELL_OUTPUT",
        help="json: only JSON on standard output.",
    )(command)


def console(stderr: bool = False) -> "Console":
    """A console with colour on a terminal, plain text otherwise."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH)


def on_terminal() -> bool:
    return sys.stdout.isatty()


def say(message: str) -> None:
    """A word to the person in front of it; never part of the result."""
    click.echo(message, err=True)


def emit(value: Any) -> None:
    """A result as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows under their headings. A cell is text, or a renderable of rich."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console().print(table)


def when(epoch_ms: int) -> str:
    """Local time to the second; empty for 0."""
    from datetime import datetime

    if not epoch_ms:
        return ""
    return datetime.fromtimestamp(epoch_ms / 1_000).strftime("%Y-%m-%d %H:%M:%S")
