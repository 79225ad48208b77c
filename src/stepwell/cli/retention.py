"""`stepwell retention`: how long finished processes are kept."""

import re

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Time(click.ParamType[int]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "ever":
            return 0
        found = re.fullmatch(r"(\d{1,12})(ms|s|m|h|d)", str(value))
        if found is None or not int(found[1]):
            self.fail("must be like 30d, 12h, 15m, 90s, 500ms, or ever", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.group()
def retention() -> None:
    """How long finished processes are kept."""


@retention.command("set")
@click.argument("keep", type=Time())
@click.option("--namespace", default="default", show_default=True)
@click.option("--name", default="", help="Of a definition; not given: all of the namespace.")
@click.option("--archive", is_flag=True, help="Written to the server's archive before they go.")
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def set_(server: Server, keep: int, namespace: str, name: str, archive: bool, why: str, form: str) -> None:
    """Keep finished processes for KEEP after their ends: 30d, 12h, 15m, 90s, or ever."""
    rule = server.client.put_retention(keep, namespace=namespace, name=name, archive=archive, why=why)
    if form == "json":
        emit(rule)
    else:
        say(f"{namespace}/{name or '*'}: {_said(keep)}{', archived before' if archive else ''}")


@retention.command("list")
@click.option("--namespace", help="Only of this one.")
@output_option
@connection_options
def list_(server: Server, namespace: str | None, form: str) -> None:
    """All rules. The one of a definition beats that of its namespace, and that the server's own setting."""
    rules = server.client.retention(namespace=namespace)
    if form == "json":
        emit(rules)
        return
    print_table(
        ["namespace", "name", "kept", "archived"],
        [
            (r["namespace"], r["name"] or "*", _said(r["keepMs"]), "yes" if r["archive"] else "")
            for r in rules
        ],
    )


@retention.command()
@click.option("--namespace", default="default", show_default=True)
@click.option("--name", default="", help="Of a definition; not given: the rule of the namespace itself.")
@click.option("--why", default="", help="For the audit.")
@output_option
@connection_options
def delete(server: Server, namespace: str, name: str, why: str, form: str) -> None:
    """Delete a rule: the next wider one holds from now on."""
    told = server.client.delete_retention(namespace=namespace, name=name, why=why or None)
    if form == "json":
        emit(told)
    else:
        say(f"deleted {namespace}/{name or '*'}")


def _said(keep_ms: int) -> str:
    if not keep_ms:
        return "for ever"
    unit, size = next((unit, size) for unit, size in reversed(_UNITS.items()) if keep_ms % size == 0)
    return f"{keep_ms // size}{unit}"
