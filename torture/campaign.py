"""Plays without end: kinds by turns, a new seed each time; and the sweep. Both go on where they stopped."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torture import play
from torture.ledger import Line
from torture.nemesis import KINDS
from torture.reports import Reports
from torture.sweep import points

ORDER = ("kills", "network", "kills", "pauses", "disk-full", "kills", "bad-sync", "clock")
"""Plain kills most often: nothing hides what they find."""

assert set(ORDER) == set(KINDS)


def kills(reports: Reports) -> int:
    return sum(line["server_kills"] + line["server_kills_starting"] for line in reports.plays)


def plays(
    reports: Reports, scratch: Path, like: play.Plan, until_kills: int, say: Callable[[str], object]
) -> bool:
    """Play until so many servers were killed in all runs together. Whether these plays were clean."""
    is_clean = True
    impossible: set[str] = set()
    while (done := kills(reports)) < until_kills:
        seed = 1 + max((line["seed"] for line in reports.plays), default=0)
        kind = next_kind(seed, impossible)
        plan = replace(like, kind=kind, seed=seed)
        folder = scratch / plan.name
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was broken off
        try:
            report = play.run(plan, folder, archive=scratch / "ledgers")
        except play.Impossible as error:
            say(f"{kind}: not possible here: {error}")
            impossible.add(kind)
            continue
        reports.add_play(report.line())
        say(f"{done + report.server_kills + report.server_kills_starting:,} kills; {play.summary(report)}")
        is_clean = is_clean and report.is_clean
    return is_clean


def next_kind(seed: int, impossible: set[str]) -> str:
    kinds = [kind for kind in ORDER if kind not in impossible]
    return kinds[seed % len(kinds)]


def sweep(reports: Reports, scratch: Path, server: str, database: str, say: Callable[[str], object]) -> bool:
    """The points that no run has done yet. Whether these were clean. Raises NoShim."""
    is_clean = True
    for point in points(scratch / "sweep", done(reports.points), server, database):
        line: Line = point.line()
        reports.add_point(line)
        is_clean = is_clean and not point.findings
        if point.n % 25 == 0 or point.findings or not point.fired:
            reports.summarize()
            say(
                f"sweep: {point.at} {point.n}: {'killed' if point.fired else 'over'} {' '.join(point.findings)}"
            )
    reports.summarize()
    return is_clean


def done(lines: list[Line]) -> set[tuple[str, int]]:
    """Also everything behind the end of a pass that is whole."""
    found = {(line["at"], line["n"]) for line in lines}
    for line in lines:
        if not line["fired"]:
            found |= {(line["at"], n) for n in range(line["n"], 100_000)}
    return found
