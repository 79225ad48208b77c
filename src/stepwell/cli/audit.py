"""`stepwell audit`: who did what, to what, and why."""

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, when


@click.command()
@click.option("--process", "process_id", type=int, metavar="ID", help="Only what was done to this process.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="Lines at most.")
@click.option("--before", type=int, metavar="ID", help="Lines older than this one.")
@output_option
@connection_options
def audit(server: Server, process_id: int | None, limit: int, before: int | None, form: str) -> None:
    """Who did what, to what, and why: newest first.

    For one process this takes the permission `read`, for everything `admin`.
    """
    found = server.client.audit(process_id=process_id, limit=limit, before=before)
    if form == "json":
        emit(found)
        return
    print_table(
        ["id", "at", "who", "what", "to", "why"],
        [
            (
                line["id"],
                when(line["at"]),
                line["who"],
                line["what"],
                line["target"] or f"process {line['processId']}",
                line["why"],
            )
            for line in found
        ],
    )
