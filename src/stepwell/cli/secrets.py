"""`stepwell secret`: values that are encrypted, handed to steps, and never shown again.

A value is never taken from the command line: it would stand in the shell's history and in the list of processes.
"""

import sys

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when


@click.group()
def secret() -> None:
    """Secrets: values that are encrypted, handed to steps, and never shown again."""


@secret.command("set")
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def set_(server: Server, name: str, namespace: str, why: str, form: str) -> None:
    """Create or replace the secret NAME.

    The value is asked for without being shown, or read from standard input when that is no terminal; one
    line end after it is not part of it.
    """
    stored = server.client.put_secret(name, _asked_for(name), namespace=namespace, why=why)
    if form == "json":
        emit(stored)
    else:
        say(f"set {namespace}/{name}, version {stored['version']}")


@secret.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """Names and versions of all secrets."""
    found = server.client.secrets(namespace=namespace)
    if form == "json":
        emit(found)
        return
    print_table(
        ["namespace", "name", "version", "updated", "by"],
        [(s["namespace"], s["name"], s["version"], when(s["updated"]), s["updatedBy"]) for s in found],
    )


@secret.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def delete(server: Server, name: str, namespace: str, why: str, form: str) -> None:
    """Delete the secret NAME. Steps that name it fail before they are handed out."""
    told = server.client.delete_secret(name, namespace=namespace, why=why or None)
    if form == "json":
        emit(told)
    else:
        say(f"deleted {namespace}/{name}")


def _asked_for(name: str) -> str:
    if sys.stdin.isatty():
        value: str = click.prompt(f"value of {name}", hide_input=True, confirmation_prompt=True, err=True)
        return value
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
