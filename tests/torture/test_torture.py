"""A small torture in every run: a real server, killed again and again. The large one: `make torture-long`."""

from pathlib import Path

import pytest

from torture import play
from torture.shim import NoShim
from torture.sweep import MOST, PASSES, points

EVERY = 110
"""Of the kill points of the sweep; which ones changes with what the server writes."""


@pytest.mark.parametrize(("kind", "rounds"), [("kills", 5), ("network", 3), ("disk-full", 2)])
def test_a_short_play(kind: str, rounds: int, tmp_path: Path) -> None:
    try:
        report = play.run(play.Plan(kind, seed=11, rounds=rounds), tmp_path / "play")
    except play.Impossible as error:
        pytest.skip(str(error))
    assert report.is_clean, report.findings
    assert report.server_kills == rounds and report.starts_acknowledged == rounds * 6


def test_killed_at_some_writes_and_syncs(tmp_path: Path) -> None:
    others = {
        (at, n)
        for at in PASSES
        for n in range(1, MOST + 1)
        if n % EVERY or (at == "within" and n % (2 * EVERY))
    }
    try:
        found = list(points(tmp_path / "sweep", others))
    except NoShim as error:
        pytest.skip(str(error))
    assert not [point for point in found if point.findings]
    assert sum(point.fired for point in found) >= 4
