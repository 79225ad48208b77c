"""`stepwell move` as an operator uses it: a server with work in flight, moved, and gone on with."""

import json
import subprocess
import sys
from pathlib import Path

from tests.journeys.harness import ServerProcess
from tests.journeys.test_retention import NOOP

WORKER = {"type": "WORKER", "name": "work", "ref": "w"}


def stepwell(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stepwell.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_server_s_database_is_moved_and_gone_on_with(tmp_path: Path) -> None:
    old, new = f"sqlite:///{tmp_path / 'stepwell.db'}", f"sqlite:///{tmp_path / 'new' / 'stepwell.db'}"
    with ServerProcess(tmp_path) as server, server.client() as client:
        client.put_definition({"name": "p", "steps": [NOOP, WORKER]})
        running = client.start("p", {"x": 7})["processId"]
        client.put_secret("s", "never seen")
        assert "belongs to another server" in stepwell("move", "--to", new, "--database", old).stderr

    moved = stepwell("move", "--to", new, "--database", old, "--output", "json")
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["process"] == 1
    refused = stepwell("server", "--database", old, "--port", "0")
    assert refused.returncode != 0 and "moved" in refused.stderr
    assert stepwell("move", "--to", new, "--database", old).returncode != 0

    key = tmp_path / "stepwell.db.key"
    with ServerProcess(tmp_path / "new", key_file=key) as server, server.client() as client:
        process = client.process(running, steps=True)
        assert [step["status"] for step in process["stepRecords"]] == ["COMPLETED", "SCHEDULED"]
        client.complete_step(running, "w", {"ok": True})
        assert client.process(running)["status"] == "COMPLETED"
        assert [secret["name"] for secret in client.secrets()] == ["s"]

    assert "as it was" in stepwell("move", "--undo", "--database", old).stderr
    with ServerProcess(tmp_path) as server, server.client() as client:
        assert client.process(running)["status"] == "RUNNING"
