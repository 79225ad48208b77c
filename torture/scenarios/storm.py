"""Busy processes that are ended from outside, by several callers at once."""

from collections.abc import Iterable, Sequence

from torture.findings import DOUBLED, LOST, WRONG, Finding, Findings
from torture.history import ENDED, History, Process
from torture.scenarios.base import Act, Json, Plain, container, definition, sub, work
from torture.scenarios.family import CHILD, Family

STATUS = {"terminate": "TERMINATED", "cancel": "CANCELLED"}


class Storm(Plain):
    name = "storm"
    process = "torture-storm"

    def definitions(self) -> Sequence[Json]:
        begin = work("begin", values=[1])
        begin["compensate"] = {
            "type": "WORKER",
            "name": begin["name"],
            "input": {"do": "add", "values": [-1]},
        }
        lists = [
            container("LIST", f"list{at}", work(f"x{at}", queue=at), work(f"y{at}", "flaky", at + 1))
            for at in range(4)
        ]
        loop = container(
            "FOREACH",
            "each",
            work("item", values=["{{ foreach.value }}"]),
            inputArray=list(range(6)),
            concurrency=3,
        )
        return [
            *Family().definitions()[:1],
            definition(
                self.process, begin, container("PARALLEL", "all", *lists, loop, sub("child", CHILD, n=1))
            ),
        ]

    def acts(self, n: int) -> Iterable[Act]:
        what = ("terminate", "cancel")[n % 2]
        first = n % 5 * 0.08
        acts = [Act(what, first), Act(what, first + 0.01 * (n % 3))]
        if n % 7 == 0:
            acts.append(Act("cancel" if what == "terminate" else "terminate", first))
        return acts

    def judge(self, n: int, process: Process, history: History) -> Findings:
        done = {deed.what for deed in history.deeds_of[process.id] if deed.outcome == "ok"}
        asked = {deed.what for deed in history.deeds_of[process.id]}
        # A cancel that undoes something takes its time: a terminate may come in between, and wins.
        allowed = {STATUS[what] for what in asked} | (set() if done else {"COMPLETED"})
        if done and process.status == "COMPLETED":
            yield Finding(LOST, "end", f"{sorted(done)} was acknowledged, it is COMPLETED", process.id)
        elif process.status not in allowed:
            yield Finding(WRONG, "status", f"{process.status} after {sorted(asked)}", process.id)
        undo, begin = process.by_ref.get("begin~undo"), process.by_ref.get("begin")
        is_begun = begin is not None and begin.status == "COMPLETED"
        if process.status == "CANCELLED" and (undo is not None and undo.status == "COMPLETED") != is_begun:
            yield Finding(LOST, "compensation", "it is CANCELLED and what it did was not undone", process.id)
        if process.status == "COMPLETED" and undo is not None:
            yield Finding(DOUBLED, "compensation", "it is COMPLETED and was undone", process.id)
        for child in history.by_correlation[process.correlation_id or ""]:
            if child.status not in ENDED:
                yield Finding(WRONG, "orphan", f"its child {child.id} is {child.status}", process.id)
