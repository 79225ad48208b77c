"""`stepwell variable`: values that the processes of a namespace share, in clear."""

import json

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when
from stepwell.cli.files import given_value


@click.group()
def variable() -> None:
    """Variables: values that the processes of a namespace share, in clear."""


@variable.command("set")
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
    """Create or replace the variable NAME.

    VALUE is JSON; what is no JSON is text. Without VALUE, or with -, it is read from standard input.
    """
    stored = server.client.put_variable(name, given_value(value, as_text), namespace=namespace, why=why)
    if form == "json":
        emit(stored)
    else:
        say(f"set {namespace}/{name}, version {stored['version']}")


@variable.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """All variables."""
    found = server.client.variables(namespace=namespace)
    if form == "json":
        emit(found)
        return
    print_table(
        ["namespace", "name", "value", "version", "updated", "by"],
        [
            (
                v["namespace"],
                v["name"],
                json.dumps(v["value"], ensure_ascii=False),
                v["version"],
                when(v["updated"]),
                v["updatedBy"],
            )
            for v in found
        ],
    )


@variable.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def delete(server: Server, name: str, namespace: str, why: str, form: str) -> None:
    """Delete the variable NAME. Templates that name it find nothing from now on."""
    told = server.client.delete_variable(name, namespace=namespace, why=why or None)
    if form == "json":
        emit(told)
    else:
        say(f"deleted {namespace}/{name}")
