"""`stepwell policy`: error policies, what happens when a step fails or is late."""

from typing import Any

import click

from stepwell.cli.applying import apply_files, attempt, if_there
from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when

EVENTS = ("startTimeout", "completionTimeout", "responseTimeout", "failure")


@click.group()
def policy() -> None:
    """Error policies: what happens when a step fails or is late."""


@policy.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option
@connection_options
def apply(server: Server, files: tuple[str, ...], form: str) -> None:
    """Store what stands in files (JSON or YAML, one policy or many in each; - is standard input).

    A policy becomes a new version only if it differs from the newest. Exit code 1 if one was refused.
    """

    def store(wanted: dict[str, Any], namespace: str, name: str) -> tuple[dict[str, Any], str]:
        before = if_there(lambda: server.client.policy(name, namespace=namespace)) if name else None
        if before is None:
            return server.client.put_policy(wanted), "created"
        if _is_same(wanted, before):
            return before, "unchanged"
        return server.client.put_policy(wanted), "updated"

    apply_files(
        files,
        form,
        lambda file, wanted: attempt(file, wanted, lambda namespace, name: store(wanted, namespace, name)),
    )


@policy.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--version", type=int, help="Not given: as it is now.")
@output_option
@connection_options
def get(server: Server, name: str, namespace: str, version: int | None, form: str) -> None:
    """Print one policy: as YAML that `apply` takes, or as JSON with --output json."""
    found = server.client.policy(name, namespace=namespace, version=version)
    if form == "json":
        emit(found)
    else:
        from stepwell.cli.definitions import as_yaml

        click.echo(as_yaml(written(found)), nl=False)


@policy.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """The newest version of every policy."""
    found = [p for p in server.client.policies() if namespace in (None, p["namespace"])]
    if form == "json":
        emit(found)
        return
    print_table(
        ["namespace", "name", "version", "reacts to", "updated", "by"],
        [
            (
                p["namespace"],
                p["name"],
                f"v{p['version']}",
                ", ".join(f"{event}: {p[event]['action']}" for event in EVENTS if p.get(event)),
                when(p["updated"]),
                p["updatedBy"] or "",
            )
            for p in found
        ],
    )


@policy.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@output_option
@connection_options
def delete(server: Server, name: str, namespace: str, form: str) -> None:
    """Delete the policy NAME. Steps that still name it run without one."""
    told = server.client.delete_policy(name, namespace=namespace)
    if form == "json":
        emit(told)
    else:
        say(f"deleted {namespace}/{name}")


def written(found: dict[str, Any]) -> dict[str, Any]:
    """A policy as a person would write it. A 0 says something here, so it stays."""

    def kept(value: dict[str, Any]) -> dict[str, Any]:
        return {key: each for key, each in value.items() if each is not None}

    tidied = {"namespace": found["namespace"], "name": found["name"]}
    for event in EVENTS:
        if found.get(event):
            tidied[event] = kept(found[event])
            if found[event].get("runRequest"):
                tidied[event]["runRequest"] = kept(found[event]["runRequest"])
    if "failure" in tidied:
        del tidied["failure"]["duration"]
    return tidied


def _is_same(wanted: dict[str, Any], before: dict[str, Any]) -> bool:
    """Both read by the same reader, so that defaults, order and notation make no difference."""
    from stepwell.definition.read import read_policy

    new, _ = read_policy(wanted)
    old, _ = read_policy(before)
    return new is not None and new == old
