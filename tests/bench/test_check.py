"""The guard of the hot path bites."""

import json
from pathlib import Path

import pytest

from bench.check import BUDGET, count, differences

BUDGETED: dict[str, float] = json.loads(BUDGET.read_text())


def test_what_is_counted_is_budgeted(tmp_path: Path) -> None:
    counts, cpu = count(tmp_path)
    assert differences(BUDGETED, counts) == []
    assert cpu > 0


@pytest.mark.parametrize(
    "dearer",
    [{"decisions": 1.11}, {"statement close_step": 2.0}, {"statement step_range": 0.1}, {"bytes of log": 1_500.0}],
    ids=lambda dearer: next(iter(dearer)),
)  # fmt: skip
def test_a_dearer_step_is_told(dearer: dict[str, float]) -> None:
    (said,) = differences(BUDGETED, {**BUDGETED, **dearer})
    assert said.startswith(next(iter(dearer)))


def test_a_few_bytes_of_log_are_no_matter() -> None:
    assert differences(BUDGETED, {**BUDGETED, "bytes of log": BUDGETED["bytes of log"] * 1.01}) == []
