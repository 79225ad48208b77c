"""The shape of a scenario, and the small language that their definitions are written in."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from torture.findings import DOUBLED, WRONG, Finding, Findings
from torture.history import History, Process

Json = dict[str, Any]
QUEUES = ("torture-red", "torture-green", "torture-blue")
PATIENT, THRICE = "torture-patient", "torture-thrice"
POLICIES: tuple[Json, ...] = (
    {"name": PATIENT, "failure": {"action": "RETRY", "retryCount": 60, "retryInterval": 15}},
    {"name": THRICE, "failure": {"action": "RETRY", "retryCount": 2, "retryInterval": 15}},
)
"""A flaky step fails four times of ten: that it fails 61 times in a row is no case to think of."""
FLAKINESS = 0.4


class Act(NamedTuple):
    """What the driver does to a process after it was started."""

    what: str
    """terminate, cancel or signal."""
    after_s: float
    name: str = ""
    body: Json | None = None


class Scenario(Protocol):
    name: str
    process: str
    """The name of the definition that is started."""

    def definitions(self) -> Sequence[Json]: ...

    def process_of(self, n: int) -> str:
        """The definition that process n follows."""

    def input_of(self, n: int) -> Json: ...

    def acts(self, n: int) -> Iterable[Act]: ...

    def judge(self, n: int, process: Process, history: History) -> Findings:
        """What is wrong with process n, which has ended."""


class Plain:
    """What most scenarios have in common."""

    name = ""
    process = ""

    def process_of(self, n: int) -> str:
        return self.process

    def input_of(self, n: int) -> Json:
        return {"n": n}

    def acts(self, n: int) -> Iterable[Act]:
        return ()


# -- definitions


def work(ref: str, do: str = "add", queue: int = 0, **input: Any) -> Json:
    step: Json = {"type": "WORKER", "ref": ref, "name": QUEUES[queue % 3], "input": {"do": do, **input}}
    if do == "flaky":
        step["input"]["chance"] = FLAKINESS
        step["configuration"] = {"errorPolicyName": PATIENT}
    return step


def container(kind: str, ref: str, *children: Json, **input: Any) -> Json:
    return {"type": kind, "ref": ref, "name": ref, "children": list(children), "input": input}


def sub(ref: str, process: str, **input: Any) -> Json:
    return {
        "type": "SUB_PROCESS",
        "ref": ref,
        "name": ref,
        "input": {"processName": process, "input": input},
    }


def value(ref: str) -> str:
    return f"{{{{ steps.{ref}.output.value }}}}"


def output(ref: str) -> str:
    return f"{{{{ steps.{ref}.output }}}}"


def definition(name: str, *steps: Json, **more: Any) -> Json:
    return {"name": name, "version": 1, "steps": list(steps), **more}


# -- judging


def expect(process: Process, what: str, found: object, right: object) -> Findings:
    if found != right:
        yield Finding(WRONG, what, f"{found!r}, right is {right!r}", process.id)


def joined_once(process: Process, history: History, join: str, branches: Iterable[str]) -> Findings:
    """The step behind a join was done with the outputs of exactly those branches, and counted once."""
    step = process.by_ref.get(join)
    if step is None:
        yield Finding(WRONG, "join", f"{join} has never begun", process.id)
        return
    marks = [str(item.get("mark")) for item in step.input.get("items", ())]
    right = [process.by_ref[ref].output.get("mark") if ref in process.by_ref else None for ref in branches]
    if sorted(marks) != sorted(map(str, right)):
        yield Finding(WRONG, "join", f"{join} got {marks}, the branches gave {right}", process.id)
    # A second join would begin a second hand-out after the first result.
    accepted = {
        report.token
        for report in history.reports_of.get(step.id, ())
        if report.outcome == "ACCEPTED" and report.status == "COMPLETED"
    }
    if len(accepted) > 1:
        yield Finding(DOUBLED, "join", f"{join} went on {len(accepted)} times", process.id)
    inputs = {str(effect.input) for effect in history.effects_of.get(step.id, ()) if not effect.is_lie}
    if len(inputs) > 1:
        yield Finding(
            DOUBLED, "join", f"{join} was handed out with {len(inputs)} different inputs", process.id
        )
