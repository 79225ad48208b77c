"""`stepwell table`: decision tables, as text or as files of a spreadsheet, and a question to try them with."""

import json
import sys
from pathlib import Path
from typing import Any, Literal, cast

import click

from stepwell.cli.applying import apply_files, attempt, if_there, store_version
from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when
from stepwell.cli.files import json_input

FORMATS = ("csv", "xlsx")
_AUDIT = ("created", "updated", "createdBy", "updatedBy")

_format_option = click.option(
    "--format", type=click.Choice(FORMATS), help="What the file's name says, if not given."
)


@click.group()
def table() -> None:
    """Decision tables: rules that people edit apart from processes."""


@table.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option
@connection_options
def apply(server: Server, files: tuple[str, ...], form: str) -> None:
    """Store what stands in files (JSON or YAML, one table or many in each; - is standard input).

    Without a version, a table becomes a new one only if it differs from the newest. Exit code 1 if one was
    refused.
    """

    def newest(namespace: str, name: str) -> dict[str, Any] | None:
        return if_there(lambda: server.client.table(name, namespace=namespace)) if name else None

    def apply_one(file: str, wanted: dict[str, Any]) -> dict[str, Any]:
        put = server.client.put_table
        return attempt(
            file, wanted, lambda namespace, name: store_version(wanted, newest(namespace, name), put)
        )

    apply_files(files, form, apply_one)


@table.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--version", type=int, help="The newest one if not given.")
@output_option
@connection_options
def get(server: Server, name: str, namespace: str, version: int | None, form: str) -> None:
    """Print one table: as YAML that `apply` takes, or as JSON with --output json."""
    found = server.client.table(name, namespace=namespace, version=version)
    if form == "json":
        emit(found)
    else:
        from stepwell.cli.definitions import as_yaml

        click.echo(as_yaml(written(found)), nl=False)


@table.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """The newest version of every table."""
    found = server.client.tables(namespace=namespace)
    if form == "json":
        emit(found)
        return
    print_table(
        ["namespace", "name", "version", "strategy", "rules", "updated", "by"],
        [
            (
                t["namespace"],
                t["name"],
                f"v{t['version']}",
                t["strategy"],
                t["ruleCount"],
                when(t["updated"]),
                t["updatedBy"] or "",
            )
            for t in found
        ],
    )


@table.command()
@click.argument("name")
@click.option("--input", "given", required=True, help="A value for each input: JSON, @FILE or -.")
@click.option("--namespace", default="default", show_default=True)
@click.option("--version", type=int, help="The newest one if not given.")
@output_option
@connection_options
def test(server: Server, name: str, given: str, namespace: str, version: int | None, form: str) -> None:
    """Ask the table NAME, without any process: which rules match, and what they answer."""
    told = server.client.test_table(name, json_input(given), namespace=namespace, version=version)
    if form == "json":
        emit(told)
        return
    for warning in told["warnings"]:
        say(f"warning: {warning}")
    if not told["matches"]:
        say(f"no rule of version {told['version']} matches")
        return
    print_table(
        ["rule", "outputs", "description"],
        [
            (match["rule"], json.dumps(match["outputs"], ensure_ascii=False), match["description"] or "")
            for match in told["matches"]
        ],
    )


@table.command()
@click.argument("name")
@click.argument("file", required=False)
@_format_option
@click.option("--namespace", default="default", show_default=True)
@click.option("--version", type=int, help="The newest one if not given.")
@connection_options
def export(
    server: Server, name: str, file: str | None, format: str | None, namespace: str, version: int | None
) -> None:
    """Write the table NAME to FILE, or to standard output without one."""
    wanted = _format(format, file, default="csv")
    if wanted == "xlsx" and file is None and sys.stdout.isatty():
        raise click.UsageError("a workbook is no text for a terminal: name a FILE")
    content = server.client.export_table(name, wanted, namespace=namespace, version=version)
    if file is None:
        sys.stdout.buffer.write(content)
        return
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror or error}") from error
    say(f"wrote {file}")


@table.command("import")
@click.argument("file")
@_format_option
@click.option("--name", help="The table's name, whatever the file says.")
@click.option("--namespace", help="The table's namespace, whatever the file says.")
@click.option("--next-version", is_flag=True, help="Store it as the next version, whatever the file says.")
@output_option
@connection_options
def import_(
    server: Server,
    file: str,
    format: str | None,
    name: str | None,
    namespace: str | None,
    next_version: bool,
    form: str,
) -> None:
    """Store the table of a CSV or XLSX file (- is standard input).

    What is wrong is told by cell. The same version with the same content changes nothing.
    """
    wanted = _format(format, file)
    stored = server.client.import_table(
        _content(file), wanted, namespace=namespace, name=name, next_version=next_version
    )
    if form == "json":
        emit(stored)
    else:
        say(f"stored {stored['namespace']}/{stored['name']}, version {stored['version']}")


@table.command()
@click.argument("name")
@click.option("--namespace", default="default", show_default=True)
@click.option("--version", type=int, help="Only this one: the newest of the others is found from now on.")
@output_option
@connection_options
def delete(server: Server, name: str, namespace: str, version: int | None, form: str) -> None:
    """Delete the table NAME. Steps that name one of its versions still find it."""
    told = server.client.delete_table(name, namespace=namespace, version=version)
    if form == "json":
        emit(told)
    else:
        say(f"deleted {namespace}/{name}" + ("" if version is None else f" version {version}"))


def written(found: dict[str, Any]) -> dict[str, Any]:
    """A table as a person would write it: nothing that is empty, a default or about who wrote it."""
    tidied = {key: value for key, value in found.items() if value and key not in _AUDIT}
    for side in ("inputs", "outputs"):
        tidied[side] = [
            {key: value for key, value in column.items() if value not in (None, "ANY")}
            for column in found[side]
        ]
    tidied["rules"] = [{key: value for key, value in rule.items() if value} for rule in found["rules"]]
    return tidied


def _format(format: str | None, file: str | None, default: str | None = None) -> Literal["csv", "xlsx"]:
    found = format or Path(file or "").suffix.lstrip(".").lower() or default
    if found not in FORMATS:
        raise click.UsageError("is it a CSV or an XLSX file? Say --format")
    return cast(Literal["csv", "xlsx"], found)


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror or error}") from error
