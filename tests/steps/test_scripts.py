"""JAVASCRIPT, PYTHON and JQ as steps: what scripts see, what becomes of what they return and print."""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.model.codec import decode
from stepwell.steps.javascript import javascript
from stepwell.steps.jq import jq
from stepwell.steps.python import python
from stepwell.steps.sandbox.refs import named
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Language, Limits, SandboxSettings, Script
from stepwell.steps.sandbox.script_step import SCRIPT_LIMIT
from stepwell.steps.step import BuiltIn, Completed, Failed
from tests.steps.script_views import Written, call_of

pytestmark = pytest.mark.anyio

ROOMY = SandboxSettings(children=1, limits=Limits(time_ms=20_000))
CONTEXT = {"id": 7, "input": {"a": [1, 2]}, "state": {"k": "v"}, "correlationId": "c-1"}
STEPS = {
    "__self": {"id": 3, "ref": "here", "start": 5, "executionList": [{"id": 1}, {"id": 2}]},
    "order": {"id": 2, "ref": "order", "output": {"total": 12.5, "name": "Grüße"}, "executions": []},
    "each[0]": {"ref": "each[0]", "output": {"n": 0}},
    "each[1]": {"ref": "each[1]", "output": {"n": 1}},
    "with-dash": {"ref": "with-dash", "output": None},
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(ROOMY)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


async def run(step: BuiltIn, given: dict[str, Any], view: Written | None = None) -> tuple[type, Any]:
    outcome = await step.run(call_of(given, view or Written(STEPS, CONTEXT)))
    assert isinstance(outcome, Completed | Failed)
    return type(outcome), decode(outcome.output)


JAVASCRIPT = [
    ("(steps, context) => context.input.a[1]", 2),
    ("(steps, context) => context.correlationId + context.state.k", "c-1v"),
    ("  // a comment\n(steps) => {\n  return steps.order.output.total * 2;\n};\n", 25),
    ("(steps) => ({ ...steps['order'].output, more: true })", {"total": 12.5, "name": "Grüße", "more": True}),
    ("function (steps) { return steps[`order`].id; }", 2),
    ("function main(steps) { return steps.order.id; }", 2),
    ("function helper() { return 4; }\nconst main = 1;\nglobalThis.main = () => helper();", 4),
    ("async (steps) => { await null; return steps.order.id; }", 2),
    ("(steps) => Promise.resolve(steps).then((s) => s['ord' + 'er'].id)", 2),
    ("(steps) => steps.nothing", None),
    ("(steps) => steps.nothing?.output ?? 'none'", "none"),
    ("(steps) => ['order' in steps, 'nothing' in steps, 'with-dash' in steps]", [True, False, True]),
    ("(steps) => [0, 1].map((i) => steps[`each[${i}]`].output.n)", [0, 1]),
    ("(steps) => { const { order, nothing } = steps; return [order.id, nothing]; }", [2, None]),
    ("(steps) => Object.keys(steps)", ["__self"]),
    ("(steps) => steps.__self.executionsList.length", 2),
    ("(steps) => steps.__self.executions.length + steps.__self.executionList.length", 4),
    ("(steps) => steps.order.executionList", []),
    ("() => {}", None),
    ("() => undefined", None),
    ("() => null", None),
    ("() => ({ a: undefined, f() {}, b: [undefined] })", {"b": [None]}),
    ("() => [1e21, -0, 0.1, 2 ** 53]", [1e21, 0, 0.1, 2**53]),
    ("() => new Date(0)", "1970-01-01T00:00:00.000Z"),
    ("() => new Date(2026, 0, 1).toISOString()", "2026-01-01T00:00:00.000Z"),
    ("() => typeof Date.now() + typeof Math.random()", "numbernumber"),
    ("() => 'a\\0b\\u2028😀'", "a\0b\u2028😀"),
    ("() => ['\\ud800', '\\\\ud800', 'x\\udfff']", ["\ufffd", "\\ud800", "x\ufffd"]),
    ("(steps) => { steps.order.output.total = 1; return steps.order.output.total; }", 1),
    ("() => typeof process + typeof require + typeof fetch + typeof setTimeout", "undefined" * 4),
]

PYTHON = [
    ("def main(steps, context):\n    return context['input']['a'][1]", 2),
    ("import json\ndef main(steps, context):\n    return json.loads('[1]')", [1]),
    ("def main(steps, context):\n    return steps['order']['output']['total'] * 2", 25),
    ("def main(s, c):\n    return s['ord' + 'er']['output']['name']", "Grüße"),
    (
        "def main(steps, context):\n    return [steps['each[%d]' % i]['output']['n'] for i in range(2)]",
        [0, 1],
    ),
    ("def main(steps, context):\n    return steps.get('nothing', 'none')", "none"),
    ("def main(steps, context):\n    return ['order' in steps, 'nothing' in steps]", [True, False]),
    (
        "def main(steps, context):\n    try:\n        steps['nothing']\n    except KeyError:\n        return 'no'",
        "no",
    ),
    (
        "def main(s, c):\n    try:\n        return s['or' + 'der']['id']\n    except KeyError:\n        pass",
        2,
    ),
    ("def main(steps, context):\n    return len(steps['__self']['executionsList'])", 2),
    (
        "def main(steps, context):\n    me = steps['__self']\n    return me['executions'] == me['executionList']",
        True,
    ),
    ("def main(steps, context):\n    return list(steps.keys())", ["__self"]),
    ("def main(steps, context):\n    pass", None),
    ("def main(steps, context):\n    return (1, [2], {'a': None, 3: 'x'})", [1, [2], {"a": None, "3": "x"}]),
    ("import math, re, datetime\ndef main(steps, context):\n    return math.floor(2.5)", 2),
    ("def main(steps, context):\n    return 10 ** 30", 10**30),
    ("def main(steps, context):\n    return 'a\\x00b😀'", "a\0b😀"),
    ("x = 1\ndef helper():\n    return x + 1\ndef main(steps, context):\n    return helper()", 2),
]

JQ = [
    (".", {"a": 1}, {"a": 1}),
    (".items | map(.price) | add", {"items": [{"price": 1}, {"price": 2}]}, 3),
    (".[]", [1, 2, 3], [1, 2, 3]),
    (".[]", [7], 7),
    (".a", None, None),
    ("empty", {}, None),
    ('"\\(.a)-x"', {"a": "ü\0"}, "ü\0-x"),
    ("now | type", None, "number"),
    ('$ENV | has("HOME")', None, False),
    ("[inputs]", 1, []),
    ("ascii_downcase", "JSON", "json"),
]

FAILING = [
    ("javascript", "() => { throw new Error('boom') }", "Error: boom (line 1)"),
    ("javascript", "(steps) => {\n  return steps.nothing.output\n}", "of undefined (line 2)"),
    ("javascript", "() => { throw { code: 5 } }", '{"code":5}'),
    ("javascript", "() => 1n", "BigInt"),
    ("javascript", "() => ({ a: { price: NaN } })", 'NaN under "price"'),
    ("javascript", "() => -Infinity", "-Infinity"),
    ("javascript", "() => { const a = []; a.push(a); return a }", "circular"),
    ("javascript", "1 + 1", "not a function"),
    ("javascript", "(a => ", "SyntaxError"),
    ("javascript", "() => new Promise(() => {})", "never settled"),
    ("javascript", "async () => { throw new TypeError('late') }", "TypeError: late"),
    ("javascript", "import('os')", "not a function"),
    ("python", "def main(steps, context):\n    return 1 / 0", "ZeroDivisionError: division by zero (line 2)"),
    ("python", "def main(steps, context):\n    return steps['nothing']", "KeyError: nothing (line 2)"),
    ("python", "def other():\n    pass", "no main(steps, context)"),
    ("python", "def main(:", "SyntaxError"),
    ("python", "def main(steps, context):\n    return float('nan')", "nan"),
    ("python", "def main(steps, context):\n    return {1, 2}", "set is not JSON serializable"),
    ("python", "def main(steps, context):\n    return lambda: 1", "function is not JSON serializable"),
    ("python", "import requests\ndef main(steps, context):\n    pass", "No module named 'requests'"),
    ("jq", ".a |", "syntax error"),
    ("jq", ".a.b", "Cannot index"),
    ("jq", 'error("mine")', "mine"),
    ("jq", 'import "a" as a; 1', "module not found"),
]

FACTORIES = {"javascript": javascript, "python": python, "jq": jq}


@pytest.mark.parametrize(("script", "result"), JAVASCRIPT)
async def test_javascript(sandbox: Sandbox, script: str, result: Any) -> None:
    assert await run(javascript(sandbox), {"script": script}) == (Completed, {"result": result, "logs": []})


@pytest.mark.parametrize(("script", "result"), PYTHON)
async def test_python(sandbox: Sandbox, script: str, result: Any) -> None:
    assert await run(python(sandbox), {"script": script}) == (Completed, {"result": result, "logs": []})


@pytest.mark.parametrize(("script", "given", "result"), JQ)
async def test_jq(sandbox: Sandbox, script: str, given: Any, result: Any) -> None:
    said = await run(jq(sandbox), {"script": script, "input": given})
    assert said == (Completed, {"result": result, "logs": []})


@pytest.mark.parametrize(("language", "script", "error"), FAILING)
async def test_a_failing_script_says_why(sandbox: Sandbox, language: str, script: str, error: str) -> None:
    kind, said = await run(FACTORIES[language](sandbox), {"script": script, "input": 5})
    assert kind is Failed
    assert error in said["error"]
    assert said["logs"] == []


JS_PRINTS = "() => { console.log('a', 1, { b: [2] }, null); console.warn('c') }"
PYTHON_PRINTS = "def main(steps, context):\n    print('a', 1, {'b': [2]})\n    print('c\\nd', end='')"


@pytest.mark.parametrize(
    ("language", "script", "logs"),
    [
        ("javascript", JS_PRINTS, ['a 1 {"b":[2]} null', "c"]),
        ("python", PYTHON_PRINTS, ["a 1 {'b': [2]}", "c", "d"]),
    ],
)
async def test_what_is_printed_lands_in_logs(
    sandbox: Sandbox, language: str, script: str, logs: list[str]
) -> None:
    assert await run(FACTORIES[language](sandbox), {"script": script}) == (
        Completed,
        {"result": None, "logs": logs},
    )


@pytest.mark.parametrize(
    ("language", "script"),
    [
        ("javascript", "() => { console.log('before'); throw new Error('x') }"),
        ("python", "def main(steps, context):\n    print('before')\n    raise ValueError('x')"),
    ],
)
async def test_logs_survive_a_failure(sandbox: Sandbox, language: str, script: str) -> None:
    kind, said = await run(FACTORIES[language](sandbox), {"script": script})
    assert (kind, said["logs"]) == (Failed, ["before"])


async def test_only_the_last_round_is_kept(sandbox: Sandbox) -> None:
    view = Written(STEPS)
    script = (
        "(s) => { console.log('again'); try { return s['each[' + 1 + ']'].ref } catch { return 'caught' } }"
    )
    said = await run(javascript(sandbox), {"script": script}, view)
    assert said == (Completed, {"result": "each[1]", "logs": ["again"]})
    assert view.asked == ["__self", "each[1]"]


async def test_a_script_that_asks_for_ever_more_steps_is_stopped(sandbox: Sandbox) -> None:
    limits = Limits(time_ms=20_000, rounds=5)
    script = Script(Language.JAVASCRIPT, "(s) => { for (let i = 0; ; i++) s['r' + i] }", "condition")
    said = await sandbox.evaluate(script, Written(), limits)
    assert said.error == "the condition asked for more than 5 steps that it does not name literally"


async def test_nothing_stays_from_one_script_to_the_next(sandbox: Sandbox) -> None:
    await run(
        javascript(sandbox),
        {"script": "() => { globalThis.left = 1; Array.prototype.push = null; JSON.parse = null }"},
    )
    after = await run(
        javascript(sandbox), {"script": "() => { [].push(1); return typeof left + JSON.parse('1') }"}
    )
    assert after[1]["result"] == "undefined1"
    await run(
        python(sandbox), {"script": "import json\nleft = 1\njson.dumps = None\ndef main(s, c):\n    pass"}
    )
    after = await run(python(sandbox), {"script": "def main(s, c):\n    return left"})
    assert "NameError" in after[1]["error"]


TOO_LARGE = "the script has a result of more than 1000 bytes"
TOO_LONG = "the script ran longer than 100 ms"
TOO_MUCH = "the script used more than 16777216 bytes of memory"
SMALL, SHORT, LITTLE = Limits(output=1000), Limits(time_ms=100), Limits(time_ms=20_000, memory=2**24)
LIMITED = [
    ("javascript", "() => 'x'.repeat(2000)", SMALL, TOO_LARGE),
    ("python", "def main(s, c):\n    return 'x' * 2000", SMALL, TOO_LARGE),
    ("jq", "[range(2000)]", SMALL, TOO_LARGE),
    ("jq", "repeat(1)", SMALL, TOO_LARGE),
    (
        "javascript",
        "() => [[[['[']]]]",
        Limits(depth=3),
        "the script has a result nested deeper than 3 levels",
    ),
    ("javascript", "() => ['[[[[', '{\"[[[{']", Limits(depth=3), None),
    (
        "python",
        "def main(s, c):\n    return [[[]]]",
        Limits(depth=2),
        "the script has a result nested deeper than 2 levels",
    ),
    ("javascript", "() => { for (;;); }", SHORT, TOO_LONG),
    ("python", "def main(s, c):\n    while True:\n        pass", SHORT, TOO_LONG),
    ("jq", "last(repeat(1))", SHORT, TOO_LONG),
    ("javascript", "() => { const a = []; for (;;) a.push(new Array(1e5).fill(1)) }", LITTLE, TOO_MUCH),
    ("python", "def main(s, c):\n    a = []\n    while True:\n        a.append('x' * 999)", LITTLE, TOO_MUCH),
]


@pytest.mark.parametrize(("language", "script", "limits", "error"), LIMITED)
async def test_limits(
    sandbox: Sandbox, language: str, script: str, limits: Limits, error: str | None
) -> None:
    said = await sandbox.evaluate(Script(Language(language), script), Written(), limits)
    assert said.error == error


@pytest.mark.parametrize(
    ("language", "script"),
    [
        ("javascript", "() => { for (let i = 0; i < 100; i++) console.log('0123456789') }"),
        ("python", "def main(s, c):\n    for i in range(100):\n        print('0123456789')"),
    ],
)
async def test_more_logs_than_allowed_are_counted(sandbox: Sandbox, language: str, script: str) -> None:
    said = await sandbox.evaluate(
        Script(Language(language), script), Written(), Limits(time_ms=20_000, logs=35)
    )
    assert said.error is None
    assert said.logs == ["0123456789"] * 3 + ["… 97 more lines were dropped"]


@pytest.mark.parametrize("factory", FACTORIES.values())
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "MISSING"),
        ({"script": ""}, "MISSING"),
        ({"script": 5}, "WRONG_KIND"),
        ({"script": "x" * 70_000}, "LIMIT"),
    ],
)
async def test_the_script_is_checked(
    sandbox: Sandbox, factory: Any, given: dict[str, Any], code: str
) -> None:
    problems = factory(sandbox).check(given, "steps[0].input")
    assert [(problem.path, problem.code) for problem in problems] == [("steps[0].input.script", code)]
    kind, said = await run(factory(sandbox), given)
    assert kind is Failed
    assert "input.script" in said["error"]


async def test_the_largest_script_runs(sandbox: Sandbox) -> None:
    script = "() => 5 //"
    script += "x" * (SCRIPT_LIMIT - len(script))
    assert javascript(sandbox).check({"script": script}, "") == []
    assert (await run(javascript(sandbox), {"script": script}))[1]["result"] == 5


@pytest.mark.parametrize(
    ("text", "refs"),
    [
        ("steps.a + steps . b + steps?.c", ["a", "b", "c"]),
        ("steps['a-b'].x + steps[\"c[0]\"] + steps?.[`d`]", ["a-b", "c[0]", "d"]),
        ("steps.get('e', 1)", ["e"]),
        ("mysteps.a; steps[x]; steps['a", []),
    ],
)
def test_refs_that_a_script_names(text: str, refs: list[str]) -> None:
    assert named(text) == ["__self", *refs]


# -- fails closed


def launcher(folder: Path, code: str) -> str:
    """A program in Python's place that does something first and then is Python."""
    file = folder / "launcher"
    python = repr(sys.executable)
    file.write_text(
        f"#!{sys.executable}\nimport os, sys\n{code}\nos.execv({python}, [{python}, *sys.argv[1:]])\n"
    )
    file.chmod(0o755)
    return str(file)


WITHOUT = """
import ctypes, platform, struct
x86 = platform.machine() == "x86_64"
number = {{"seccomp": (317, 277), "unshare": (272, 97), "capset": (126, 91)}}["{call}"][0 if x86 else 1]
code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, number, 6, 0, 0, 0x50001, 6, 0, 0, 0x7FFF0000)
held = ctypes.create_string_buffer(code)
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("HxxxxxxP", 4, ctypes.addressof(held))) == 0
"""


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("call", ["seccomp", "capset"])
async def test_without_filter_or_limits_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: Language, call: str
) -> None:
    monkeypatch.setattr(sys, "executable", launcher(tmp_path, WITHOUT.format(call=call)))
    sandbox = Sandbox(ROOMY)
    await sandbox.start()
    said = await sandbox.evaluate(Script(language, "1", "condition"), Written())
    await sandbox.stop()
    assert said.result is None
    assert said.error
    assert said.error.startswith("the condition was not run: the sandbox cannot be closed on this machine: ")


@pytest.mark.parametrize("program", ["/nonexistent/python", "/bin/true"])
async def test_without_a_child_nothing_runs(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "executable", program)
    sandbox = Sandbox(ROOMY)
    await sandbox.start()
    said = await sandbox.evaluate(Script(Language.JAVASCRIPT, "() => 1"), Written())
    await sandbox.stop()
    assert said.error
    assert said.error.startswith("the script was not run: ")


async def test_namespaces_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", launcher(tmp_path, WITHOUT.format(call="unshare")))
    sandbox = Sandbox(ROOMY)
    await sandbox.start()
    assert sandbox.namespaces == ()
    said = await sandbox.evaluate(Script(Language.JAVASCRIPT, "() => 1"), Written())
    await sandbox.stop()
    assert said.result == b"1"


# -- its processes


@pytest.mark.parametrize("then", ["return 1", "for (;;);"])
async def test_a_caller_that_goes_away_leaves_the_sandbox_usable(sandbox: Sandbox, then: str) -> None:
    view = Held(then == "return 1")
    script = Script(Language.JAVASCRIPT, "(steps) => { steps['a' + 1]; … }".replace("…", then))
    task = asyncio.create_task(sandbox.evaluate(script, view))
    await view.reached.wait()
    await turns(20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await run(javascript(sandbox), {"script": "() => 5"}) == (Completed, {"result": 5, "logs": []})


class Held(Written):
    """Says when it was asked for a step that the script does not name; and may never answer."""

    def __init__(self, for_ever: bool) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self._for_ever = for_ever

    async def step(self, ref: str, attempts: int = 0) -> dict[str, Any] | None:
        if ref == "a1":
            self.reached.set()
            if self._for_ever:
                await asyncio.Event().wait()
        return None


async def turns(count: int) -> None:
    """Let everything else do what it can."""
    for _ in range(count):
        await asyncio.sleep(0)


SERVER = """
import asyncio, sys
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import *
from tests.steps.script_views import Written

async def serve():
    sandbox = Sandbox(SandboxSettings(children=1, limits=Limits(time_ms=60_000)))
    await sandbox.start()
    for language, text in (("javascript", "() => 1"), ("python", "def main(s, c):\\n    return 1")):
        assert (await sandbox.evaluate(Script(Language(language), text), Written())).result == b"1"
    asyncio.create_task(sandbox.evaluate(Script(Language.JAVASCRIPT, "() => { for (;;); }"), Written()))
    for _ in range(20):
        await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


def test_the_children_die_with_the_server() -> None:
    paths = [path for path in sys.path if path] + [str(Path(__file__).parents[2])]
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        children = descendants(server.pid)
        assert len(children) == 3  # JavaScript and JQ; Python and its interpreter
        ends = [os.pidfd_open(pid) for pid in children]
        server.kill()
    for end in ends:
        assert select.select([end], [], [], 30)[0], "a child is still there"
        os.close(end)


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found
