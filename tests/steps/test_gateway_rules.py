"""The rules of a FLOW_GATEWAY, evaluated in one sandbox call."""

from collections.abc import AsyncIterator

import pytest

from stepwell.model.codec import decode
from stepwell.steps.control_script import ControlScript
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Limits, SandboxSettings
from stepwell.steps.step import Completed, Failed
from tests.steps.script_views import Written, call_of

pytestmark = pytest.mark.anyio

STEPS = {"ask": {"ref": "ask", "output": {"approved": False, "tries": 3}}}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def scripts(anyio_backend: str) -> AsyncIterator[ControlScript]:
    sandbox = Sandbox(SandboxSettings(children=1, limits=Limits(time_ms=20_000)))
    await sandbox.start()
    yield ControlScript(sandbox)
    await sandbox.stop()


async def first(scripts: ControlScript, *conditions: object) -> tuple[object, list[str], Written]:
    view = Written(STEPS, {"input": {"limit": 2}})
    rules = [{"condition": condition, "targetRef": "x"} for condition in conditions]
    outcome = await scripts.run(call_of({"rules": rules, "defaultTargetRef": "y"}, view))
    assert isinstance(outcome, Completed | Failed)
    said = decode(outcome.output)
    return said["result"] if isinstance(outcome, Completed) else said["error"], said["logs"], view


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        (["() => false"], -1),
        (["() => false", "() => true", "() => true"], 1),
        (["(steps) => steps.ask.output.approved", "(steps) => !steps.ask.output.approved"], 1),
        (["(steps, context) => steps.ask.output.tries > context.input.limit"], 0),
        ([False, True], 1),
        ([False, "function (steps) { return true }"], 1),
        (["() => false // no, never", "() => true /* yes */"], 1),
    ],
)
async def test_the_first_that_holds(scripts: ControlScript, conditions: list[object], index: int) -> None:
    assert (await first(scripts, *conditions))[0] == index


async def test_what_comes_after_it_is_not_asked(scripts: ControlScript) -> None:
    result, logs, _ = await first(scripts, "() => { console.log('a'); return true }", "() => nothing.at.all")
    assert (result, logs) == (0, ["a"])


@pytest.mark.parametrize(
    "condition", ["() => 1", "() => null", "() => 'true'", "async () => true", "() => {}"]
)
async def test_a_condition_gives_true_or_false(scripts: ControlScript, condition: str) -> None:
    error, _, _ = await first(scripts, "() => false", condition)
    assert "rule 2 must return true or false" in str(error)


@pytest.mark.parametrize("condition", ["() => nothing.here", "() => (", "7"])
async def test_a_broken_condition_fails(scripts: ControlScript, condition: str) -> None:
    error, _, _ = await first(scripts, condition)
    assert isinstance(error, str) and "Error" in error


async def test_steps_that_it_names_are_loaded_before(scripts: ControlScript) -> None:
    _, _, view = await first(scripts, "(steps) => steps.ask.output.approved")
    assert "ask" in view.asked
