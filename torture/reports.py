"""The published reports: raw lines that only grow, and a summary that is written anew from all of them."""

import json
import math
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torture.ledger import Line, read

COUNTED = (
    "server_kills",
    "server_kills_starting",
    "worker_kills",
    "starts_acknowledged",
    "results_acknowledged",
)
BAD = ("lost", "doubled", "stuck", "wrong")


class Reports:
    """The files of one store in a folder."""

    def __init__(self, folder: Path, store: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = store
        self._plays = folder / f"torture-{store}.jsonl"
        self._sweep = folder / f"sweep-{store}.jsonl"
        self._summary = folder / f"torture-{store}.md"

    @property
    def plays(self) -> list[Line]:
        return list(read(self._plays)) if self._plays.exists() else []

    @property
    def points(self) -> list[Line]:
        return list(read(self._sweep)) if self._sweep.exists() else []

    def add_play(self, line: Line) -> None:
        _append(self._plays, line)
        self.summarize()

    def add_point(self, line: Line) -> None:
        _append(self._sweep, line)

    def summarize(self) -> None:
        text = summary(self.store, self.plays, self.points)
        half = self._summary.with_suffix(".half")
        half.write_text(text)
        half.replace(self._summary)


def _append(path: Path, line: Line) -> None:
    stamp = {"date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "commit": commit()}
    with path.open("a") as file:
        file.write(json.dumps(stamp | line) + "\n")


def commit() -> str:
    """Of the source tree that is played with; `+` when it holds changes to what runs, empty outside of a repository."""
    here = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "src", "torture") else ""
    )


# -- the summary


def most_likely(bad: int) -> float:
    """The 95 % upper bound of a count of which `bad` were seen: 3.0 for none, the rule of three."""
    low, high = 0.0, 10.0 + 3.0 * bad
    for _ in range(60):
        middle = (low + high) / 2
        fewer = sum(math.exp(-middle) * middle**seen / math.factorial(seen) for seen in range(bad + 1))
        low, high = (middle, high) if fewer > 0.05 else (low, middle)
    return high


def bound(bad: int, kills: int) -> str:
    return f"{most_likely(bad) / kills:.2%}" if kills else "–"


def summary(store: str, plays: list[Line], points: list[Line]) -> str:
    total = _sums(plays)
    kills = total["server_kills"] + total["server_kills_starting"]
    parts = [
        f"# Torture on {store}: all runs so far",
        "Written by `make torture-long` from the raw lines beside it "
        f"([plays](torture-{store}.jsonl), [kill points](sweep-{store}.jsonl)); what the words mean is told in "
        "[guarantees](../guarantees.md).",
        f"**{kills:,} kills of the server, {total['worker_kills']:,} of workers; {_found(total)}.** With 95 % "
        f"confidence, fewer than {bound(_bad(total), kills)} of the server's kills and fewer than "
        f"{bound(_bad(total), total['worker_kills'])} of the workers' lose, double or hold up anything.",
        _table(plays),
        _disturbances(plays),
        _sweep(points),
        _failures(plays, points),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sums(plays: Iterable[Line]) -> dict[str, int]:
    plays = list(plays)
    return {
        name: sum(play[name] for play in plays)
        for name in (*COUNTED, *BAD, "processes", "server_kills_at_work")
    }


def _bad(sums: dict[str, int]) -> int:
    return sum(sums[name] for name in BAD)


def _found(sums: dict[str, int]) -> str:
    return ", ".join(f"{sums[name]} {name}" for name in BAD)


def _table(plays: list[Line]) -> str:
    kinds_of_kills = ("server kills", "of them at work", "while starting", "worker kills")
    head = (
        "kind",
        "plays",
        *kinds_of_kills,
        "processes",
        "acknowledged starts",
        "acknowledged results",
        *BAD,
    )
    rows: list[tuple[Any, ...]] = []
    for kind in sorted({play["kind"] for play in plays}):
        rows.append((kind, *_row([play for play in plays if play["kind"] == kind])))
    rows.append(("**all**", *_row(plays)))
    return _markdown(head, rows)


def _row(plays: list[Line]) -> tuple[Any, ...]:
    sums = _sums(plays)
    names = ("server_kills", "server_kills_at_work", "server_kills_starting", "worker_kills", "processes")
    return (
        len(plays),
        *(sums[name] for name in (*names, "starts_acknowledged", "results_acknowledged", *BAD)),
    )


def _markdown(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(list(head))]
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _disturbances(plays: list[Line]) -> str:
    counts: dict[str, int] = {}
    for play in plays:
        for fault, count in play["faults"].items():
            counts[fault] = counts.get(fault, 0) + count
    if not plays:
        return ""
    told = ", ".join(f"{fault.replace('_', ' ')} {count:,}" for fault, count in sorted(counts.items()))
    medians = sorted(play["ready_ms"]["median"] for play in plays if "ready_ms" in play)
    most = max((play["ready_ms"]["most"] for play in plays if "ready_ms" in play), default=0)
    healed = max(play["healed_s"] for play in plays)
    middle = medians[len(medians) // 2] if medians else 0
    return (
        f"Faults: {told}; {sum(play['faulty_calls'] for play in plays):,} writes and syncs were made to fail. "
        f"After a kill the server was ready within {middle / 1000:.1f} s (median), at most {most / 1000:.1f} s; "
        f"after the last fault everything had ended within {healed:.1f} s. On a busy machine of two cores."
    )


def _sweep(points: list[Line]) -> str:
    if not points:
        return ""
    parts = []
    for at in ("before", "within"):
        fired = {point["n"]: point for point in points if point["at"] == at and point["fired"]}
        if fired:
            over = any(point["at"] == at and not point["fired"] for point in points)
            bad = sum(bool(point["findings"]) for point in fired.values())
            is_whole = "every one" if over else "not yet all"
            parts.append(f"{len(fired):,} kills {at} a call ({is_whole}), {bad} with findings")
    return "**Kill at every write, truncate and sync of a fixed work:** " + "; ".join(parts) + "."


def _failures(plays: list[Line], points: list[Line]) -> str:
    lines = [
        f"- {line['date'][:10]} at `{line['commit']}`, {line.get('play') or line['at'] + ' ' + str(line['n'])}: {found}"
        for line in (*plays, *points)
        for found in line["findings"][:5]
    ]
    return "## Findings\n\nThey stay listed.\n\n" + "\n".join(lines) if lines else "No findings."
