"""Does the torture bite? Short plays against servers with planted mistakes: `python -m tests.torture.planted`.

Takes some minutes, and chance has a part in it, so it is no test of the suite; what it found stands in the guarantees.
"""

import shlex
import sys
import tempfile
from pathlib import Path

from tests.torture.flawed import MISTAKES
from torture import play

KINDS = ("kills", "network", "pauses", "bad-sync")


def first_finding(mistake: str, folder: Path) -> str:
    """The kind of play that found it, and what it said; nothing when all of them were content."""
    server = f"{shlex.quote(sys.executable)} -m tests.torture.flawed {mistake}"
    for seed, kind in enumerate(KINDS, 1):
        plan = play.Plan(kind, seed, rounds=8, server=server)
        report = play.run(plan, folder / f"{mistake}-{kind}")
        if not report.is_clean:
            return f"{kind}: {report.findings[0]}"
    return ""


def main() -> int:
    missed = 0
    play.BOUND_S = 15.0  # what is stuck stays stuck
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        for mistake in MISTAKES:
            found = first_finding(mistake.__name__, Path(folder))
            missed += not found
            print(f"{mistake.__name__}: {found or 'MISSED'}"[:160], flush=True)
    print(f"{len(MISTAKES) - missed} of {len(MISTAKES)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
