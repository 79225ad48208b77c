"""Retention on a real server: rules over HTTP and the command line, what goes, what is kept in the archive."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.client import ApiError
from stepwell.client.asking import Call
from tests.journeys.harness import ServerProcess, until

NOOP = {"type": "NOOP", "name": "n", "ref": "n", "input": {"x": "{{ input.x }}"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, archive=tmp_path / "archive") as running:
        yield running


def command(server: ServerProcess, *words: str) -> Any:
    """What `stepwell <words> --output json` says."""
    done = subprocess.run(
        [sys.executable, "-m", "stepwell.cli", *words, "--output", "json"],
        env=server.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_rule_is_set_and_what_is_over_goes_at_the_next_start(server: ServerProcess, tmp_path: Path) -> None:
    with server.client() as client:
        for name in ("short", "kept"):
            client.put_definition({"name": name, "steps": [NOOP]})
        gone = [client.run("short", {"x": n})["processId"] for n in range(120)]
        kept = client.run("kept")["processId"]
        rule = command(server, "retention", "set", "1ms", "--name", "short", "--archive", "--why", "tidy")
        assert rule == {"namespace": "default", "name": "short", "keepMs": 1, "archive": True}
        client.put_retention(0)
        assert [rule["name"] for rule in command(server, "retention", "list")] == ["", "short"]
        server.kill()
        server.start()
        until(lambda: not client.search(names=["short"]), "the end of what is over")
        with pytest.raises(ApiError) as refused:
            client.process(gone[0])
        assert refused.value.status == 404
        assert client.process(kept, steps=True)["stepRecords"][0]["status"] == "COMPLETED"
        assert [line["what"] for line in client.audit(limit=2)] == ["PUT_RETENTION"] * 2
        client.delete_retention()
        assert command(server, "retention", "delete", "--name", "short")["deleted"] is True
        with pytest.raises(ApiError) as refused:
            client.delete_retention(name="short")
        assert (refused.value.status, client.retention()) == (404, [])
    (file,) = (tmp_path / "archive" / "default").iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["process"]["id"] for line in lines if "process" in line} == set(gone)
    assert {line["step"]["input"]["x"] for line in lines if "step" in line} == set(range(120))
    server.stop()
    with sqlite3.connect(tmp_path / "stepwell.db") as database:
        assert database.execute("select count(*) from step where process <> ?", (kept,)).fetchone() == (0,)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400), ({"keepMs": "1"}, 400), ({"keepMs": True}, 400), ({"keepMs": -1}, 422),
        ({"keepMs": 1, "archive": 1}, 400), ([], 400),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(server: ServerProcess, body: Any, status: int) -> None:
    with server.client() as client:
        with pytest.raises(ApiError) as refused:
            client.send(Call(method="PUT", path="/api/retention/default", body=json.dumps(body).encode()))
        assert refused.value.status == status and client.retention() == []


def test_without_an_archive_no_rule_may_ask_for_one(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server, server.client() as client:
        with pytest.raises(ApiError) as refused:
            client.put_retention(1, archive=True)
        assert (refused.value.status, refused.value.code) == (409, "NO_ARCHIVE")
