"""`stepwell process …`: what operators do to a process and its steps, and why it is waiting."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say
from stepwell.cli.files import json_input

if TYPE_CHECKING:
    from stepwell.client import Process
    from stepwell.client.shapes import ItemResult, Results

LINE = 100
"""Characters of an output in a table."""
reason_option = click.option("--reason", help="Why; kept in the audit.")


def _show(found: "Process", form: str) -> None:
    if form == "json":
        emit(found)
    else:
        click.echo(f"{found['processId']}  {found['status']}")


def _each(process_ids: tuple[int, ...], act: Callable[[int], "Process"], said: str, form: str) -> None:
    """The same for each process. Ends with exit code 1 if one of them refused."""
    from stepwell.client import ApiError

    done: list[Any] = []
    refused = False
    for id in process_ids:
        try:
            done.append(act(id))
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            refused = True
            done.append({"processId": id, "error": error.message})
    if form == "json":
        emit(done)
    else:
        for one in done:
            click.echo(f"{one['processId']}  {one.get('error') or said}")
    if refused:
        raise SystemExit(1)


@click.command()
@click.argument("process_ids", type=int, nargs=-1, required=True)
@reason_option
@output_option
@connection_options
def cancel(server: Server, process_ids: tuple[int, ...], reason: str | None, form: str) -> None:
    """End processes on purpose: CANCELLED, and their hook for that runs."""
    answer = server.client.cancel(process_ids, reason)
    if form == "json":
        emit(answer)
    else:
        for detail in answer["details"]:
            click.echo(f"{detail['id']}  {detail.get('error') or 'CANCELLED'}")
    if any(detail.get("error") for detail in answer["details"]):
        raise SystemExit(1)


@click.command()
@click.argument("process_ids", type=int, nargs=-1, required=True)
@reason_option
@output_option
@connection_options
def pause(server: Server, process_ids: tuple[int, ...], reason: str | None, form: str) -> None:
    """Begin nothing new in processes; what workers hold goes on. `resume` lets them go on."""
    _each(process_ids, lambda id: server.client.pause(id, reason), "paused", form)


@click.command()
@click.argument("process_ids", type=int, nargs=-1, required=True)
@click.option("--version", metavar="VERSION|latest", help="Of the definition; else the one that each has.")
@reason_option
@output_option
@connection_options
def rerun(
    server: Server, process_ids: tuple[int, ...], version: str | None, reason: str | None, form: str
) -> None:
    """Start new processes with the input of these. The old ones stay as they are."""
    if version is not None and version != "latest" and not version.isdecimal():
        raise click.UsageError("--version takes a number, or latest")
    for id in process_ids:
        _show(server.client.rerun(id, version, reason=reason), form)


@click.command("rerun-from")
@click.argument("process_id", type=int)
@click.argument("ref")
@click.option("--input", "given", help="Its input, instead of its own: JSON, @file or - for standard input.")
@reason_option
@output_option
@connection_options
def rerun_from(
    server: Server, process_id: int, ref: str, given: str | None, reason: str | None, form: str
) -> None:
    """Run the step REF of an ended process again, and what follows it, in place.

    Inside a loop the ref has its indexes: `pick[2]`.
    """
    input = None if given is None else json_input(given)
    _show(server.client.rerun_from(process_id, ref, input, reason), form)


@click.command()
@click.argument("process_id", type=int)
@click.option("--put", "given", help="Keys and values: a JSON object, @file or - for standard input.")
@click.option("--remove", "removed", multiple=True, help="A key; may be repeated.")
@reason_option
@output_option
@connection_options
def state(
    server: Server,
    process_id: int,
    given: str | None,
    removed: tuple[str, ...],
    reason: str | None,
    form: str,
) -> None:
    """Edit the state of a process that may still go on, or show it."""
    if given is None and not removed:
        emit(server.client.process(process_id)["state"])
        return
    found = server.client.edit_state(process_id, json_input(given), removed, reason)
    emit(found if form == "json" else found["state"])


@click.command()
@click.argument("process_id", type=int)
@click.argument("name")
@click.option("--payload", "given", help="The step's output: JSON, @file or - for standard input.")
@click.option("--correlation", help="For the step that waits for this one.")
@output_option
@connection_options
def signal(
    server: Server, process_id: int, name: str, given: str | None, correlation: str | None, form: str
) -> None:
    """Give a process what a WAIT step waits for, now or later."""
    _show(server.client.signal(process_id, name, json_input(given), correlation), form)


@click.command()
@click.argument("process_id", type=int)
@click.argument("ref")
@click.option("--result", "given", help="Its output: JSON, @file or - for standard input.")
@reason_option
@output_option
@connection_options
def complete(
    server: Server, process_id: int, ref: str, given: str | None, reason: str | None, form: str
) -> None:
    """End the open step REF COMPLETED. A worker that holds it hears that it came too late."""
    _show(server.client.complete_step(process_id, ref, json_input(given), reason), form)


@click.command()
@click.argument("process_id", type=int)
@click.argument("ref")
@click.option("--result", "given", help="Its output: JSON, @file or - for standard input.")
@reason_option
@output_option
@connection_options
def fail(server: Server, process_id: int, ref: str, given: str | None, reason: str | None, form: str) -> None:
    """End the open step REF FAILED, without retries."""
    output = json_input(given) or {"error": reason or "failed by an operator"}
    _show(server.client.fail_step(process_id, ref, output, reason), form)


@click.command("retry-now")
@click.argument("process_id", type=int)
@click.argument("ref")
@reason_option
@output_option
@connection_options
def retry_now(server: Server, process_id: int, ref: str, reason: str | None, form: str) -> None:
    """Offer the delayed step REF, or one that its worker does not give back, to the workers now."""
    _show(server.client.retry_step_now(process_id, ref, reason), form)


@click.command("remove-step")
@click.argument("process_id", type=int)
@click.argument("ref")
@reason_option
@output_option
@connection_options
def remove_step(server: Server, process_id: int, ref: str, reason: str | None, form: str) -> None:
    """Leave the step REF out of one process: it is open, or has not begun."""
    _show(server.client.remove_step(process_id, ref, reason), form)


@click.command()
@click.argument("process_id", type=int)
@output_option
@connection_options
def waiting(server: Server, process_id: int, form: str) -> None:
    """Why is it waiting? Every open step with its reason."""
    found = server.client.waiting(process_id)
    if form == "json":
        emit(found)
        return
    if not found["steps"]:
        say(f"process {process_id} is {found['status']}: nothing of it is open")
        return
    print_table(
        ["step", "status", "reason", "what it waits for"],
        [(wait["ref"], wait["status"], wait["reason"], wait["sentence"]) for wait in found["steps"]],
    )
    if found["more"]:
        say("there are more open steps: --output json, and `stepAfter` of the API")


@click.command()
@click.argument("process_id", type=int)
@click.argument("ref")
@click.option("--first", type=int, default=0, show_default=True, help="Index of the first item.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option("--all", "everything", is_flag=True, help="Every item, one line of JSON each.")
@output_option
@connection_options
def results(
    server: Server, process_id: int, ref: str, first: int, limit: int, everything: bool, form: str
) -> None:
    """What the iterations of the FOREACH REF have answered, by index."""
    page = server.client.results(process_id, ref, first=first, limit=1_000 if everything else limit)
    if not everything:
        _show_results(page, form)
        return
    while True:
        for item in page["items"]:
            click.echo(json.dumps(item, ensure_ascii=False))
        if page["next"] is None:
            return
        page = server.client.results(process_id, ref, first=page["next"], limit=1_000)


def _show_results(page: "Results", form: str) -> None:
    if form == "json":
        emit(page)
        return
    print_table(
        ["item", "status", "output"],
        [(str(item["index"]), item["status"] or "", _short(item)) for item in page["items"]],
    )
    end = page["first"] + len(page["items"])
    say(
        f"items {page['first']} to {end - 1} of {page['total']}"
        if page["items"]
        else f"{page['total']} items"
    )


def _short(item: "ItemResult") -> str:
    shown = item["output"] if item["output"] is not None else item["error"]
    text = "" if shown is None else json.dumps(shown, ensure_ascii=False)
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"


COMMANDS = (
    cancel,
    pause,
    rerun,
    rerun_from,
    state,
    signal,
    complete,
    fail,
    retry_now,
    remove_step,
    waiting,
    results,
)
