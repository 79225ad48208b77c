"""The guard of the hot path: what a step of workload A costs, counted and not timed. `make bench-check`.

Statements, rows and decisions are exact, the log's bytes nearly so; a change that makes a step dearer shows here on any
machine, however busy. The CPU beside them is printed for people and gates nothing: it is also given in units of a fixed
Python loop, run on the same machine.

`--write` takes what was counted as the new budget. Say in the commit why it is worth it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import apsw

from bench.lane import LIVE, Bench
from bench.machine import spin_ms
from stepwell.engine.effects import Decision, Needs, Snapshot
from stepwell.engine.events import AnyEvent
from stepwell.runtime import fold
from stepwell.store.sqlite.queries import STATEMENTS
from stepwell.store.sqlite.store import SqliteStore

BUDGET = Path(__file__).with_name("budget.json")
WARM, TURNS = 22, 44
"""Whole rounds of the hundred chains, so that starts and ends have their part; short of the log's first checkpoint."""
BYTES_MAY_DIFFER = 0.02


class StillClock:
    """A millisecond for each turn, so that every number written is as long in every run."""

    def __init__(self) -> None:
        self.at = 1_800_000_000_000

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


def count(folder: Path) -> tuple[dict[str, float], float]:
    """Counts for one step, by name, and the CPU of one step in microseconds."""
    store = SqliteStore.open(folder / "check.db")
    store.migrate()
    clock = StillClock()
    bench = Bench(store, clock)
    names = {" ".join(sql.split()): name for name, sql in STATEMENTS.items()}
    ran: Counter[str] = Counter()

    def note(event: dict[str, Any]) -> None:
        sql = " ".join(event["sql"].split())
        ran[names.get(sql, sql.split()[0].lower())] += 1

    def run(turns: int) -> None:
        for _ in range(turns):
            clock.at += 1
            bench.turn()

    run(WARM)
    store._writing().trace_v2(apsw.SQLITE_TRACE_STMT, note)
    rows, log, steps = store._writing().total_changes(), _log_bytes(folder), bench.steps
    decisions = _counting(lambda: run(TURNS))
    store._writing().trace_v2(0, None)
    steps = bench.steps - steps
    counts: dict[str, float] = {f"statement {name}": number for name, number in sorted(ran.items())}
    counts |= {
        "decisions": decisions,
        "rows written": store._writing().total_changes() - rows,
        "bytes of log": _log_bytes(folder) - log,
    }
    counts = {name: round(number / steps, 4) for name, number in counts.items()}
    before, cpu = bench.steps, time.thread_time()
    run(10 * TURNS)
    cpu = (time.thread_time() - cpu) * 1e6 / (bench.steps - before)
    store.close()
    return counts, cpu


def _counting(work: Any) -> int:
    """How often the engine decided meanwhile."""
    right, decisions = fold.decide, 0

    def counted(snapshot: Snapshot, event: AnyEvent, now: int) -> Decision | Needs:
        nonlocal decisions
        decisions += 1
        return right(snapshot, event, now)

    fold.decide = counted
    try:
        work()
    finally:
        fold.decide = right
    return decisions


def _log_bytes(folder: Path) -> int:
    return (folder / "check.db-wal").stat().st_size


def differences(budget: dict[str, float], counts: dict[str, float]) -> list[str]:
    """What is not as it should be, in words."""
    said = []
    for name in sorted(budget.keys() | counts.keys()):
        allowed, found = budget.get(name, 0.0), counts.get(name, 0.0)
        slack = allowed * BYTES_MAY_DIFFER if name == "bytes of log" else 0.0
        if abs(found - allowed) > slack:
            said.append(f"{name}: {found:g} a step, the budget says {allowed:g}")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.check")
    parser.add_argument("--write", action="store_true", help="take what is counted as the budget")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stepwell-check-", dir=".") as folder:
        counts, cpu = count(Path(folder))
    spin = spin_ms()
    print(f"{LIVE} chains: {cpu:.1f} µs CPU a step in the lane; the fixed loop took {spin:.2f} ms")
    if options.write:
        BUDGET.write_text(json.dumps(counts, indent=1) + "\n")
        return
    said = differences(json.loads(BUDGET.read_text()), counts)
    fine = f"as budgeted: {counts['rows written']:g} rows and {counts['bytes of log']:.0f} B of log a step"
    print("\n".join(said or [fine]))
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()
