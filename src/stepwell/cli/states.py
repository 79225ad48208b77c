"""`stepwell state`: values that outlive processes, kept by PERSISTED_STATE steps."""

import json

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when
from stepwell.cli.files import given_value


@click.group()
def state() -> None:
    """Persisted state: values that outlive processes, kept by PERSISTED_STATE steps."""


@state.command("list")
@click.option("--namespace", default="default", show_default=True)
@click.option("--prefix", help="Only names that begin so.")
@click.option("--after", metavar="NAME", help="Only names after this one: the last one of the page before.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="At most.")
@output_option
@connection_options
def list_(
    server: Server, namespace: str, prefix: str | None, after: str | None, limit: int, form: str
) -> None:
    """The values of a namespace, by name."""
    found = server.client.states(namespace=namespace, prefix=prefix, after=after, limit=limit)
    if form == "json":
        emit(found)
        return
    print_table(
        ["name", "value", "version", "updated", "by"],
        [
            (
                s["name"],
                json.dumps(s["value"], ensure_ascii=False),
                s["version"],
                when(s["updated"]),
                s["updatedBy"],
            )
            for s in found
        ],
    )
    if len(found) == limit:
        say(f"there may be more: --after {json.dumps(found[-1]['name'], ensure_ascii=False)}")


@state.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@output_option
@connection_options
def get(server: Server, name: str, namespace: str, form: str) -> None:
    """Print the value NAME as JSON; with --output json, also who wrote it and when."""
    found = server.client.state(name, namespace=namespace)
    emit(found if form == "json" else found["value"])


@state.command("set")
@click.argument("name")
@click.argument("value", required=False)
@click.option("--namespace", default="default", show_default=True)
@click.option("--text", "as_text", is_flag=True, help="The value is text, even if it looks like JSON.")
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def set_(
    server: Server, name: str, value: str | None, namespace: str, as_text: bool, why: str, form: str
) -> None:
    """Create or replace the value NAME.

    VALUE is JSON; what is no JSON is text. Without VALUE, or with -, it is read from standard input.
    """
    stored = server.client.put_state(name, given_value(value, as_text), namespace=namespace, why=why)
    if form == "json":
        emit(stored)
    else:
        say(f"set {namespace}/{name}, version {stored['version']}")


@state.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def delete(server: Server, name: str, namespace: str, why: str, form: str) -> None:
    """Delete the value NAME. Processes that read it find nothing from now on."""
    told = server.client.delete_state(name, namespace=namespace, why=why or None)
    if form == "json":
        emit(told)
    else:
        say(f"deleted {namespace}/{name}")
