"""The reference's steps in motion: a record of each, and the generators that wait."""

from collections.abc import Generator
from typing import Any

from tests.property.reference_values import TEXT, Path, Said, Step

Body = Generator["Wait", Any, Said]
TIMEOUT = object()
"""What is told to a step whose time is up."""
BAD = ("FAILED", "TIMED_OUT", "CANCELLED")


class Ended(Exception):
    """The process has ended under the step that runs."""


class Own(tuple[str, Any]):
    """How a step ends that fails by itself, and not because of a child."""


def refused() -> Said:
    return Own(("FAILED", {"error": TEXT}))


class Record:
    """A step context."""

    def __init__(self, step: Step, path: Path, made_by: int, input: Any) -> None:
        self.step, self.path, self.made_by, self.input = step, path, made_by, input
        self.status, self.execution = "RUNNING", 1
        self.output: Any = {}
        self.kept: dict[int, Any] = {}
        self.forget()

    def forget(self) -> None:
        """What a new pass knows nothing of."""
        self.passes: int | None = None
        self.inside = False
        self.chosen: Step | None = None
        self.total = 0
        self.child: Any = None
        self.goto: int | None = None

    def renew(self) -> None:
        """A further execution."""
        self.kept[self.execution] = self.output
        self.execution += 1
        self.output = {}

    @property
    def goes_on(self) -> bool:
        """Resumed, it takes up what it has begun; others begin a further execution."""
        begun = self.chosen is not None or self.child is not None
        return begun or self.step["type"] in ("LIST", "PARALLEL", "FOREACH", "WHILE")

    @property
    def stops(self) -> bool:
        """Does its end stop what follows it?"""
        return self.status in BAD and not (self.step.get("optional") and self.status != "CANCELLED")


class Wait:
    """What the step at a path waits for: to be told of what it is `about`, or for a moment (`at`), or both."""

    def __init__(self, kind: str, path: Path, at: int | None = None, *, about: Any = None) -> None:
        self.kind, self.path, self.at, self.about = kind, path, at, about
        self.task: Task | None = None


class Task:
    """A branch: a generator, and who hears of its end."""

    def __init__(self, run: Any, body: Generator[Wait, Any, Any]) -> None:
        self.run, self.body = run, body
        self.done = False
        self.result: Any = None
        self.parent: Task | None = None

    def advance(self, value: Any = None) -> None:
        outer, self.run.current = self.run.current, self
        try:
            wait = self.body.send(value)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        else:
            wait.task = self
            self.run.waits.append(wait)
        finally:
            self.run.current = outer
        if self.done and self.parent is not None:
            self.run.deliver(next(wait for wait in self.run.waits if wait.task is self.parent), self.result)

    def close(self) -> None:
        self.run.waits = [wait for wait in self.run.waits if wait.task is not self]
        self.body.close()
