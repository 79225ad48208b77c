"""Every example is run, with the worker that stands beside it, on a real server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepwell.client import Client
from stepwell.client.asking import Call
from stepwell.demo import INPUT
from stepwell.engine.control.table import CONTROLS
from stepwell.model.definition import StepType
from tests.journeys.harness import PATIENCE_S, ServerProcess
from tests.journeys.plugins import installed
from tests.journeys.shop import shop

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGES = ROOT / "docs" / "reference" / "step-types"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with (
        installed(EXAMPLES / "slug_step", tmp_path_factory.mktemp("site")),
        ServerProcess(tmp_path_factory.mktemp("server"), http_allow="127.0.0.1") as running,
        working(running, EXAMPLES / "step_types" / "workers.py"),
        running.client() as client,
    ):
        prepare(client)
        yield running


def prepare(client: Client) -> None:
    """What examples need beside themselves: a process to start and wait for, a decision table."""
    client.put_definition((EXAMPLES / "step_types" / "noop.yaml").read_text(encoding="utf-8"))
    table = (EXAMPLES / "step_types" / "decision_engine.table.json").read_bytes()
    client.send(Call(method="POST", path="/api/decisionTables", body=table))


@contextmanager
def working(server: ServerProcess, module: Path) -> Iterator[None]:
    """`stepwell worker <module>` while the block lasts; it must end well when it is told to."""
    command = [sys.executable, "-m", "stepwell.cli", "worker", str(module)]
    worker = subprocess.Popen(command, env=server.environment, stderr=subprocess.DEVNULL)
    try:
        yield
        worker.terminate()
        assert worker.wait(PATIENCE_S) == 0
    finally:
        worker.kill()
        worker.wait()


def ran(client: Client, file: Path, given: dict[str, Any]) -> Any:
    definition = client.put_definition(file.read_text(encoding="utf-8"))
    return client.run(definition["name"], given, timeout=PATIENCE_S)


SHOP = "the shop's address"
"""Stands in an input where a web server is needed."""

STEP_TYPES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "worker": ({"name": "Asha"}, "COMPLETED", {"result": "Hello, Asha"}),
    "noop": ({"customer": {"id": 3}, "id": 7}, "COMPLETED", {"customer": {"id": 3}, "label": "order 7"}),
    "fail": ({"sku": "LAMP"}, "FAILED", {"error": "no stock for LAMP", "failedStepRef": "refuse"}),
    "exit": ({"reason": "sold out"}, "COMPLETED", {"reason": "sold out"}),
    "list": ({"number": 5}, "COMPLETED", {"result": 20}),
    "parallel": ({"left": "A", "right": "B"}, "COMPLETED", {"text": "Hello, A and Hello, B"}),
    "foreach": (
        {"numbers": [1, 2, 3]},
        "COMPLETED",
        {"results": [{"result": 2}, {"result": 4}, {"result": 6}]},
    ),
    "persisted_state": ({"order": 7}, "COMPLETED", {"name": "last_order", "value": 7, "found": True}),
    "decision_engine": ({"score": 700}, "COMPLETED", {"rate": 2.9}),
    "dependson": ({}, "COMPLETED", {"holds": True}),
    "flow_gateway": ({"tries": 3}, "COMPLETED", {"tries": 3}),
    "update_step": ({"approved": True}, "COMPLETED", {"approved": True}),
    "send_response": ({"order": 7}, "COMPLETED", {"sent": 202}),
    "process_tracker": ({}, "COMPLETED", {"status": "COMPLETED"}),
    "switch": ({"weight": 40}, "COMPLETED", {"case": "large", "truck": "COMPLETED", "mail": "SKIPPED"}),
    "while": ({"number": 20}, "COMPLETED", {"passes": 3, "number": 160}),
    "wait": ({"order": 7}, "COMPLETED", {"timedOut": True}),
    "sub_process": ({"customer": {}, "id": 7}, "COMPLETED", {"label": "order 7"}),
    "javascript": ({"prices": [1, 2.5]}, "COMPLETED", {"result": "3.5 EUR"}),
    "python": ({"prices": [1, 2.5]}, "COMPLETED", {"result": 3.5}),
    "jq": ({"items": [{"price": 1}, {"price": 2}]}, "COMPLETED", {"result": 3}),
    "http": ({"shop": SHOP, "id": 7}, "COMPLETED", {"statusCode": 200, "firstSku": "LAMP"}),
    "builtin": ({"title": "Hello, World!"}, "COMPLETED", {"slug": "hello-world"}),
}
"""File → input, the status it ends in, what its output must hold."""


@pytest.mark.parametrize("name", sorted(STEP_TYPES))
def test_step_type(server: ServerProcess, name: str) -> None:
    given, status, output = STEP_TYPES[name]
    with server.client() as client, shop() as site:
        given = {key: site.url if value is SHOP else value for key, value in given.items()}
        process = ran(client, EXAMPLES / "step_types" / f"{name}.yaml", given)
    assert process["status"] == status
    assert output.items() <= process["output"].items()


def test_every_step_type_has_its_page_and_its_example() -> None:
    types = {step_type.value.lower() for step_type in CONTROLS}
    assert set(STEP_TYPES) == types
    assert {file.stem for file in (EXAMPLES / "step_types").glob("*.yaml")} == types
    for name in types:
        page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {name.upper()}\n")
        example = (EXAMPLES / "step_types" / f"{name}.yaml").read_text(encoding="utf-8")
        assert f"```yaml\n{example}```" in page, "the page shows the example as it is"
        assert name.upper() in types_in(yaml.safe_load(example)["steps"])


def types_in(steps: list[dict[str, Any]]) -> set[str]:
    return {step["type"] for step in steps}.union(*(types_in(step.get("children", [])) for step in steps))


def test_order_fulfilment(server: ServerProcess) -> None:
    with server.client() as client, working(server, EXAMPLES / "order_fulfilment.py"):
        client.put_policy((EXAMPLES / "order_policies.yaml").read_text(encoding="utf-8"))
        process = ran(client, EXAMPLES / "order_fulfilment.yaml", INPUT)
        steps = {
            step["ref"]: step for step in client.process(process["processId"], steps=True)["stepRecords"]
        }
    assert process["status"] == "COMPLETED"
    assert process["output"] == {"orderId": "SO-1042", "tracking": "TRK-SO-1042", "paid": 410.5}
    assert steps["charge"]["executionCount"] == 2
    assert steps["suggestions"]["status"] == "FAILED"
    assert {ref for ref in steps if ref.startswith("pick[")} == {"pick[0]", "pick[1]", "pick[2]"}


def test_hello(server: ServerProcess) -> None:
    with working(server, EXAMPLES / "hello" / "worker.py"):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / "hello" / "run.py")],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
        )
    assert done.stdout == "COMPLETED HELLO, ASHA!\n", done.stderr


def test_quote(server: ServerProcess) -> None:
    example = EXAMPLES / "quote.yaml"
    with server.client() as client:
        process = ran(client, example, {"customer": "trade", "prices": [10, 5.5]})
    assert (process["status"], process["output"]["result"]) == ("COMPLETED", 13.95)
    page = (ROOT / "docs" / "reference" / "process-types.md").read_text(encoding="utf-8")
    assert f"```yaml\n{example.read_text(encoding='utf-8')}```" in page


def test_the_how_to_shows_the_package_that_is_run() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-step-type.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) < 60
    for file in sorted((EXAMPLES / "slug_step").iterdir()):
        if file.is_file():
            assert file.read_text(encoding="utf-8") in page


def test_the_readme_names_the_step_types_that_are_missing() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = [
        line for line in readme.splitlines() if line.startswith("- **Step types that are not there yet.**")
    ]
    assert {word for word in StepType if word.value in re.findall(r"[A-Z_]{2,}", line)} == set(
        StepType
    ) - set(CONTROLS)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "docs" / "tutorial.md"], ids=lambda page: page.name
)
@pytest.mark.parametrize("file", ["hello.yaml", "worker.py"])
def test_what_the_docs_show_is_what_is_run(page: Path, file: str) -> None:
    assert (EXAMPLES / "hello" / file).read_text(encoding="utf-8") in page.read_text(encoding="utf-8")
