"""`stepwell doctor` on a real file, with and without a server: what it finds, and what it sets going again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.engine.events import SignalReceived
from stepwell.model.codec import change, encode
from stepwell.store.port import Changes, SetAside
from stepwell.store.sqlite.store import SqliteStore
from tests.journeys.harness import ServerProcess, until

WAITS = {"type": "WAIT", "name": "s", "ref": "s", "input": {"forSignal": "paid"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path) as running:
        yield running


def doctor(server: ServerProcess, *words: str) -> tuple[int, Any, str]:
    """The exit code, what it says as JSON, and the words beside it."""
    environment = {"STEPWELL_DATABASE": f"sqlite:///{server.folder / 'stepwell.db'}", **server.environment}
    done = subprocess.run(
        [sys.executable, "-m", "stepwell.cli", "doctor", *words, "--output", "json"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def wrong(checks: Any) -> dict[str, Any]:
    return {check["check"]: check for check in checks if not check["ok"]}


def test_what_was_set_aside_goes_again(server: ServerProcess) -> None:
    with server.client() as client:
        client.put_definition({"name": "waits", "steps": [WAITS]})
        id = client.run("waits")["processId"]
        client.put_secret("pin", "1234")
        code, checks, _ = doctor(server)
        assert code == 0 and not wrong(checks), checks
        server.kill()

        store = SqliteStore.open(server.folder / "stepwell.db")
        process = store.reads.process(id)
        assert process is not None
        event = SignalReceived(name="paid", payload=encode({"by": "card"}))
        row = SetAside(process_id=id, event=encode(event), error="KeyError: 'x'", created=7)
        marked = change(process, marked=True, revision=process.revision + 1)
        with store.turn() as turn:
            turn.save(Changes(set_aside=[row], processes=[marked]))
        store.close()

        code, checks, _ = doctor(server)
        assert code == 1 and list(wrong(checks)) == ["events set aside"]
        assert f"process {id}: SignalReceived" in wrong(checks)["events set aside"]["found"]
        code, _, said = doctor(server, "--retry")
        assert code == 2 and "no server answers" in said

        server.start()
        code, retried, _ = doctor(server, "--retry", "--why", "mended")
        assert (code, [one["events"][0]["outcome"] for one in retried]) == (0, ["DONE"])
        until(lambda: client.process(id)["status"] == "COMPLETED", "the end of the process")
        assert [line["why"] for line in client.audit(process_id=id) if line["what"] == "RETRY_SET_ASIDE"] == [
            "mended"
        ]
        assert doctor(server, "--retry", str(id))[:2] == (0, [{"processId": id, "events": [], "left": 0}])
        assert doctor(server)[0] == 0


def test_a_key_file_that_is_lost_is_red(server: ServerProcess) -> None:
    with server.client() as client:
        client.put_secret("pin", "1234")
    (server.folder / "stepwell.db.key").rename(server.folder / "elsewhere")
    code, checks, _ = doctor(server)
    assert code == 1 and list(wrong(checks)) == ["key file"]
    assert doctor(server, "--key-file", str(server.folder / "elsewhere"))[0] == 0


def test_what_it_cannot_look_at_is_said(server: ServerProcess, tmp_path: Path) -> None:
    assert doctor(server, "--database", f"sqlite:///{tmp_path / 'none.db'}")[0] == 2
    assert doctor(server, "--database", "memory://")[0] == 2
    assert doctor(server, "7")[0] == 2
