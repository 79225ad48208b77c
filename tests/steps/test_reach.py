"""What of the context is sent along with a script: never too little."""

import pytest

from stepwell.steps.sandbox.reach import PAYLOADS, attempts, payloads

ALL = "input output state"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("() => true", ""),
        ("(steps) => steps.a.output.n > 3", ""),
        ("steps => steps.a.output.n", ""),
        ("function (steps) { return steps.a.input; }", ""),
        ("(steps, context) => steps.a.output.n", ""),
        ("(steps, context) => context.id", ""),
        ("(steps, context) => steps.a.input.n + context.id", ""),
        ("(steps, context) => context.input.n", "input"),
        ("async (s, c) => c.state.n + c?.input.m", "input state"),
        ("function decide(s, c) {\n return c . output;\n}", "output"),
        ("(s, c) => s.list.output.items.map(i => i * c.state.factor)", "state"),
        ("(s, c) => c['input'].n", ALL),
        ("(s, c) => c.hasOwnProperty('input')", ALL),
        ("(s, c) => JSON.stringify(c)", ALL),
        ("(s, c) => { const { input } = c; return input; }", ALL),
        ("(s, c) => [1].reduce((a, b) => a + b) + c.id", ALL),
        ("(s, {input}) => input.n", ALL),
        ("(s, c = {}) => c.id", ALL),
        ("(...all) => all[1].input", ALL),
        ("() => arguments[1].input", ALL),
        ("function () { return arguments[1].input }", ALL),
        ("(s) => 1, (s, c) => c.input.n", ALL),
        ("(s) => 1, function (s, c) { return c.input.n }", ALL),
        ("(s) => eval('c')", ALL),
        ("(s, \\u0063) => c.input.n", ALL),
        ("// what it does\n(s, c) => c.id", ALL),
        ("function main(s, c) { return c.id }", ""),
        ("function other() {}\nfunction main(s, c) { return c.input }", ALL),
        ("let f = (s, c) => c.id; f", ALL),
        ("", ALL),
    ],
)  # fmt: skip
def test_javascript(text: str, sent: str) -> None:
    assert payloads(text, python=False) == set(sent.split())


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("def main(steps, context):\n    return steps['a']['output']", ""),
        ("def main(steps, context):\n    return context['id']", ""),
        ("def main(steps, context):\n    return context['input']['n']", "input"),
        ("def main(s, c):\n    return c.get('state', {})", "state"),
        ("import json\ndef main(s, c):\n    return json.dumps(c)", ALL),
        ("def main(s, c):\n    return c[s['a']['output']['name']]", ALL),
        ("def help(c):\n    return c['input']\ndef main(s, context):\n    return help(context)", ALL),
        ("def main(s, *more):\n    return more[0]['input']", ALL),
        ("def main(s, c=None):\n    return c['input']", ALL),
        ("main = lambda s, c: c['input']", ALL),
        ("def main(s, c):\n    return 1\ndef main(s, d):\n    return d['input']", ALL),
    ],
)
def test_python(text: str, sent: str) -> None:
    assert payloads(text, python=True) == set(sent.split())


def test_all_is_all() -> None:
    assert set(ALL.split()) == PAYLOADS


@pytest.mark.parametrize("name", ["executions", "executionList", "executionsList"])
def test_attempts(name: str) -> None:
    assert attempts(f"(steps) => steps.a.{name}.length")
    assert not attempts("(steps) => steps.a.output.n")
