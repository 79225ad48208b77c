"""Does the simulation bite? Every mistake of `mistakes.py` must be found, and soon."""

import pytest

from stepwell.testing.simulation import Focus, SimulationFailed, run
from tests.simulation.mistakes import FOCUS, MISTAKES, Mistake

WITHIN = 120
"""Seeds, from 1 on, within which each mistake must be found. Most are found by the first five."""


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_it_is_found(mistake: Mistake) -> None:
    with mistake(), pytest.raises(SimulationFailed):
        for seed in range(1, WITHIN + 1):
            run(seed, focus=FOCUS.get(mistake, Focus.ANY))
