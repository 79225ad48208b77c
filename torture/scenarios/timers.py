"""Waits for a while and for a signal, and a worker that asks to be offered its step again."""

from collections.abc import Iterable, Sequence
from typing import Any

from torture.findings import WRONG, Finding, Findings
from torture.history import History, Process
from torture.scenarios.base import Act, Json, Plain, container, definition, expect, value, work


def wait(ref: str, **input: Any) -> Json:
    return {"type": "WAIT", "ref": ref, "name": ref, "input": input}


def naps_of(n: int) -> dict[str, int]:
    """Milliseconds."""
    return {"nap": 100 + n % 7 * 150, "second_nap": 50 + n % 5 * 300}


class Timers(Plain):
    name = "timers"
    process = "torture-timers"

    def definitions(self) -> Sequence[Json]:
        return [
            definition(
                self.process,
                wait("nap", durationMs="{{ input.nap }}"),
                work("again", "again", times=3, values=["{{ input.n }}", 1]),
                container(
                    "PARALLEL",
                    "both",
                    wait("second_nap", durationMs="{{ input.second_nap }}"),
                    wait("called", forSignal="go"),
                ),
                work("end", queue=1, values=[value("again"), "{{ steps.called.output.payload }}"]),
            )
        ]

    def input_of(self, n: int) -> Json:
        return {"n": n, **naps_of(n)}

    def acts(self, n: int) -> Iterable[Act]:
        return [Act("signal", n % 4 * 0.4, "go", {"payload": 1000 + n})]

    def judge(self, n: int, process: Process, history: History) -> Findings:
        yield from expect(process, "status", process.status, "COMPLETED")
        yield from expect(process, "sum", process.value("end"), 2 * n + 1001)
        for ref, nap in naps_of(n).items():
            step = process.by_ref.get(ref)
            if step is not None and step.completed - step.start < nap:
                text = f"{ref} of {nap} ms was over after {step.completed - step.start} ms"
                yield Finding(WRONG, "early-timer", text, process.id)
