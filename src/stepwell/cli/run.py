"""`stepwell run`: start a process, and wait for it if asked."""

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, on_terminal, output_option, say
from stepwell.cli.files import json_input, one_document


@click.command()
@click.argument("name", required=False)
@click.option("--namespace", help="`default` if not given.")
@click.option(
    "--definition",
    metavar="FILE",
    help="Run the definition in this file, which is stored for this run alone.",
)
@click.option("--version", type=int, help="The newest one if not given.")
@click.option(
    "--input", "given", metavar="JSON|@FILE|-", help="The input: JSON, @file, or - for standard input."
)
@click.option("--correlation-id", help="Ties related processes together.")
@click.option("--request-id", help="Your own id of this run.")
@click.option(
    "--idempotency-key", help="Start it once: the same key again answers the process that is there already."
)
@click.option("--wait", is_flag=True, help="Wait for the end; exit code 1 unless it COMPLETED.")
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds to wait with --wait.")
@output_option
@connection_options
def run(
    server: Server,
    name: str | None,
    namespace: str | None,
    definition: str | None,
    version: int | None,
    given: str | None,
    correlation_id: str | None,
    request_id: str | None,
    idempotency_key: str | None,
    wait: bool,
    timeout: float,
    form: str,
) -> None:
    """Start a process of the definition NAME, or of one that comes with it."""
    from stepwell.cli.live import follow, show

    if name is None and definition is None:
        raise click.UsageError("name a definition, or give a file with --definition")
    process = server.client.start(
        name,
        json_input(given),
        definition=None if definition is None else one_document(definition),
        namespace=namespace,
        version=version,
        request_id=request_id,
        correlation_id=correlation_id,
        idempotency_key=idempotency_key,
    )
    if not wait:
        if form == "json":
            emit(process)
        else:
            click.echo(process["processId"])
            say(f"started v{process['version']}; `stepwell process get {process['processId']}` draws it")
        return
    process = follow(server, process["processId"], timeout, draw_it=form == "text")
    if form == "json":
        emit(process)
    else:
        if not on_terminal():  # there the live tree stands already
            show(process)
        click.echo()
        emit(process["output"])
    if process["status"] == "RUNNING":
        say(f"still RUNNING after {timeout:g} s")
    if process["status"] != "COMPLETED":
        raise SystemExit(1)
