"""`stepwell hold`: marks on steps of a definition, for every process that comes to them."""

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when

namespace_option = click.option("--namespace", default="default", show_default=True)


@click.group()
def hold() -> None:
    """Hold a step of a definition, or leave it out, in every process."""


@hold.command("set")
@click.argument("process")
@click.argument("ref")
@click.option("--skip", is_flag=True, help="Leave it out instead of holding it.")
@click.option("--reason", default="", help="Shown to whoever asks why it is waiting; kept in the audit.")
@namespace_option
@output_option
@connection_options
def set_(server: Server, process: str, ref: str, skip: bool, reason: str, namespace: str, form: str) -> None:
    """Hold the step REF of the definition PROCESS from now on."""
    found = server.client.hold(
        process, ref, namespace=namespace, mark="SKIP" if skip else "HOLD", reason=reason
    )
    if form == "json":
        emit(found)
    else:
        click.echo(f"{namespace}/{process}/{ref}  {found['mark']}")


@hold.command()
@click.argument("process")
@click.argument("ref")
@click.option("--reason", help="Why; kept in the audit.")
@namespace_option
@output_option
@connection_options
def clear(server: Server, process: str, ref: str, reason: str | None, namespace: str, form: str) -> None:
    """Clear the mark; held steps go on within 15 seconds."""
    found = server.client.clear_hold(process, ref, namespace=namespace, reason=reason)
    if form == "json":
        emit(found)
    else:
        click.echo(f"{namespace}/{process}/{ref}  {'cleared' if found['cleared'] else 'was not marked'}")


@hold.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """Every mark, who set it, and why."""
    found = server.client.holds(namespace=namespace)
    if form == "json":
        emit(found)
        return
    if not found:
        say("nothing is held or left out")
        return
    print_table(
        ["step", "mark", "by", "since", "why"],
        [
            (f"{m['namespace']}/{m['process']}/{m['ref']}", m["mark"], m["by"], when(m["at"]), m["reason"])
            for m in found
        ],
    )
