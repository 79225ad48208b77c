"""Worker steps one after the other; each adds something to what the one before it said."""

from collections.abc import Sequence

from torture.findings import Findings
from torture.history import History, Process
from torture.scenarios.base import Json, Plain, definition, expect, value, work

LENGTH = 8


class Chain(Plain):
    name = "chain"
    process = "torture-chain"

    def definitions(self) -> Sequence[Json]:
        first = work("s0", values=["{{ input.n }}", 0])
        rest = (
            work(f"s{at}", "flaky" if at % 3 == 0 else "add", at, values=[value(f"s{at - 1}"), at])
            for at in range(1, LENGTH)
        )
        return [definition(self.process, first, *rest, outputMapping={"total": value(f"s{LENGTH - 1}")})]

    def judge(self, n: int, process: Process, history: History) -> Findings:
        yield from expect(process, "status", process.status, "COMPLETED")
        yield from expect(process, "output", process.output, {"total": n + sum(range(LENGTH))})
        yield from expect(process, "steps", sorted(process.by_ref), [f"s{at}" for at in range(LENGTH)])
