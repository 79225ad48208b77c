"""Processes that start others and wait for them, three generations deep."""

from collections.abc import Sequence

from torture.findings import DOUBLED, LOST, Finding, Findings
from torture.history import History, Process
from torture.scenarios.base import Json, Plain, container, definition, expect, sub, value, work

CHILD, MIDDLE = "torture-child", "torture-middle"


class Family(Plain):
    name = "family"
    process = "torture-parent"

    def definitions(self) -> Sequence[Json]:
        child = definition(
            CHILD,
            work("one", values=["{{ input.n }}", 1]),
            work("two", "flaky", 1, values=[value("one"), 1]),
            outputMapping={"value": value("two")},
        )
        middle = definition(
            MIDDLE,
            sub("grandchild", CHILD, n="{{ input.n }}"),
            work("after", queue=2, values=["{{ steps.grandchild.output.subProcessOutput.value }}", 10]),
            outputMapping={"value": value("after")},
        )
        each = sub("each_child", CHILD, n="{{ foreach.value }}")
        parent = definition(
            self.process,
            container(
                "PARALLEL",
                "both",
                sub("left", CHILD, n="{{ input.n }}"),
                sub("right", MIDDLE, n="{{ input.n }}"),
                container("FOREACH", "each", each, inputArray="{{ input.items }}", concurrency=2),
            ),
            work(
                "total",
                values=[
                    "{{ steps.left.output.subProcessOutput.value }}",
                    "{{ steps.right.output.subProcessOutput.value }}",
                ],
            ),
        )
        return [child, middle, parent]

    def input_of(self, n: int) -> Json:
        return {"n": n, "items": list(range(n % 4))}

    def judge(self, n: int, process: Process, history: History) -> Findings:
        yield from expect(process, "status", process.status, "COMPLETED")
        yield from expect(process, "sum", process.value("total"), 2 * n + 14)
        relatives = [
            each for each in history.by_correlation[process.correlation_id or ""] if each is not process
        ]
        right = {CHILD: 2 + n % 4, MIDDLE: 1}
        for name, count in right.items():
            found = [each.id for each in relatives if each.name == name]
            if len(found) > count:
                yield Finding(
                    DOUBLED, "child", f"{len(found)} of {name}, right are {count}: {found}", process.id
                )
            elif len(found) < count:
                yield Finding(
                    LOST, "child", f"{len(found)} of {name}, right are {count}: {found}", process.id
                )
