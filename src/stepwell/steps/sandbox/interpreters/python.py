"""Python by Monty, an interpreter of its own with no access to the host.

Monty runs in a process of its own; its client, in the child, starts it once. Every script gets a fresh session.
"""

import sys
from pathlib import Path

import pydantic_monty as monty

from stepwell.steps.sandbox.interpreters.answer import Answer, Logs, Question, with_result

_RECURSION = 400
_SCRIPT = "<python-input-1>"

_PREPARE = '''
import json as __json

class __Steps:
    """Steps by ref. One that was not sent is noted, and the host sends it."""

    def __init__(self, known, absent):
        self.known = known
        self.absent = absent
        self.need = ""

    def __getitem__(self, ref):
        if ref in self:
            return self.known[ref]
        raise KeyError(ref)

    def __contains__(self, ref):
        if ref in self.known:
            return True
        if ref not in self.absent:
            self.need = self.need or str(ref)
            raise KeyError(ref)
        return False

    def get(self, ref, default=None):
        return self.known[ref] if ref in self else default

    def __iter__(self):
        return iter(self.known)

    def __len__(self):
        return len(self.known)

    def keys(self):
        return self.known.keys()

    def values(self):
        return self.known.values()

    def items(self):
        return self.known.items()

__given = __json.loads(__arguments)
__steps = __Steps(__given["steps"], __given["absent"])

def __text(value):
    return __json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))

__call = [__text, __steps, __given["context"]]
'''
_CALL = "(__call[0](main(__call[1], __call[2])), __call[1].need)"
_NEED = "__call[1].need"
_LIMITS = {"TimeoutError": "time_ms", "MemoryError": "memory"}

_pool: monty.Monty | None = None


def start() -> None:
    """Start Monty's process, and let it do a first script: what it loads late, it loads now."""
    global _pool
    _pool = monty.Monty(binary_path=_binary(), min_processes=1, max_processes=1, request_timeout=None)
    _pool.__enter__()
    warm = Question(
        'def main(steps, context):\n    print("")\n',
        '{"steps":{},"absent":{},"context":{}}',
        5000,
        2**24,
        99,
        9,
    )
    answer = run(warm)
    if answer.result != b"null":
        raise RuntimeError(answer.error or answer.limit)


def _binary() -> str:
    """Installed beside this Python, or where its package's own record says; the child knows no other places."""
    places = [Path(sys.executable).parent, Path(monty.__file__).parents[4] / "bin"]
    found = [place / "monty" for place in places if (place / "monty").is_file()]
    if not found:
        raise FileNotFoundError("there is no `monty` program beside this Python")
    return str(found[0])


def run(question: Question) -> Answer:
    logs = _Printed(question.logs)
    try:
        answer = _session(question, logs)
    except monty.MontyCrashedError as error:
        answer = Answer(error=f"the interpreter stopped: {error}"[:1000], broken=True)
    return answer._replace(logs=logs.lines())


def _session(question: Question, logs: "_Printed") -> Answer:
    assert _pool is not None
    limits = monty.ResourceLimits(
        max_feed_duration_secs=question.time_ms / 1000,
        max_memory=question.memory,
        max_recursion_depth=_RECURSION,
    )
    policy = monty.OSPolicy(sleep="zero", timezone="utc")
    with _pool.checkout(script_name="script.py", limits=limits, os_policy=policy) as session:
        try:
            session.feed_run(_PREPARE, inputs={"__arguments": question.arguments})
            session.feed_run(question.text, print_callback=logs.take)
            text, need = session.feed_run(_CALL, print_callback=logs.take)
        except (monty.MontyRuntimeError, monty.MontySyntaxError) as error:
            kind = type(error.exception()).__name__
            if kind in _LIMITS and "limit exceeded" in str(error):
                return Answer(limit=_LIMITS[kind])
            return Answer(need=_needed(session)) if _needed(session) else Answer(error=_described(error))
    if need:
        return Answer(need=str(need))
    return with_result(str(text).encode("utf-8", "replace"), question)


def _needed(session: monty.MontySession) -> str:
    try:
        return str(session.feed_run(_NEED))
    except monty.MontyError:
        return ""  # the script has put something of its own there


def _described(error: "monty.MontyRuntimeError | monty.MontySyntaxError") -> str:
    frames = [frame for frame in error.traceback() if frame.filename == _SCRIPT]
    line = f" (line {frames[-1].line})" if frames else ""
    text = error.display("type-msg")
    if "name 'main' is not defined" in text and not frames:
        return "the script defines no main(steps, context)"
    return text.strip()[:1900] + line


class _Printed(Logs):
    """What `print` sends, in whatever pieces, cut into lines."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._limit = limit
        self._open = ""

    def take(self, _stream: str, text: str) -> None:
        *lines, self._open = (self._open + text).split("\n")
        self._open = self._open[: self._limit + 1]
        for line in lines:
            self.add(line)

    def lines(self) -> tuple[str, ...]:
        if self._open:
            self.add(self._open)
            self._open = ""
        return super().lines()
