"""Random definitions, and a small interpreter that knows where each of them must end.

Drawn from a fixed seed, so that a ledger can be checked by anyone at any time.
"""

import random
from collections.abc import Sequence
from typing import Any

from torture.findings import WRONG, Finding, Findings
from torture.history import History, Process
from torture.scenarios.base import Json, Plain, container, definition, expect, sub, value, work
from torture.scenarios.family import CHILD, Family

COUNT = 40
MOST_STEPS = 16
DEEPEST = 3
SEED = 20_261_128

Truth = dict[str, tuple[str, Any]]
"""Ref with its indexes → status and value."""


class Draw:
    """One definition. `input.n` is a number, `input.case` a or b."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(f"{SEED}/{number}")
        self._count = 0

    def steps(self) -> list[Json]:
        return self._sequence(1, self._chance.randint(2, 4), None)

    def _sequence(self, depth: int, count: int, index: str | None) -> list[Json]:
        steps: list[Json] = []
        sure: str | None = None
        for _ in range(count):
            step = self._step(depth, sure, index)
            steps.append(step)
            if step["type"] == "WORKER" and step["input"]["do"] != "fail":
                sure = step["ref"]
        return steps

    def _step(self, depth: int, before: str | None, index: str | None) -> Json:
        self._count += 1
        ref = f"w{self._count}"
        kind = self._kind(depth)
        step = getattr(self, f"_{kind}")(ref, depth, before, index)
        if self._chance.random() < (0.7 if kind == "fails" else 0.25):
            step["optional"] = True
        return dict(step)

    def _kind(self, depth: int) -> str:
        if depth > DEEPEST or self._count > MOST_STEPS:
            return "worker"
        kinds = ("worker", "fails", "list", "parallel", "foreach", "switch", "child", "nap")
        return self._chance.choices(kinds, weights=(9, 1.5, 2, 3, 2, 2, 1.5, 1))[0]

    def _worker(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        values: list[Any] = ["{{ input.n }}", self._count]
        values += [value(before)] if before else []
        values += [index] if index else []
        do = self._chance.choice(("add", "add", "flaky"))
        return work(ref, do, self._chance.randrange(3), values=values)

    def _fails(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        return work(ref, "fail", self._chance.randrange(3))

    def _list(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        return container("LIST", ref, *self._sequence(depth + 1, self._chance.randint(1, 3), index))

    def _parallel(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        count = self._chance.choice((2, 2, 3, 6))
        return container("PARALLEL", ref, *(self._step(depth + 1, None, index) for _ in range(count)))

    def _foreach(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        items = list(range(self._chance.choice((0, 1, 2, 5))))
        child = self._worker(f"{ref}i", depth, None, "{{ foreach.value }}")
        if index is not None:  # no loop in a loop: what the inner one counts would need a second name
            return container("LIST", ref, self._worker(f"{ref}i", depth, None, index))
        return container("FOREACH", ref, child, inputArray=items, concurrency=self._chance.randint(1, 3))

    def _switch(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        children = [self._step(depth + 1, None, index) for _ in range(2)]
        mapping = [
            {"value": case, "targetRef": child["ref"]} for case, child in zip("ab", children, strict=True)
        ]
        return container("SWITCH", ref, *children, value="{{ input.case }}", responseMapping=mapping)

    def _child(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        return sub(ref, CHILD, n="{{ input.n }}")

    def _nap(self, ref: str, depth: int, before: str | None, index: str | None) -> Json:
        nap = self._chance.choice((0, 60, 400))
        return {"type": "WAIT", "ref": ref, "name": ref, "input": {"durationMs": nap}}


class Reference:
    """Runs a definition by itself, in one go: no server, no failures, no time."""

    def __init__(self, input: Json) -> None:
        self._input = input
        self.truth: Truth = {}

    def sequence(self, steps: Sequence[Json], at: str = "", item: int | None = None) -> bool:
        """Whether it went well. The steps after one that failed are not begun."""
        return all(self._is_well(step, at, item) for step in steps)

    def _is_well(self, step: Json, at: str, item: int | None) -> bool:
        is_well, result = self._run(step, at, item)
        self.truth[step["ref"] + at] = ("COMPLETED" if is_well else "FAILED", result)
        return is_well or bool(step.get("optional"))

    def _run(self, step: Json, at: str, item: int | None) -> tuple[bool, Any]:
        children: list[Json] = step.get("children", [])
        match step["type"]:
            case "WORKER":
                is_well = step["input"]["do"] != "fail"
                return is_well, sum(self._number(v, at, item) for v in step["input"].get("values", ()))
            case "LIST":
                return self.sequence(children, at, item), None
            case "PARALLEL":
                ends = [self._is_well(child, at, item) for child in children]
                return all(ends), None  # a branch that fails does not stop the others
            case "FOREACH":
                items: list[int] = step["input"]["inputArray"]
                ends = [self._is_well(children[0], f"[{i}]", each) for i, each in enumerate(items)]
                return all(ends), None
            case "SWITCH":
                chosen = children["ab".index(self._input["case"])]
                for child in children:
                    if child is not chosen:
                        self.truth[child["ref"] + at] = ("SKIPPED", None)
                return self._is_well(chosen, at, item), None
        return True, None

    def _number(self, given: Any, at: str, item: int | None) -> int:
        if given == "{{ input.n }}":
            return int(self._input["n"])
        if given == "{{ foreach.value }}":
            assert item is not None
            return item
        if isinstance(given, str):
            ref = given.removeprefix("{{ steps.").removesuffix(".output.value }}")
            return int(self.truth[ref + at][1])
        return int(given)


class Wild(Plain):
    name = "wild"

    def definitions(self) -> Sequence[Json]:
        drawn = [definition(self.process_of(number), *Draw(number).steps()) for number in range(COUNT)]
        return [*Family().definitions()[:1], *drawn]

    def process_of(self, n: int) -> str:
        return f"torture-wild-{n % COUNT}"

    def input_of(self, n: int) -> Json:
        return {"n": n, "case": "ab"[n // COUNT % 2]}

    def judge(self, n: int, process: Process, history: History) -> Findings:
        reference = Reference(self.input_of(n))
        is_well = reference.sequence(Draw(n % COUNT).steps())
        yield from expect(process, "status", process.status, "COMPLETED" if is_well else "FAILED")
        steps = process.by_ref
        for ref, (status, result) in reference.truth.items():
            step = steps.get(ref)
            if step is None or step.status != status:
                text = f"{ref} is {step.status if step else 'not there'}, right is {status}"
                yield Finding(WRONG, "step-status", text, process.id)
            elif step.type == "WORKER" and status == "COMPLETED":
                yield from expect(process, f"value of {ref}", step.output.get("value"), result)
        for ref in steps.keys() - reference.truth.keys():
            yield Finding(WRONG, "step", f"{ref} should never have begun", process.id)
