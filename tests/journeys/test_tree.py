"""The picture of a process, drawn into a text."""

import io
from typing import Any

import pytest
from rich.console import Console

from stepwell.cli.tree import draw, duration


def step(id: int, ref: str, parent: int | None = None, **more: Any) -> dict[str, Any]:
    usual = {"type": "WORKER", "status": "COMPLETED", "optional": False, "start": 1_000, "updated": 1_250}
    return {
        "id": id,
        "ref": ref,
        "parentId": parent,
        "executionCount": 1,
        "executionList": [],
        **usual,
        **more,
    }


def drawn(
    *steps: dict[str, Any], width: int = 120, encoding: str = "utf-8", now_ms: int = 2_000
) -> list[str]:
    process = {
        "processId": 64,
        "name": "order",
        "version": 3,
        "status": "RUNNING",
        "created": 1_000,
        "updated": 1_000,
    }
    process |= {"stepRecords": list(steps), "stepIdCount": len(steps)}
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width)
    console.print(draw(console, process, now_ms))
    file.seek(0)
    return [line.rstrip() for line in file.read().splitlines()]


def test_steps_stand_below_their_container() -> None:
    lines = drawn(
        step(4, "inner", 3), step(1, "first"), step(2, "both", type="PARALLEL"), step(3, "group", 2, type="LIST"),
        step(5, "other", 2), step(6, "last", status="RUNNING"),
    )  # fmt: skip
    assert lines[0] == "process 64  order v3  RUNNING  1.00 s"
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "first",
        "both",
        "├─ group",
        "│",
        "└─ other",
        "last",
    ]
    assert "│  └─ inner" in lines[5]
    assert lines[2].endswith("250 ms"), "an ended step lasted from its start to its end"
    assert lines[7].endswith("1.00 s"), "an open one lasts until now"


def test_a_crowd_is_counted_and_what_failed_is_shown() -> None:
    children = [step(10 + i, f"pick[{i}]", 1) for i in range(100)]
    children[70] |= {"status": "FAILED", "output": {"error": "out of stock"}}
    lines = drawn(step(1, "lines", type="FOREACH"), *children)
    assert "and 91 COMPLETED" in lines[-1]
    assert any("pick[70]" in line and line.endswith("out of stock") for line in lines)
    assert len(lines) < 20


def test_notes_give_way_before_columns_do() -> None:
    failed = step(1, "a_rather_long_reference", status="FAILED", optional=True, output={"error": "w" * 200})
    for width in (62, 75, 100):
        line = drawn(failed, width=width)[2]
        assert line.startswith("a_rather_long_reference  WORKER  FAILED")
        assert len(line) <= width
    assert "optional: www" in drawn(failed, width=100)[2]


def test_guides_are_plain_where_the_terminal_is() -> None:
    lines = drawn(step(1, "all", type="LIST"), step(2, "one", 1), encoding="ascii")
    assert lines[3].startswith("`- one")


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0 ms"), (999, "999 ms"), (1_240, "1.24 s"), (123_000, "2 m 03 s"), (3_900_000, "1 h 05 m")],
)
def test_duration(ms: int, text: str) -> None:
    assert duration(ms) == text
