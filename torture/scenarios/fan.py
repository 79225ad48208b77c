"""Branches and iterations that end in any order, and one step behind them all."""

from collections.abc import Sequence

from torture.findings import Findings
from torture.history import History, Process
from torture.scenarios.base import (
    Json,
    Plain,
    container,
    definition,
    expect,
    joined_once,
    output,
    value,
    work,
)

BRANCHES = 5


class Fan(Plain):
    name = "fan"
    process = "torture-fan"

    def definitions(self) -> Sequence[Json]:
        branches = [work(f"b{at}", queue=at, values=["{{ input.n }}", at]) for at in range(BRANCHES - 1)]
        last = container(
            "LIST",
            "two",
            work("a", "flaky", values=["{{ input.n }}"]),
            work(f"b{BRANCHES - 1}", values=[value("a"), BRANCHES - 1]),
        )
        item = work("item", "flaky", 1, values=["{{ foreach.value }}"])
        return [
            definition(
                self.process,
                container("PARALLEL", "all", *branches, last),
                work("first_join", queue=2, items=[output(f"b{at}") for at in range(BRANCHES)]),
                container("FOREACH", "each", item, inputArray="{{ input.items }}", concurrency=4),
                work("second_join", queue=1, items="{{ steps.each.output.results }}"),
            )
        ]

    def input_of(self, n: int) -> Json:
        return {"n": n, "items": [n + at for at in range(n % 12)]}

    def judge(self, n: int, process: Process, history: History) -> Findings:
        items: list[int] = self.input_of(n)["items"]
        branches = [f"b{at}" for at in range(BRANCHES)]
        yield from expect(process, "status", process.status, "COMPLETED")
        yield from joined_once(process, history, "first_join", branches)
        yield from joined_once(process, history, "second_join", [f"item[{at}]" for at in range(len(items))])
        yield from expect(process, "sum", process.value("first_join"), n * BRANCHES + sum(range(BRANCHES)))
        yield from expect(process, "sum", process.value("second_join"), sum(items))
        yield from expect(process, "steps", len(process.steps), BRANCHES + 6 + len(items))
