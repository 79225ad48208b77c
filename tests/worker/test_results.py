"""From what a function returned or raised to what the server is told, as a table."""

import datetime
import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest

from stepwell.worker import KeepRunning, StepFailed, WorkRequest
from stepwell.worker.results import Finished, raised, replaced, returned

REQUEST = WorkRequest(process_id=1, step_id=2, token=3, name="work")


@dataclass
class Receipt:
    number: int


class Parcel(msgspec.Struct):
    weight: float


class Colour(Enum):
    RED = "red"


def told(finished: Finished) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(finished.item)
    assert (item.pop("processId"), item.pop("stepId"), item.pop("stepExecutionId")) == (1, 2, 3)
    return item


@pytest.mark.parametrize(
    ("value", "output"),
    [
        (None, {}),
        ({}, {}),
        ({"a": None}, {"a": None}),
        (OrderedDict(a=1), {"a": 1}),
        (Receipt(7), {"number": 7}),
        (Parcel(1.5), {"weight": 1.5}),
        ("text", {"result": "text"}),
        (0, {"result": 0}),
        (False, {"result": False}),
        ([1, {"a": 2}], {"result": [1, {"a": 2}]}),
        ((1, 2), {"result": [1, 2]}),
        (Receipt, None),
        ({"at": datetime.date(2026, 2, 28)}, {"at": "2026-02-28"}),
        ({"price": Decimal("1.10")}, {"price": "1.10"}),
        ({"colour": Colour.RED}, {"colour": "red"}),
        ({"note": "a null in a text"}, {"note": "a null in a text"}),
    ],
)
def test_return_values_become_outputs(value: Any, output: dict[str, Any] | None) -> None:
    answer = told(returned(REQUEST, value))
    if output is None:
        assert answer["status"] == "FAILED"
    else:
        assert answer == {"status": "COMPLETED", "output": output}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"x": math.nan}, "NaN"),
        ({"x": [{"y": math.inf}]}, "NaN"),
        (Parcel(-math.inf), "NaN"),
        (math.nan, "NaN"),
        (object(), "object"),
        ({"x": {("a", 1): 2}}, "keys"),
        ({"x": "\ud800"}, "surrogates"),
        (KeepRunning({"x": math.nan}, after_seconds=1), "NaN"),
    ],
)
def test_what_cannot_be_sent_fails_the_step_with_the_reason(value: Any, reason: str) -> None:
    answer = told(returned(REQUEST, value))
    assert answer["status"] == "FAILED"
    assert "the result of work cannot be sent" in answer["output"]["error"]
    assert reason in answer["output"]["error"]


def test_a_value_that_contains_itself_fails_the_step() -> None:
    knot: list[Any] = []
    knot.append(knot)
    assert told(returned(REQUEST, knot))["status"] == "FAILED"


@pytest.mark.parametrize(("seconds", "after_ms"), [(2, 2000), (0.25, 250), (0, 1)])
def test_keep_running_is_offered_again_later(seconds: float, after_ms: int) -> None:
    answer = told(returned(REQUEST, KeepRunning({"n": 1}, after_seconds=seconds)))
    assert answer == {"status": "RUNNING", "output": {"n": 1}, "rescheduleAfterMs": after_ms}


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
def test_keep_running_wants_a_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="after_seconds"):
        KeepRunning({}, after_seconds=seconds)


@pytest.mark.parametrize(
    ("error", "output"),
    [
        (ValueError("no stock"), {"error": "no stock", "errorType": "ValueError"}),
        (ValueError(), {"error": "ValueError", "errorType": "ValueError"}),
        (ValueError("\ud800\x00"), {"error": "?�", "errorType": "ValueError"}),
        (StepFailed("sold out", output={"sku": 4}), {"error": "sold out", "sku": 4}),
        (StepFailed("sold out", output={"error": "mine"}), {"error": "mine"}),
        (StepFailed(), {"error": "StepFailed"}),
    ],
)
def test_exceptions_fail_the_step(error: Exception, output: dict[str, Any]) -> None:
    assert told(raised(REQUEST, error)) == {"status": "FAILED", "output": output}


def test_a_failure_whose_output_cannot_be_sent_still_fails() -> None:
    answer = told(raised(REQUEST, StepFailed("sold out", output={"x": object()})))
    assert answer["status"] == "FAILED"
    assert answer["output"]["error"].startswith("sold out (its output cannot be sent")


def test_a_refused_result_is_replaced_by_a_failure() -> None:
    replacement = replaced(returned(REQUEST, {"large": "x"}), "HTTP 413")
    assert replacement.is_replacement
    assert told(replacement)["status"] == "FAILED"
    assert "HTTP 413" in told(replacement)["output"]["error"]
