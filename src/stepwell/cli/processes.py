"""`stepwell process`: look at processes, find them, stop them."""

from typing import TYPE_CHECKING

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when

if TYPE_CHECKING:
    from stepwell.client.shapes import OperationAnswer, OperationDetail


@click.group()
def process() -> None:
    """Look at processes, find them, stop them."""


@process.command()
@click.argument("process_id", type=int)
@click.option("--steps", is_flag=True, help="Every step context whole, as JSON.")
@output_option
@connection_options
def get(server: Server, process_id: int, steps: bool, form: str) -> None:
    """Draw one process as a tree."""
    from stepwell.cli.live import show

    found = server.client.process(process_id, steps=True)
    if form == "json":
        emit(found if steps else {**found, "stepRecords": []})
        return
    show(found)
    if steps:
        click.echo()
        emit(found["stepRecords"])
    elif found["status"] != "RUNNING":
        click.echo()
        emit(found["output"])


@process.command()
@click.option("--namespace")
@click.option("--name", "names", multiple=True, help="Of the definition; may be repeated.")
@click.option("--status", "statuses", multiple=True, help="For instance FAILED; may be repeated.")
@click.option(
    "--step-name", "step_names", multiple=True, help="Processes whose definition holds such a step."
)
@click.option("--step-ref", "step_refs", multiple=True, help="Processes whose definition holds such a ref.")
@click.option("--correlation-id", "correlation_ids", multiple=True)
@click.option("--request-id", "request_ids", multiple=True)
@click.option("--hours", type=float, default=24.0, show_default=True, help="How far back; 0 = everything.")
@click.option("--text", "text", help="Full text.")
@click.option("--limit", type=int, default=20, show_default=True)
@click.option("--offset", type=int, default=0, show_default=True)
@output_option
@connection_options
def search(
    server: Server,
    namespace: str | None,
    names: tuple[str, ...],
    statuses: tuple[str, ...],
    step_names: tuple[str, ...],
    step_refs: tuple[str, ...],
    correlation_ids: tuple[str, ...],
    request_ids: tuple[str, ...],
    hours: float,
    text: str | None,
    limit: int,
    offset: int,
    form: str,
) -> None:
    """List processes, newest first. All conditions hold together."""
    from stepwell.cli.live import now_ms
    from stepwell.cli.tree import duration, status_text

    found = server.client.search(
        namespace=namespace,
        names=names,
        statuses=[status.upper() for status in statuses],
        step_names=step_names,
        step_refs=step_refs,
        correlation_ids=correlation_ids,
        request_ids=request_ids,
        text=text,
        start_ms=now_ms() - int(hours * 3_600_000) if hours else 0,
        limit=limit,
        offset=offset,
    )
    if form == "json":
        emit(found)
        return
    if not found:
        say("no process fits")
        return
    print_table(
        ["id", "name", "version", "status", "started", "duration", "correlation id"],
        [
            (
                p["processId"],
                p["name"],
                f"v{p['version']}",
                status_text(p["status"]),
                when(p["created"]),
                duration((now_ms() if p["status"] == "RUNNING" else p["updated"]) - p["created"]),
                p.get("correlationId") or "",
            )
            for p in found
        ],
    )


@process.command()
@click.argument("process_ids", type=int, nargs=-1, required=True)
@click.option("--reason", default="", help="Kept with the process.")
@output_option
@connection_options
def terminate(server: Server, process_ids: tuple[int, ...], reason: str, form: str) -> None:
    """Stop processes. Exit code 1 if one of them could not be stopped."""
    answer = server.client.terminate(process_ids, reason or None)
    refused = [detail for detail in answer["details"] if detail.get("error")]
    if form == "json":
        emit(answer)
    else:
        for detail in answer["details"]:
            click.echo(f"{detail['id']}  {detail.get('error') or 'TERMINATED'}")
    if refused:
        raise SystemExit(1)


@process.command()
@click.argument("process_ids", type=int, nargs=-1, required=True)
@click.option(
    "--version",
    metavar="VERSION|latest",
    help="By this version of the definition; else by the one they have.",
)
@output_option
@connection_options
def resume(server: Server, process_ids: tuple[int, ...], version: str | None, form: str) -> None:
    """Go on with processes that failed or are paused. Exit code 1 if one of them could not go on."""
    answer = _go_on(server, process_ids, version)
    if form == "json":
        emit(answer)
    else:
        for detail in answer["details"]:
            click.echo(f"{detail['id']}  {detail.get('error') or 'RUNNING'}")
    if any(detail.get("error") for detail in answer["details"]):
        raise SystemExit(1)


def _go_on(server: Server, process_ids: tuple[int, ...], version: str | None) -> "OperationAnswer":
    from stepwell.client import ApiError

    if version is not None and version != "latest" and not version.isdecimal():
        raise click.UsageError("--version takes a number, or latest")
    details: list[OperationDetail] = []
    for id in process_ids:
        try:
            if version is None:
                server.client.go_on(id)
            else:
                server.client.resume_with_version(id, None if version == "latest" else int(version))
            details.append({"id": str(id), "message": None, "error": None})
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            details.append({"id": str(id), "message": None, "error": error.message})
    return {"count": sum(not detail["error"] for detail in details), "details": details}
