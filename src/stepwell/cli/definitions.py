"""`stepwell definition`: bring definitions to a server, look at them, compare them with a file."""

from typing import Any

import click

from stepwell.cli.applying import apply_files, attempt, if_there, store_version
from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when
from stepwell.cli.files import documents

AUDIT = ("created", "updated", "createdBy", "updatedBy")
"""Who wrote it and when: not part of what is written."""


@click.group()
def definition() -> None:
    """Bring definitions to the server, look at them, compare them with a file."""


@definition.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option
@connection_options
def apply(server: Server, files: tuple[str, ...], form: str) -> None:
    """Store what stands in files (JSON or YAML, one definition or many in each; - is standard input).

    Without a version, a definition becomes a new one only if it differs from the newest. Exit code 1 if
    one was refused.
    """
    apply_files(files, form, lambda file, wanted: apply_one(server, file, wanted))


@definition.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--version", type=int, help="The newest one if not given.")
@output_option
@connection_options
def get(server: Server, name: str, namespace: str, version: int | None, form: str) -> None:
    """Print one definition: as YAML, or as JSON with --output json."""
    found = server.client.definition(name, namespace=namespace, version=version)
    if form == "json":
        emit(found)
    else:
        click.echo(as_yaml(written(found)), nl=False)


@definition.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """The newest version of every definition."""
    found = [d for d in server.client.definitions() if namespace in (None, d["namespace"])]
    if form == "json":
        emit(found)
    elif found:
        print_table(
            ["namespace", "name", "version", "steps", "updated", "by"],
            [
                (
                    d["namespace"],
                    d["name"],
                    f"v{d['version']}",
                    len(d["steps"]),
                    when(d.get("updated") or 0),
                    d.get("updatedBy") or d.get("createdBy") or "",
                )
                for d in found
            ],
        )
    else:
        say("there are no definitions yet; bring some with `stepwell definition apply FILE`")


@definition.command()
@click.argument("file")
@output_option
@connection_options
def diff(server: Server, file: str, form: str) -> None:
    """What `apply FILE` would change, as a unified diff: what is stored against the file. Exit code 1 if
    they differ.
    """
    differences = [_difference(server, file, d) for d in documents(file)]
    changed = [d for d in differences if d["diff"]]
    if form == "json":
        emit(differences)
    else:
        for difference in changed:
            _print_diff(difference["diff"])
        if not changed:
            say("no difference")
    if changed:
        raise SystemExit(1)


def apply_one(server: Server, file: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """`{file, namespace, name, version, outcome, problems}`: created, updated, unchanged or refused."""
    return attempt(
        file,
        wanted,
        lambda namespace, name: store_version(
            wanted, _newest(server, namespace, name), server.client.put_definition
        ),
    )


def written(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition as a person would write it: nothing that is empty, a default or an audit field."""

    def kept(key: str, value: Any) -> bool:
        if key in AUDIT or value is None or value is False or value in ({}, [], ""):
            return False
        return value != 0 or key == "completionTimeout"  # there, 0 says that there is no limit

    def tidy(value: Any, payload: bool = False) -> Any:
        if isinstance(value, dict) and not payload:
            pairs = {k: tidy(v, payload=k in PAYLOADS) for k, v in value.items()}
            return {k: v for k, v in pairs.items() if kept(k, v)}
        if isinstance(value, list) and not payload:
            return [tidy(item) for item in value]
        return value

    tidied: dict[str, Any] = tidy(definition)
    return tidied


PAYLOADS = frozenset({"input", "output", "defaultInput", "defaultOutput", "outputMapping"})
"""The user's own objects: every member counts, an empty one too."""


def as_yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))


def _newest(server: Server, namespace: str, name: str) -> dict[str, Any] | None:
    return if_there(lambda: server.client.definition(name, namespace=namespace)) if name else None


def _difference(server: Server, file: str, wanted: dict[str, Any]) -> dict[str, Any]:
    import difflib

    namespace, name = str(wanted.get("namespace") or "default"), str(wanted.get("name") or "")
    before = _newest(server, namespace, name)
    numbered = wanted.get("version") is not None
    old = _comparable(before, numbered=numbered) if before else ""
    new = _comparable(wanted, numbered=numbered)
    there = f"{namespace}/{name} v{before['version']}" if before else "/dev/null"
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), there, file, lineterm="")
    return {"namespace": namespace, "name": name, "diff": "\n".join(lines)}


def _comparable(definition: dict[str, Any], *, numbered: bool) -> str:
    """Both sides read by the same reader, so that defaults, order and notation make no difference."""
    from stepwell.definition.read import definition_value, read_leniently

    read, _ = read_leniently(definition)
    if read is None:
        return ""
    tidy = written(definition_value(read))
    if not numbered:
        tidy.pop("version", None)
    return as_yaml(_sorted(tidy))


def _sorted(value: Any) -> Any:
    """Members in one order: those that name a thing first, its parts last."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=_place)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


_FIRST = ("namespace", "name", "version", "type", "ref", "optional", "description", "configuration", "input")
_LAST = ("children", "steps")


def _place(key: str) -> tuple[int, str]:
    if key in _FIRST:
        return _FIRST.index(key), key
    return len(_FIRST) + (key in _LAST), key


def _print_diff(text: str) -> None:
    from rich.text import Text

    from stepwell.cli.console import console

    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        console().print(Text(line, style=styles.get(line[:1], "")), soft_wrap=True)
