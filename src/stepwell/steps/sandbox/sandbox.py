"""Runs a script: sends it with what it names to a child, loads what it asks for, stops it when its time is over."""

import asyncio
import contextlib
import re
import time
from itertools import accumulate
from typing import Any

from stepwell.model.codec import CodecError, Json, change, decode, encode
from stepwell.steps.sandbox.children import Child, Children, Lost, Unavailable
from stepwell.steps.sandbox.reach import attempts, payloads
from stepwell.steps.sandbox.refs import named
from stepwell.steps.sandbox.script import Evaluation, Language, Limits, SandboxSettings, Script
from stepwell.steps.step import MOST_ATTEMPTS, ProcessView

_GRACE_S = 0.25
"""How long a child may take to say itself that the time is over."""
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS = re.compile(rb"[^\[\]{}]+")
_STEP_OF = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_LIMITS = {
    "time_ms": "ran longer than {0.time_ms} ms",
    "memory": "used more than {0.memory} bytes of memory",
    "output": "has a result of more than {0.output} bytes",
}
FEW_ATTEMPTS = 20
"""What a script gets of a step's executions when its text does not speak of them: a loop has thousands."""
_ERROR = 2000
"""Characters of an error that are kept."""
_ATTEMPT_LISTS = ("executionList", "executions", "executionsList")


class Sandbox:
    """Children for two families: JavaScript and JQ, ready from the start, and Python, started when first asked for.

    Fails closed: without a child, its limits or its filter an evaluation is an error that says so."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self._settings = settings or SandboxSettings()
        self._plain = Children("plain", self._settings)
        self._python = Children("python", self._settings)

    async def start(self) -> None:
        """Get ready. On a machine where no child can be closed in, evaluations say why; nothing is raised."""
        with contextlib.suppress(Unavailable):
            await self._plain.warm()

    async def stop(self) -> None:
        await asyncio.gather(self._plain.stop(), self._python.stop())

    @property
    def namespaces(self) -> tuple[str, ...]:
        """What the kernel gives its children beyond what they need: for those who look after the server."""
        return self._plain.namespaces

    async def evaluate(self, script: Script, view: ProcessView, limits: Limits | None = None) -> Evaluation:
        """Run it. Steps are loaded through the view: those it names, and those it turns out to ask for."""
        limits = self._bounded(limits)
        children = self._python if script.language is Language.PYTHON else self._plain
        steps: dict[str, Any] = {}
        context: dict[str, Any] = {}
        if script.language is not Language.JQ:
            context = await view.context(payloads(script.text, python=script.language is Language.PYTHON))
            for ref in named(script.text):
                steps[ref] = await _step(view, ref, script)
        try:
            child = await children.take()
        except Unavailable as error:
            return Evaluation(None, [], f"the {script.kind} was not run: {error}")
        run = _Run(script, limits, child)
        try:
            return await run.rounds(view, steps, context)
        finally:
            if run.usable:
                children.give(child)
            else:
                children.drop(child)

    def _bounded(self, limits: Limits | None) -> Limits:
        most = self._settings.limits
        return most if limits is None else change(limits, memory=min(limits.memory, most.memory))


class _Run:
    """One script on one child."""

    def __init__(self, script: Script, limits: Limits, child: Child) -> None:
        self._script = script
        self._limits = limits
        self._child = child
        self._left_s = limits.time_ms / 1000
        self.usable = True

    async def rounds(self, view: ProcessView, steps: dict[str, Any], context: dict[str, Any]) -> Evaluation:
        for _ in range(self._limits.rounds):
            body = self._script.input if self._script.language is Language.JQ else _arguments(steps, context)
            answer = await self._once(body)
            if isinstance(answer, Evaluation):
                return answer
            if answer in steps:
                return self._failed("asked again for a step that it was given")
            steps[answer] = await _step(view, answer, self._script)
        return self._failed(
            f"asked for more than {self._limits.rounds} steps that it does not name literally"
        )

    async def _once(self, body: Json) -> Evaluation | str:
        """One round: how it ended, or the ref that it asked for."""
        began = time.monotonic()
        header = {
            "language": self._script.language,
            "text": self._script.text,
            "time_ms": max(1, int(self._left_s * 1000)),
            "memory": self._limits.memory,
            "output": self._limits.output,
            "logs": self._limits.logs,
        }
        self.usable = False
        try:
            async with asyncio.timeout(self._left_s + _GRACE_S):
                said, result = await self._child.ask(header, body, self._limits.output)
        except TimeoutError:
            return self._stopped("time_ms")
        except Lost as error:
            return self._failed(f"was stopped with its process: {error} (out of memory, or a forbidden call)")
        spent_s = time.monotonic() - began
        self._left_s -= spent_s
        self._child.used_s += spent_s
        self.usable = not said.broken
        if said.limit or (said.need and self._left_s <= 0):
            return self._stopped(said.limit or "time_ms", said.logs)
        if said.error:
            return Evaluation(None, said.logs, said.error[:_ERROR])
        return said.need or self._checked(result, said.logs)

    def _checked(self, result: Json, logs: list[str]) -> Evaluation:
        if _depth(result, self._limits.depth) > self._limits.depth:
            return self._failed(f"has a result nested deeper than {self._limits.depth} levels", logs)
        try:
            decode(result)
        except CodecError:
            return self._failed("has a result that is not JSON", logs)
        return Evaluation(result, logs)

    def _stopped(self, limit: str, logs: list[str] | None = None) -> Evaluation:
        words = _LIMITS.get(limit, _LIMITS["output"])
        return self._failed(words.format(self._limits), logs)

    def _failed(self, error: str, logs: list[str] | None = None) -> Evaluation:
        return Evaluation(None, logs or [], f"the {self._script.kind} {error}")


async def _step(view: ProcessView, ref: str, script: Script) -> dict[str, Any] | None:
    """A step as scripts see it: its attempts under all three spellings. None: there is none."""
    step = await view.step(ref, MOST_ATTEMPTS if attempts(script.text) else FEW_ATTEMPTS)
    if step is None:
        return None
    executions: list[Any] = next((step[name] for name in _ATTEMPT_LISTS if name in step), [])
    return step | dict.fromkeys(_ATTEMPT_LISTS, executions)


def _arguments(steps: dict[str, Any], context: dict[str, Any]) -> Json:
    known = {ref: step for ref, step in steps.items() if step is not None}
    absent = {ref: True for ref, step in steps.items() if step is None}
    return encode({"steps": known, "absent": absent, "context": context})


def _depth(text: Json, enough: int) -> int:
    """How deep a JSON text is nested; not more than `enough` when that can be seen at once."""
    brackets = text.count(b"[") + text.count(b"{")
    if brackets <= enough:
        return brackets
    nesting = _NOT_BRACKETS.sub(b"", _STRINGS.sub(b"", text))
    return max(accumulate(map(_STEP_OF.__getitem__, nesting)), default=0)
