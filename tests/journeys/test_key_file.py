"""Variables, secrets, idempotent starts and the audit from the command line of a real server, and its key file."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.harness import PATIENCE_S, ServerProcess, until
from tests.journeys.test_cli import stepwell

VALUE = "correct horse battery staple"
DEFINITION = {
    "name": "p",
    "steps": [
        {
            "type": "WORKER",
            "name": "work",
            "ref": "a",
            "input": {"v": "{{ variables.v }}", "s": "<{{ secrets.s }}>"},
        }
    ],
}


def handed_out(server: ServerProcess) -> dict[str, object]:
    queue = {"stepQueueNameData": {"namespace": "default", "stepType": "WORKER", "name": "work"}, "size": 1}

    def poll() -> list[dict[str, dict[str, object]]]:
        with server.client() as client:
            from stepwell.client.calls import Call

            found: list[dict[str, dict[str, object]]] = client.send(
                Call(method="POST", path="/api/clients/poll", body=json.dumps([queue]).encode())
            )
            return found

    return until(poll, "a hand-out")[0]["inputParam"]


def test_from_the_command_line(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        env = server.environment
        with server.client() as client:
            client.put_definition(DEFINITION)
        assert stepwell("variable", "set", "v", '{"a": 1}', env=env).code == 0
        assert stepwell("variable", "set", "v2", env=env, stdin="plain text\n").code == 0
        assert stepwell("secret", "set", "s", "--why", "first", env=env, stdin=VALUE + "\n").code == 0
        assert stepwell("secret", "set", "s", VALUE, env=env).code == 2, "never from the command line"
        listed = stepwell("variable", "list", "-o", "json", env=env).json
        assert [(v["name"], v["value"], v["version"]) for v in listed] == [
            ("v", {"a": 1}, 1),
            ("v2", "plain text\n", 1),
        ]
        secrets = stepwell("secret", "list", "-o", "json", env=env)
        assert [set(s) for s in secrets.json] == [
            {"namespace", "name", "version", "created", "updated", "updatedBy"}
        ]
        assert stepwell("variable", "list", env=env).code == stepwell("secret", "list", env=env).code == 0
        once = [stepwell("run", "p", "--idempotency-key", "k", "-o", "json", env=env).json for _ in range(2)]
        assert once[0]["processId"] == once[1]["processId"]
        other = stepwell("run", "p", "--input", '{"n": 1}', "--idempotency-key", "k", env=env)
        assert other.code == 1 and "another request" in other.err
        assert handed_out(server) == {"v": {"a": 1}, "s": f"<{VALUE}>"}
        with server.client() as client:
            client.terminate(once[0]["processId"], "enough")
        own = stepwell("audit", "--process", once[0]["processId"], "-o", "json", env=env).json
        assert [(line["what"], line["who"], line["why"]) for line in own] == [("TERMINATE", "test", "enough")]
        assert stepwell("variable", "delete", "v2", env=env).code == 0
        assert stepwell("variable", "delete", "v2", env=env).code == 1
        assert stepwell("secret", "delete", "s", env=env).code == 0
        everything = stepwell("audit", "-o", "json", env=env)
        assert [line["what"] for line in everything.json[:2]] == ["DELETE_SECRET", "DELETE_VARIABLE"]
        assert stepwell("audit", "--limit", 1, env=env).code == 0
        assert VALUE not in everything.out + secrets.out + server.log


def test_the_key_outlives_a_kill_and_is_missed(tmp_path: Path) -> None:
    key = tmp_path / "stepwell.db.key"
    with ServerProcess(tmp_path) as server:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        with server.client() as client:
            client.put_definition(DEFINITION)
            client.put_secret("s", VALUE)
            client.start("p")
        server.kill()
        server.start()
        assert handed_out(server) == {"v": None, "s": f"<{VALUE}>"}
        server.stop()
    kept = key.read_bytes()
    key.unlink()
    assert re.search("key file .* is missing", refused(tmp_path))
    key.write_bytes(kept)
    key.chmod(0o644)
    assert "chmod 600" in refused(tmp_path)
    assert VALUE.encode() not in (tmp_path / "stepwell.db").read_bytes()


@pytest.mark.parametrize("named", [True, False])
def test_where_the_key_file_is(tmp_path: Path, named: bool) -> None:
    settings = {"key_file": tmp_path / "elsewhere"} if named else {}
    with ServerProcess(tmp_path, **settings):
        assert (tmp_path / "elsewhere").exists() is named
        assert (tmp_path / "stepwell.db.key").exists() is not named


def refused(folder: Path) -> str:
    """What a server says that does not start."""
    ran = subprocess.run(
        [sys.executable, "-m", "stepwell.cli", "server", "--database", f"sqlite:///{folder / 'stepwell.db'}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode in (1, 2) and "Traceback" not in ran.stderr, ran.stderr
    return ran.stderr
