"""The command line of the simulation: `python -m stepwell.testing.simulate --seed N [--seeds M] [--sqlite]`."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from stepwell.testing.simulation import SimulationFailed, run


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds one by one; 1 and the whole story at the first that fails."""
    parser = argparse.ArgumentParser(prog="python -m stepwell.testing.simulate", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite files instead of memory")
    given = parser.parse_args(arguments)
    sightings: Counter[str] = Counter()
    turns = 0
    began = time.perf_counter()
    for seed in range(given.seed, given.seed + given.seeds):
        try:
            with tempfile.TemporaryDirectory() as folder:
                outcome = run(seed, folder=Path(folder) if given.sqlite else None)
        except SimulationFailed as failed:
            print(failed)
            return 1
        turns += outcome.turns
        sightings += outcome.sightings
        if given.seeds == 1:
            print(f"history {outcome.history}: {outcome.processes} processes, {outcome.steps} steps")
    took = time.perf_counter() - began
    for what, count in sorted(sightings.items()):
        print(f"{count:9,}  {what}")
    print(
        f"{given.seeds / took:.1f} schedules/s, {turns / took:,.0f} turns/s, {turns:,} turns in {took:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
