"""From a step's input to a function's arguments, as a table."""

import datetime
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest

from stepwell.worker import WorkRequest
from stepwell.worker.arguments import InputMismatch, binder


@dataclass
class Order:
    id: int
    lines: list[str]


class Size(msgspec.Struct):
    width: int
    height: int = 1


class Point(TypedDict):
    x: float
    y: float


def request(**input: Any) -> WorkRequest:
    return WorkRequest(process_id=1, step_id=2, token=3, name="work", input=input)


def bind(function: Any, **input: Any) -> dict[str, Any]:
    return binder(function)(request(**input))


def by_name(order_id: int, amount: float = 0.5) -> None: ...
def anything(a, b=None): ...
def nothing() -> None: ...
def rest(a: int, **others: Any) -> None: ...
def only_rest(**others: Any) -> None: ...
def implicit_none(a: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
def mutable_default(a: list[int] = [1]) -> None: ...  # noqa: B006
def dataclass_whole(order: Order) -> None: ...
def struct_whole(size: Size) -> None: ...
def typed_dict_whole(point: Point) -> None: ...
def dict_whole(input: dict[str, Any]) -> None: ...
def bare_dict(input: dict) -> None: ...  # type: ignore[type-arg]
def date(at: datetime.date) -> None: ...
def int_keys(by_number: dict[int, str], a: int) -> None: ...
def two_records(order: Order, size: Size) -> None: ...
def own_member(id: Order) -> None: ...


ORDER = {"id": 7, "lines": ["a"]}


@pytest.mark.parametrize(
    ("function", "input", "arguments"),
    [
        (by_name, {"order_id": 1}, {"order_id": 1}),
        (by_name, {"order_id": 1, "amount": 2, "more": 3}, {"order_id": 1, "amount": 2.0}),
        (anything, {"a": [1], "b": {"c": 2}}, {"a": [1], "b": {"c": 2}}),
        (nothing, {"a": 1}, {}),
        (rest, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (only_rest, {"a": 1}, {"a": 1}),
        (implicit_none, {"a": None}, {"a": None}),
        (mutable_default, {}, {}),
        (dataclass_whole, ORDER, {"order": Order(7, ["a"])}),
        (dataclass_whole, {"order": ORDER}, {"order": Order(7, ["a"])}),
        (own_member, {"id": 7, "lines": []}, {"id": Order(7, [])}),
        (struct_whole, {"width": 3}, {"size": Size(3, 1)}),
        (typed_dict_whole, {"x": 1, "y": 2.5}, {"point": {"x": 1.0, "y": 2.5}}),
        (dict_whole, {"a": 1}, {"input": {"a": 1}}),
        (dict_whole, {"input": {"a": 1}}, {"input": {"a": 1}}),
        (bare_dict, {}, {"input": {}}),
        (date, {"at": "2026-02-28"}, {"at": datetime.date(2026, 2, 28)}),
        (int_keys, {"by_number": {"1": "x"}, "a": 1}, {"by_number": {1: "x"}, "a": 1}),
        (two_records, {"order": ORDER, "size": {"width": 1}}, {"order": Order(7, ["a"]), "size": Size(1)}),
    ],
)
def test_input_becomes_arguments(function: Any, input: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert bind(function, **input) == arguments


@pytest.mark.parametrize(
    ("function", "input", "told"),
    [
        (by_name, {"order_id": "x"}, "$.order_id"),
        (by_name, {}, "order_id"),
        (by_name, {"order_id": 1, "amount": "much"}, "$.amount"),
        (by_name, {"order_id": 1, "amount": None}, "$.amount"),
        (dataclass_whole, {"id": 1}, "lines"),
        (dataclass_whole, {"order": {"id": "x", "lines": []}}, "$.order.id"),
        (dataclass_whole, {"order": 5}, "$.order"),
        (struct_whole, {"width": 1.5}, "$.width"),
        (typed_dict_whole, {"x": 1}, "y"),
    ],
)
def test_a_mismatch_names_the_field(function: Any, input: dict[str, Any], told: str) -> None:
    with pytest.raises(InputMismatch, match=told.replace("$", r"\$")):
        bind(function, **input)


def test_the_request_is_given_to_who_asks_for_it() -> None:
    def annotated(a: int, which: WorkRequest) -> None: ...
    def named(work_request, a: int): ...
    def beside_whole(order: Order, which: WorkRequest) -> None: ...

    asked = request(a=1, id=7, lines=[])
    assert binder(annotated)(asked) == {"a": 1, "which": asked}
    assert binder(named)(asked) == {"a": 1, "work_request": asked}
    assert binder(beside_whole)(asked) == {"order": Order(7, []), "which": asked}


def test_methods_and_callable_objects_lose_their_self() -> None:
    class Shop:
        def sell(self, item: str) -> None: ...
        def __call__(self, item: int) -> None: ...

    assert bind(Shop().sell, item="hat") == {"item": "hat"}
    assert bind(Shop(), item=1) == {"item": 1}


def test_what_cannot_go_by_name_is_told_at_registration() -> None:
    def positional(a: int, /) -> None: ...
    def many(*a: int) -> None: ...
    def unknown(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function in (positional, many, unknown):
        with pytest.raises(TypeError, match=function.__name__):
            binder(function)


def test_the_input_itself_is_never_changed() -> None:
    asked = request(a=1, b=2)
    binder(rest)(asked)["b"] = 3
    binder(only_rest)(asked)["a"] = 3
    assert asked.input == {"a": 1, "b": 2}
