"""Does the simulation bite? Every mistake of `mistakes.py` must be found within its number of seeds."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from stepwell.testing.simulation import SimulationFailed, run
from tests.simulation.mistakes import TABLE


@pytest.mark.parametrize(("mistake", "seeds"), TABLE.items(), ids=lambda value: getattr(value, "__name__", value))
def test_it_is_found(mistake: Callable[[], AbstractContextManager[None]], seeds: int) -> None:
    with mistake(), pytest.raises(SimulationFailed):
        for seed in range(1, seeds + 1):
            run(seed)
