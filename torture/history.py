"""What was asked, answered and done, and what the server says in the end: read from the ledgers, checked by `check`."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torture.ledger import Line, read_all

ENDED = frozenset({"COMPLETED", "FAILED", "TIMED_OUT", "TERMINATED", "CANCELLED"})
"""Statuses of a process that is over."""
CLOSED = ENDED | {"SKIPPED"}
"""Statuses of a step that is over."""


@dataclass(frozen=True)
class Start:
    """A process that the driver asked for, perhaps several times."""

    key: str
    scenario: str
    n: int
    name: str
    input: Line
    processes: tuple[int, ...] = ()
    """The ids that acknowledged it: one, if all is well. None: it was never acknowledged."""


@dataclass(frozen=True)
class Deed:
    """Something the driver asked of a running process, with what it was answered."""

    what: str
    """terminate, cancel or signal."""
    process: int
    outcome: str
    at: int


@dataclass(frozen=True)
class Effect:
    """A worker has done a step, whatever became of its report. `is_lie`: the worker made a second result up."""

    step: int
    token: int
    mark: str
    status: str
    value: int = 0
    process: int = 0
    ref: str = ""
    polled: int = 0
    deadline: int = 0
    """The end of the lease, extensions counted; 0 = not told."""
    input: Line = field(default_factory=dict)
    is_lie: bool = False


@dataclass(frozen=True)
class Report:
    """A result was sent, and this came back. `unknown`: no answer; `TAKEN`: accepted, now or before."""

    step: int
    token: int
    mark: str
    status: str
    outcome: str


@dataclass(frozen=True)
class Look:
    """Somebody read a process during the run."""

    process: int
    status: str
    open_steps: int
    at: int
    is_undoing: bool = False
    """Between two of its compensations nothing is open."""


@dataclass(frozen=True)
class Step:
    """A step context in the server's truth."""

    id: int
    ref: str
    type: str
    status: str
    input: Line = field(default_factory=dict)
    output: Line = field(default_factory=dict)
    earlier: tuple[Line, ...] = ()
    """The outputs of its executions before the present one."""
    parent: int | None = None
    start: int = 0
    completed: int = 0

    @property
    def marks(self) -> list[str]:
        """Of all results on record."""
        return [str(output["mark"]) for output in (*self.earlier, self.output) if "mark" in output]


@dataclass(frozen=True)
class Process:
    """A process in the server's truth, read when all was over."""

    id: int
    name: str
    status: str
    request_id: str | None = None
    correlation_id: str | None = None
    input: Line = field(default_factory=dict)
    output: Line = field(default_factory=dict)
    completed: int = 0
    marked: bool = False
    steps: tuple[Step, ...] = ()

    @cached_property
    def by_ref(self) -> dict[str, Step]:
        return {step.ref: step for step in self.steps}

    def value(self, ref: str) -> Any:
        step = self.by_ref.get(ref)
        return step.output.get("value") if step else None


@dataclass(frozen=True)
class History:
    starts: tuple[Start, ...] = ()
    deeds: tuple[Deed, ...] = ()
    effects: tuple[Effect, ...] = ()
    reports: tuple[Report, ...] = ()
    looks: tuple[Look, ...] = ()
    troubles: tuple[Line, ...] = ()
    """Answers that nobody should get: 500, or a refusal of what is allowed."""
    processes: tuple[Process, ...] = ()
    planned: int = 0
    """Starts that were planned."""
    kills_planned: int = 0
    kills: int = 0
    clock_jumped: bool = False
    """Times of the server and of the ledgers cannot be compared."""

    @cached_property
    def by_id(self) -> dict[int, Process]:
        return {process.id: process for process in self.processes}

    @cached_property
    def effects_of(self) -> dict[int, list[Effect]]:
        return _grouped(self.effects)

    @cached_property
    def reports_of(self) -> dict[int, list[Report]]:
        return _grouped(self.reports)

    @cached_property
    def deeds_of(self) -> dict[int, list[Deed]]:
        found: dict[int, list[Deed]] = defaultdict(list)
        for deed in self.deeds:
            found[deed.process].append(deed)
        return found

    @cached_property
    def by_correlation(self) -> dict[str, list[Process]]:
        found: dict[str, list[Process]] = defaultdict(list)
        for process in self.processes:
            found[process.correlation_id or ""].append(process)
        return found


def _grouped(items: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for item in items:
        found[item.step].append(item)
    return found


# -- from files


def load(folder: Path) -> History:
    """Everything that one play left behind: `*.ledger` files and, as the last word, `truth.jsonl`."""
    lines = defaultdict(list)
    for line in read_all(folder, "*.ledger"):
        lines[line["kind"]].append(line)
    plan = (lines["plan"] or [{}])[0]
    return History(
        starts=_starts(lines["invoke"], lines["answer"]),
        deeds=tuple(Deed(d["what"], d["process"], d["outcome"], d["at"]) for d in lines["deed"]),
        effects=_effects([*lines["effect"], *lines["lie"]], lines["extended"]),
        reports=tuple(
            Report(r["step"], r["token"], r["mark"], r["status"], r["outcome"]) for r in lines["report"]
        ),
        looks=tuple(Look(k["process"], k["status"], k["open"], k["at"], k["undoing"]) for k in lines["look"]),
        troubles=tuple(lines["trouble"]),
        processes=tuple(process_of(line) for line in read_all(folder, "truth.jsonl")),
        planned=plan.get("starts", 0),
        kills_planned=plan.get("kills", 0),
        kills=len(lines["kill-server"]),
        clock_jumped=bool(lines["clock"]),
    )


def _starts(invokes: list[Line], answers: list[Line]) -> tuple[Start, ...]:
    acknowledged: dict[str, list[int]] = defaultdict(list)
    for answer in answers:
        if answer["outcome"] == "ok":
            acknowledged[answer["key"]].append(answer["process"])
    asked = {line["key"]: line for line in invokes}
    return tuple(
        Start(
            key=key,
            scenario=line["scenario"],
            n=line["n"],
            name=line["name"],
            input=line["input"],
            processes=tuple(dict.fromkeys(acknowledged[key])),
        )
        for key, line in asked.items()
    )


def _effects(lines: list[Line], extensions: list[Line]) -> tuple[Effect, ...]:
    until: dict[tuple[int, int], int] = {}
    for line in extensions:
        hand_out = (line["step"], line["token"])
        until[hand_out] = max(until.get(hand_out, 0), line["until"])
    return tuple(_effect(line, until.get((line["step"], line["token"]), 0)) for line in lines)


def _effect(line: Line, extended_until: int) -> Effect:
    return Effect(
        step=line["step"],
        token=line["token"],
        mark=line["mark"],
        status=line["status"],
        value=line["value"],
        process=line.get("process", 0),
        ref=line.get("ref", ""),
        polled=line.get("polled", 0),
        deadline=max(line.get("deadline", 0), extended_until),
        input=line.get("input", {}),
        is_lie=line["kind"] == "lie",
    )


def process_of(line: Line) -> Process:
    """From the server's answer to `GET /api/process/context/{id}?includeSteps=true`."""
    return Process(
        id=line["processId"],
        name=line["name"],
        status=line["status"],
        request_id=line["requestId"],
        correlation_id=line["correlationId"],
        input=line["input"],
        output=line["output"],
        completed=line["completedAt"],
        marked=line["marked"],
        steps=tuple(_step(step) for step in line["stepRecords"]),
    )


def _step(line: Line) -> Step:
    return Step(
        id=line["id"],
        ref=line["ref"],
        type=line["type"],
        status=line["status"],
        input=line.get("input", {}),
        output=line.get("output", {}),
        earlier=tuple(execution["output"] for execution in line["executionList"][:-1]),
        parent=line.get("parentId"),
        start=line["start"],
        completed=line["completedAt"],
    )
