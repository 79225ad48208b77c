"""The process that the kill tests run, what its worker steps do, and what must come out of it."""

from typing import Any
from uuid import uuid4

NAME = "survivor"
POLICY = {"name": "again", "failure": {"action": "RETRY", "retryCount": 5, "retryInterval": 20}}
ITEMS = 3
STEPS = 9 + ITEMS
"""Step contexts of one process, containers included."""

JsonObject = dict[str, Any]


def _worker(name: str, ref: str, **input: Any) -> JsonObject:
    return {"type": "WORKER", "name": name, "ref": ref, "input": input}


def _container(kind: str, ref: str, *children: JsonObject, **input: Any) -> JsonObject:
    return {"type": kind, "name": ref, "ref": ref, "children": list(children), "input": input}


DEFINITION: JsonObject = {
    "name": NAME,
    "version": 1,
    "steps": [
        _worker("add", "double", n="{{ input.n }}", more="{{ input.n }}"),
        _container(
            "PARALLEL",
            "both",
            _worker("add", "plus_one", n="{{ steps.double.output.value }}", more=1),
            _container(
                "LIST",
                "chain",
                _worker("add", "plus_two", n="{{ steps.double.output.value }}", more=2),
                _worker("square", "squared", n="{{ steps.plus_two.output.value }}"),
            ),
        ),
        _container(
            "FOREACH",
            "each",
            _worker("add", "item", n="{{ foreach.value }}", more="{{ steps.plus_one.output.value }}"),
            inputArray="{{ input.items }}",
            concurrency=2,
        ),
        _worker("flaky", "flaky", n="{{ input.n }}") | {"configuration": {"errorPolicyName": "again"}},
        _worker(
            "total",
            "total",
            items="{{ steps.each.output.results }}",
            squared="{{ steps.squared.output.value }}",
            flaky="{{ steps.flaky.output.value }}",
        ),
    ],
    "outputMapping": {
        "total": "{{ steps.total.output.value }}",
        "items": "{{ steps.each.output.results }}",
    },
}


def input_of(n: int) -> JsonObject:
    return {"n": n, "items": [n + index for index in range(ITEMS)]}


def items_of(n: int) -> list[int]:
    return [item + 2 * n + 1 for item in range(n, n + ITEMS)]


def total_of(n: int) -> int:
    return sum(items_of(n)) + (2 * n + 2) ** 2 + n


def fails_first(n: int) -> bool:
    """Whether the flaky step of process `n` fails when it is first tried."""
    return n % 3 == 0


def marked(value: int) -> JsonObject:
    """An output that no other call ever gives."""
    return {"value": value, "mark": uuid4().hex}


def add(input: JsonObject) -> JsonObject:
    return marked(input["n"] + input["more"])


def square(input: JsonObject) -> JsonObject:
    return marked(input["n"] ** 2)


def total(input: JsonObject) -> JsonObject:
    return marked(sum(item["value"] for item in input["items"]) + input["squared"] + input["flaky"])
