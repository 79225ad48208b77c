"""A child: takes in its interpreters, locks itself in, then answers one question after the other on its pipes.

Started as `python -I -S -c <this module's main> <family> <server's pid> <cpu seconds> <module paths>`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stepwell.steps.sandbox import confine, seccomp
from stepwell.steps.sandbox.frames import LENGTHS, frame
from stepwell.steps.sandbox.interpreters.answer import Answer, Question

Run = Callable[[Question], Answer]
Prepare = Callable[[], None]

_IN, _OUT = 0, 1


def main(family: str, parent: str, cpu_s: str) -> None:
    try:
        confine.be_modest()
        taken = confine.leave_the_machine()
        os.environ["TZ"] = (
            "UTC0"  # libc looks for a time zone file otherwise, whenever a script asks for the date
        )
        time.tzset()
        runs, prepare = (_python if family == "python" else _plain)(int(cpu_s))
        confine.die_with(int(parent))  # late: a change of rights forgets it
        seccomp.install(seccomp.computing())
    except Exception as error:  # whatever is missing, the host has to hear of it: it then runs nothing here
        _say({"refused": f"{type(error).__name__}: {error}"})
        return
    _say({"ready": taken, "processes": _helpers})
    serve(runs, prepare)


_helpers: list[int] = []
"""Processes that a child has started for itself; the host takes their rights away too."""


def _plain(cpu_s: int) -> tuple[dict[str, Run], Prepare]:
    from stepwell.steps.sandbox.interpreters import javascript, jq

    confine.drop_rights()
    confine.limit(cpu_s)
    nothing = '{"steps":{},"absent":{},"context":{}}'
    javascript.run(Question("() => new Date().toString()", nothing, 5000, 2**24, 99, 9))
    jq.run(Question('now|localtime|strflocaltime("%Z")', "null", 5000, 2**24, 99, 9))
    javascript.prepare()
    return {"javascript": javascript.run, "jq": jq.run}, javascript.prepare


def _python(cpu_s: int) -> tuple[dict[str, Run], Prepare]:
    from stepwell.steps.sandbox.interpreters import python

    confine.drop_rights()
    confine.limit(cpu_s)
    seccomp.install(seccomp.starting())
    python.start()
    for task in Path("/proc/self/task").iterdir():
        _helpers.extend(int(pid) for pid in (task / "children").read_text().split())
    return {"python": python.run}, lambda: None


def serve(runs: dict[str, Run], prepare: Prepare) -> None:
    """Until the pipe is closed, or an interpreter is of no further use. `prepare` runs while nobody waits."""
    while True:
        lengths = _read(LENGTHS.size)
        header, body = (_read(length) for length in LENGTHS.unpack(lengths))
        asked = json.loads(header)
        arguments = body.decode()
        answer = runs[asked.pop("language")](Question(arguments=arguments, **asked))
        said = answer._asdict()
        _say(said, said.pop("result"))
        if answer.broken:
            return
        prepare()


def _say(header: object, body: bytes = b"") -> None:
    rest = memoryview(frame(json.dumps(header).encode(), body))
    while rest:
        rest = rest[os.write(_OUT, rest) :]


def _read(length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = os.read(_IN, length - len(parts))
        if not part:
            sys.exit(0)
        parts += part
    return bytes(parts)
