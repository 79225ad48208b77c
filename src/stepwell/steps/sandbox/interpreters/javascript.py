"""JavaScript by quickjs-ng. Every script gets a context of its own, with no function of the host in it.

The next context is made while nobody waits: that is two thirds of what a small script costs.
"""

import json
import re
from importlib import resources
from typing import Any

import quickjs

from stepwell.steps.sandbox.interpreters.answer import Answer, Question, with_result

_HARNESS = resources.files(__package__).joinpath("harness.js").read_text(encoding="utf-8")
_STACK = 512 * 1024
_JOBS = 1_000_000
_LONE_SURROGATE = re.compile(r"(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}")
"""JSON.stringify escapes a surrogate only when it has no partner."""

Call = Any

_ready: list[tuple[Any, Call]] = []
"""At most one context that no script has seen, with its harness."""


def prepare() -> None:
    """Make the next script's context now."""
    if not _ready:
        context = quickjs.Context()
        context.set_max_stack_size(_STACK)
        _ready.append((context, context.eval(_HARNESS)))


def run(question: Question) -> Answer:
    prepare()
    context, harness = _ready.pop()
    context.set_memory_limit(question.memory)
    context.set_time_limit(question.time_ms / 1000)
    try:
        said = _play(context, harness, question)
    except quickjs.JSException as error:
        said = _stopped(str(error).strip().split("\n")[0], question)
    return said._replace(logs=_logs(context, harness))


def _play(context: Any, harness: Call, question: Question) -> Answer:
    outcome = harness("run", question.text, question.arguments, question.logs)
    jobs = 0
    while outcome == "pending" and jobs < _JOBS and context.execute_pending_job():
        jobs += 1
        outcome = harness("settled") if jobs % 64 == 0 else outcome
    outcome = harness("settled")
    if outcome == "pending":
        return Answer(error="the promise was never settled")
    text = harness("said")
    if outcome == "need":
        return Answer(need=_plain(json.loads(text)))
    if outcome == "error":
        return _stopped(_plain(json.loads(text)), question)
    return with_result(_LONE_SURROGATE.sub(r"\1\\ufffd", text).encode(), question)


def _logs(context: Any, harness: Call) -> tuple[str, ...]:
    try:
        context.set_memory_limit(-1)  # the script has ended, perhaps for want of memory
        context.set_time_limit(0.1)
        return tuple(_plain(line) for line in json.loads(harness("logs")))
    except (quickjs.JSException, ValueError, TypeError):
        return ()


def _stopped(message: str, question: Question) -> Answer:
    if message.startswith("InternalError: interrupted"):
        return Answer(limit="time_ms")
    if message.startswith("InternalError: out of memory"):
        return Answer(limit="memory")
    if message == "null":  # what is thrown when there is no room left for an error
        return Answer(error=f"the script threw null, or used more than {question.memory} bytes of memory")
    return Answer(error=message[:2000])


def _plain(text: object) -> str:
    return str(text).encode("utf-8", "replace").decode()
