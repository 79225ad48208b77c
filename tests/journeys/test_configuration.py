"""What a step's configuration says, on a real server: its scripts in the sandbox, its cache and limits in the file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.journeys.harness import PATIENCE_S, ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


def ran(server: ServerProcess, name: str, **given: Any) -> Any:
    with server.client() as client:
        return client.run(name, given, timeout=PATIENCE_S)


def put(server: ServerProcess, name: str, *steps: dict[str, Any]) -> None:
    with server.client() as client:
        client.put_definition({"name": name, "steps": steps})


def javascript(ref: str, script: str, **configuration: Any) -> dict[str, Any]:
    return {"ref": ref, "type": "JAVASCRIPT", "input": {"script": script}, "configuration": configuration}


@pytest.mark.parametrize(
    ("language", "script"),
    [
        (None, "(steps, context) => ({n: context.input.n + 1, __statePut: {seen: true}})"),
        (
            "PYTHON",
            "def main(steps, context):\n    return {'n': context['input']['n'] + 1, '__statePut': {'seen': True}}",
        ),
    ],
    ids=["javascript", "python"],
)
def test_a_script_makes_the_input_of_a_step(server: ServerProcess, language: str | None, script: str) -> None:
    configuration = {"preExecutionScript": script, "constructInputFromScript": True}
    configuration |= {"scriptLanguage": language} if language else {}
    name = f"made_by_{language}"
    put(server, name, {"ref": "a", "type": "NOOP", "input": {"x": 1}, "configuration": configuration})
    process = ran(server, name, n=6)
    assert (process["status"], process["output"], process["state"]) == ("COMPLETED", {"n": 7}, {"seen": True})


def test_a_script_that_throws_fails_the_step(server: ServerProcess) -> None:
    put(server, "throws", javascript("a", "() => 1", preExecutionScript="() => { throw new Error('no') }"))
    process = ran(server, "throws")
    assert process["status"] == "FAILED"
    assert "no" in process["output"]["error"]


def test_a_jq_program_makes_the_output(server: ServerProcess) -> None:
    put(server, "jq", javascript("a", "() => [1, 2, 3]", jqTransformer="{count: (.result | length)}"))
    assert ran(server, "jq")["output"] == {"count": 3}
    put(server, "bad_jq", javascript("a", "() => 1", jqTransformer=".result | error"))
    assert ran(server, "bad_jq")["status"] == "FAILED"


def test_an_output_serves_again(server: ServerProcess) -> None:
    script = "() => Math.random()"
    put(server, "cached", javascript("a", script, useCache=True, cacheKey="{{ input.q }}"))
    first, second, other = (ran(server, "cached", q=q)["output"] for q in (1, 1, 2))
    assert first == second
    assert first != other


@pytest.mark.parametrize(
    "limit",
    [
        {"concurrencyLimit": 2, "concurrencyKey": "{{ input.key }}"},
        {"rateLimitMaxRequests": 4, "rateLimitWindowSeconds": 1, "rateLimitKey": "{{ input.key }}"},
    ],
    ids=["concurrency", "rate"],
)
def test_nobody_is_forgotten_under_a_limit(server: ServerProcess, limit: dict[str, Any]) -> None:
    name = f"limited_{len(limit)}"
    put(server, name, javascript("a", "() => 1", **limit), javascript("b", "() => 2", **limit))
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda key: ran(server, name, key=key), ["x", "y"] * 8))
    assert [process["status"] for process in ended] == ["COMPLETED"] * 16
