"""What is played: each scenario has definitions, an input for every n, and a closed form of the right end."""

from torture.scenarios.bank import Bank
from torture.scenarios.base import POLICIES, Scenario
from torture.scenarios.chain import Chain
from torture.scenarios.family import Family
from torture.scenarios.fan import Fan
from torture.scenarios.storm import Storm
from torture.scenarios.timers import Timers
from torture.scenarios.wild import Wild

ALL: tuple[Scenario, ...] = (Chain(), Fan(), Bank(), Timers(), Family(), Storm(), Wild())
_BY_NAME = {scenario.name: scenario for scenario in ALL}


def named(name: str) -> Scenario:
    """Raises KeyError."""
    return _BY_NAME[name]


__all__ = ["ALL", "POLICIES", "Scenario", "named"]
