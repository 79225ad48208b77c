"""A process as a picture in the terminal: one line for every step context, indented as the steps are nested.

Works on the documented JSON of a process (`GET /api/process/context/{id}?includeSteps=true`) and draws only
what stands there: a step that was not created yet has no line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Json = Mapping[str, Any]

OPEN = frozenset({"PENDING", "SCHEDULED", "RUNNING", "PAUSED"})
STYLES = {
    "COMPLETED": "green",
    "RUNNING": "bold cyan",
    "SCHEDULED": "yellow",
    "PENDING": "dim",
    "PAUSED": "blue",
    "FAILED": "bold red",
    "TIMED_OUT": "bold red",
    "CANCELLED": "magenta",
    "TERMINATED": "magenta",
    "SKIPPED": "dim",
    "REVIEWED": "blue",
}
NOTE_WIDTH = 60
SHORTEST_NOTE = 10
CROWD = 24
"""A container with more children than this shows the first, those that failed, and counts the others."""


def draw(console: Console, process: Json, now_ms: int) -> RenderableType:
    """The process's head line, its steps and, once it has ended, its output."""
    steps = process.get("stepRecords") or []
    unseen = process.get("stepIdCount", 0) - len(steps)
    parts: list[RenderableType] = [headline(process, now_ms), step_table(console, steps, now_ms)]
    if unseen > 0:
        parts.append(Text(f"and {unseen} more step contexts", style="dim"))
    return Group(*parts)


def headline(process: Json, now_ms: int) -> Text:
    end = now_ms if process["status"] == "RUNNING" else process["updated"]
    return Text.assemble(
        ("process ", "dim"),
        (str(process["processId"]), "bold"),
        f"  {process['name']} v{process['version']}  ",
        status_text(process["status"]),
        (f"  {duration(end - process['created'])}", "dim"),
    )


def step_table(console: Console, steps: Sequence[Json], now_ms: int) -> Table:
    guides = UNICODE if (console.encoding or "").lower().startswith("utf") else ASCII
    rows = [_cells(indent, step, now_ms) for indent, step in _lines(steps, guides)]
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in {"attempts", "duration"} else "left", no_wrap=True)
    room = _room_for_notes(console.width, rows)
    for *cells, note in rows:
        note.truncate(room, overflow="ellipsis")
        table.add_row(*cells, note if room else Text())
    return table


COLUMNS = ("ref", "type", "status", "attempts", "duration", "")
GAP = 2


def _room_for_notes(width: int, rows: Sequence[tuple[Text, ...]]) -> int:
    """What the other columns leave on the line: they are never cut for the sake of a note."""
    widths = [max([len(name), *(row[at].cell_len for row in rows)]) for at, name in enumerate(COLUMNS[:-1])]
    room = width - sum(widths) - GAP * len(COLUMNS)
    return min(room, NOTE_WIDTH) if room >= SHORTEST_NOTE else 0


def status_text(status: str) -> Text:
    return Text(status, style=STYLES.get(status, ""))


def duration(ms: int) -> str:
    """`7 ms`, `1.24 s`, `2 m 03 s`, `1 h 05 m`."""
    if ms < 1_000:
        return f"{max(ms, 0)} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.2f} s"
    minutes, seconds = divmod(ms // 1_000, 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02} s"
    return f"{minutes // 60} h {minutes % 60:02} m"


UNICODE = ("├─ ", "└─ ", "│  ", "   ")
ASCII = ("|- ", "`- ", "|  ", "   ")


def _lines(steps: Sequence[Json], guides: tuple[str, str, str, str]) -> Iterator[tuple[str, Json | str]]:
    children: dict[int | None, list[Json]] = {}
    for step in sorted(steps, key=lambda s: s["id"]):
        children.setdefault(step.get("parentId"), []).append(step)
    for step in children.get(None, ()):
        yield "", step
        yield from _below(children, step["id"], "", guides)


def _below(
    children: Mapping[int | None, Sequence[Json]], parent: int, indent: str, guides: tuple[str, str, str, str]
) -> Iterator[tuple[str, Json | str]]:
    branch, last_branch, bar, blank = guides
    shown = _not_too_many(children.get(parent, ()))
    for place, step in enumerate(shown):
        last = place == len(shown) - 1
        yield indent + (last_branch if last else branch), step
        if not isinstance(step, str):
            yield from _below(children, step["id"], indent + (blank if last else bar), guides)


def _not_too_many(steps: Sequence[Json]) -> list[Json | str]:
    if len(steps) <= CROWD:
        return list(steps)
    telling = [s for s in steps if s["status"] not in {"COMPLETED", "SKIPPED"}][:CROWD]
    shown = {s["id"] for s in (*steps[:8], *telling)}
    hidden = Counter(s["status"] for s in steps if s["id"] not in shown)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(hidden.items()))
    return [*(s for s in steps if s["id"] in shown), f"and {counts}"]


def _cells(indent: str, step: Json | str, now_ms: int) -> tuple[Text, ...]:
    if isinstance(step, str):
        return (Text(indent + step, style="dim"), *(Text() for _ in COLUMNS[1:]))
    attempts = step.get("executionCount") or len(step.get("executionList") or ()) or 1
    return (
        Text.assemble((indent, "dim"), step["ref"]),
        Text(step["type"], style="dim"),
        status_text(step["status"]),
        Text(str(attempts), style="yellow" if attempts > 1 else ""),
        Text(_duration_of(step, now_ms)),
        Text(_note(step), style="dim"),
    )


def _duration_of(step: Json, now_ms: int) -> str:
    start = step.get("start") or 0
    if not start:
        return ""
    return duration((now_ms if step["status"] in OPEN else step["updated"]) - start)


def _note(step: Json) -> str:
    """What a reader would ask next: why it failed, and why that did not matter."""
    words = []
    if step["status"] in {"FAILED", "TIMED_OUT", "CANCELLED"} and step.get("optional"):
        words.append("optional")
    if step["status"] in {"FAILED", "TIMED_OUT"}:
        output = step.get("output") or {}
        words.append(str(output.get("error") or output.get("lastError") or ""))
    elif retried := _last_error(step):
        words.append(f"after: {retried}")
    return ": ".join(word for word in words if word).replace("\n", " ")


def _last_error(step: Json) -> str:
    earlier = [e.get("output") or {} for e in (step.get("executionList") or ())[:-1]]
    errors = [str(output.get("error") or output.get("lastError") or "") for output in earlier]
    return errors[-1] if errors else ""
