"""What an interpreter is asked and what it says."""

from typing import NamedTuple


class Question(NamedTuple):
    text: str
    """The script."""
    arguments: str
    """JSON: `{steps, absent, context}` of a function, the input of a JQ program."""
    time_ms: int
    memory: int
    output: int
    logs: int


class Answer(NamedTuple):
    result: bytes = b""
    """JSON."""
    error: str = ""
    limit: str = ""
    """Which of the question's limits it met: `time_ms`, `memory` or `output`."""
    need: str = ""
    """The ref of a step that the script asked for and that was not sent."""
    logs: tuple[str, ...] = ()
    broken: bool = False
    """This child is of no further use."""


class Logs:
    """Lines up to a number of characters; what comes after is counted, not kept."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._lines: list[str] = []
        self._dropped = 0

    def add(self, line: str) -> None:
        self._room -= len(line) + 1
        if self._room < 0:
            self._dropped += 1
        else:
            self._lines.append(line)

    def lines(self) -> tuple[str, ...]:
        more = (f"… {self._dropped} more lines were dropped",) if self._dropped else ()
        return (*self._lines, *more)


def with_result(result: bytes, question: Question) -> Answer:
    return Answer(limit="output") if len(result) > question.output else Answer(result)
