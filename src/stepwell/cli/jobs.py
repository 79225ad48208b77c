"""`stepwell job`: one operation on many processes."""

import time
from typing import TYPE_CHECKING, Any

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when

if TYPE_CHECKING:
    from stepwell.client.shapes import Job

OPERATIONS = ("terminate", "cancel", "resume", "review", "pause", "unpause", "rerun")
LOOK_S = 0.2


@click.group()
def job() -> None:
    """Do one operation to many processes; it goes on through a crash of the server."""


@job.command()
@click.argument("operation", type=click.Choice(OPERATIONS, case_sensitive=False))
@click.argument("process_ids", type=int, nargs=-1)
@click.option("--namespace")
@click.option("--name", "names", multiple=True, help="Of the definition; may be repeated.")
@click.option("--status", "statuses", multiple=True, help="Default: those that the operation fits.")
@click.option("--step-name", "step_names", multiple=True)
@click.option("--step-ref", "step_refs", multiple=True)
@click.option("--correlation-id", "correlation_ids", multiple=True)
@click.option("--request-id", "request_ids", multiple=True)
@click.option("--text", help="Full text.")
@click.option("--hours", type=float, default=24.0, show_default=True, help="How far back; 0 = everything.")
@click.option("--version", metavar="VERSION|latest", help="Of rerun and resume: by this version.")
@click.option("--reason", default="", help="Why; kept in the audit.")
@click.option("--wait", is_flag=True, help="Wait for its end. Exit code 1 if a process refused.")
@output_option
@connection_options
def start(
    server: Server,
    operation: str,
    process_ids: tuple[int, ...],
    hours: float,
    version: str | None,
    reason: str,
    wait: bool,
    form: str,
    **conditions: Any,
) -> None:
    """Do OPERATION to the processes named by their ids, or to all that a search finds."""
    if version is not None and version != "latest" and not version.isdecimal():
        raise click.UsageError("--version takes a number, or latest")
    search = None if process_ids else _search(hours, **conditions)
    if process_ids and any(conditions.values()):
        raise click.UsageError("name processes by their ids or by a search, not both")
    made = server.client.start_job(
        operation.upper(),
        ids=process_ids or None,
        search=search,
        reason=reason,
        version=None if version is None else 0 if version == "latest" else int(version),
    )
    while wait and made["status"] == "RUNNING":
        time.sleep(LOOK_S)
        made = server.client.job(made["id"])
    _show(made, form)
    if wait and made["failed"]:
        raise SystemExit(1)


def _search(
    hours: float,
    *,
    namespace: str | None,
    names: tuple[str, ...],
    statuses: tuple[str, ...],
    step_names: tuple[str, ...],
    step_refs: tuple[str, ...],
    correlation_ids: tuple[str, ...],
    request_ids: tuple[str, ...],
    text: str | None,
) -> dict[str, Any]:
    from stepwell.cli.live import now_ms

    given = {
        "namespace": namespace,
        "names": list(names),
        "statuses": [status.upper() for status in statuses],
        "stepNames": list(step_names),
        "stepRefs": list(step_refs),
        "correlationIds": list(correlation_ids),
        "requestIds": list(request_ids),
        "fullTextSearchQuery": text,
    }
    found = {key: value for key, value in given.items() if value}
    if not found:
        raise click.UsageError("say which processes: their ids, or a condition such as --name")
    return {**found, "startTimeEpoch": now_ms() - int(hours * 3_600_000) if hours else 0}


@job.command()
@click.argument("job_id", type=int)
@click.option("--items", is_flag=True, help="What became of each process.")
@click.option("--failed", is_flag=True, help="The processes that refused, and why.")
@output_option
@connection_options
def get(server: Server, job_id: int, items: bool, failed: bool, form: str) -> None:
    """How far a job is."""
    found = server.client.job(job_id, items=items, failed_only=failed)
    _show(found, form)
    if form == "text" and found.get("items"):
        print_table(
            ["process", "outcome"],
            [(item["processId"], _outcome(item)) for item in found["items"] or ()],
        )


def _outcome(item: Any) -> str:
    if item["error"]:
        return f"{item['code']}: {item['error']}"
    return f"started {item['startedProcessId']}" if item["startedProcessId"] else "done"


@job.command("list")
@click.option("--limit", type=int, default=20, show_default=True)
@output_option
@connection_options
def list_(server: Server, limit: int, form: str) -> None:
    """Jobs, newest first; they are kept for 30 days."""
    found = server.client.jobs(limit=limit)
    if form == "json":
        emit(found)
        return
    if not found:
        say("there are no jobs")
        return
    print_table(
        ["id", "operation", "status", "done", "refused", "by", "began", "why"],
        [
            (
                j["id"],
                j["operation"],
                j["status"],
                j["done"],
                j["failed"],
                j["createdBy"],
                when(j["created"]),
                j["reason"],
            )
            for j in found
        ],
    )


def _show(found: "Job", form: str) -> None:
    if form == "json":
        emit(found)
        return
    of = f" of {found['total']}" if found.get("total") is not None else ""
    click.echo(
        f"{found['id']}  {found['operation']} {found['status']}: {found['done']}{of} done,"
        f" {found['failed']} refused"
    )
