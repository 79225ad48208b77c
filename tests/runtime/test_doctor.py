"""The doctor: each question is well in a healthy database, and red with a name and a remedy where it should be."""

from pathlib import Path
from typing import Any

import pytest

from stepwell.model.codec import change
from stepwell.model.entry import Entry, EntryKind
from stepwell.runtime.doctor import Check, examine
from stepwell.runtime.move import MOVED
from stepwell.runtime.secrets import seal_secret
from stepwell.runtime.vault import open_vault
from stepwell.store.port import Changes, SetAside
from tests.runtime.lanes import Lanes, worker


@pytest.fixture
def key_path(tmp_path: Path) -> str:
    return str(tmp_path / "keys")


SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")
"""Of the machine that the tests run on, where they may be off."""


def look(lanes: Lanes, key_path: str | None = None, pauses: list[float] | None = None) -> dict[str, Check]:
    pause = (lambda _: None) if pauses is None else pauses.append
    checks = examine(lanes.store, key_path, pause)
    return {check.check: check for check in checks if check.check not in SETTINGS}


def put(lanes: Lanes, **changes: Any) -> None:
    with lanes.store.turn() as turn:
        turn.save(Changes(**changes))


def secret(vault: Any, name: str, version: int = 1) -> Entry:
    body = seal_secret(vault, "default", name, 1, "hunter2")
    return Entry(kind=EntryKind.SECRET, namespace="default", name=name, body=body, version=version)


def test_all_is_well_at_first_and_at_work(lanes: Lanes, key_path: str) -> None:
    assert [check for check in look(lanes, key_path).values() if not check.ok or check.do] == []
    lanes.define(worker("w"))
    lanes.start()
    pauses: list[float] = []
    found = look(lanes, key_path, pauses)
    assert all(check.ok for check in found.values())
    assert found["stuck processes"].found == "0 of 1 open"
    assert found["key file"].found == "none yet: the first start makes it"
    assert pauses == [], "nobody waits where nothing looks stuck"


def test_stuck_processes_are_named(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    processes = [lanes.start() for _ in range(7)]
    for process in processes:
        (step,) = lanes.store.reads.open_steps(process, 2)
        put(lanes, withdrawn=[step])
    pauses: list[float] = []
    stuck = look(lanes, pauses=pauses)["stuck processes"]
    assert not stuck.ok and stuck.do
    assert stuck.found.startswith(f"7: process {processes[0].id} (default/p): w is SCHEDULED; ")
    assert stuck.found.endswith("and 2 more") and len(pauses) == 1


def test_what_moves_on_while_it_looks_is_not_stuck(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    (step,) = lanes.store.reads.open_steps(process, 2)
    put(lanes, withdrawn=[step])

    def moves_on(_: float) -> None:
        put(lanes, offered=[step])

    checks = {check.check: check for check in examine(lanes.store, None, moves_on)}
    assert checks["stuck processes"].ok


def test_events_set_aside_are_named(lanes: Lanes) -> None:
    event = SetAside(process_id=64, event=b'{"event":"TimerFired"}', error="KeyError: 'x'", created=1)
    put(lanes, set_aside=[event, change(event, process_id=128, event=b"")])
    found = look(lanes)["events set aside"]
    assert not found.ok and "--retry" in found.do
    assert found.found == "2: process 64: TimerFired, KeyError: 'x'; process 128: , KeyError: 'x'"


def test_a_database_that_was_moved_away_is_told(lanes: Lanes) -> None:
    mark = Entry(kind=EntryKind.INSTALLATION, namespace="stepwell", name=MOVED, body=b"1")
    assert look(lanes)["installation"].ok
    put(lanes, entries=[mark])
    assert not look(lanes)["installation"].ok


def test_secrets_open_with_their_key(lanes: Lanes, key_path: str) -> None:
    vault = open_vault(key_path, may_make=True)
    put(lanes, entries=[secret(vault, "a")])
    found = look(lanes, key_path)
    assert (found["key file"].ok, found["secrets"].found) == (True, "1, all of them open")
    put(lanes, entries=[secret(vault, "b", version=2)])
    found = look(lanes, key_path)
    assert not found["secrets"].ok and found["secrets"].found == "cannot be opened: 1: default/b"
    assert "hunter2" not in str(found)


def test_secret_state_opens_too(lanes: Lanes, key_path: str) -> None:
    vault = lanes.vault = open_vault(key_path, may_make=True)
    lanes.restart()
    lanes.define(worker("w"), worker("v"))
    process = lanes.start()
    (work,) = lanes.poll()
    lanes.report(work, __secretStatePut={"pin": 1234})
    assert look(lanes, key_path)["secret state of open processes"].found == "1, all of them open"
    held = lanes.process(process.id)
    state = b'{"pin":"' + vault.seal(b"1", "secretState", "7", "pin").encode() + b'"}'
    put(lanes, processes=[change(held, secret_state=state, revision=held.revision + 1)])
    found = look(lanes, key_path)["secret state of open processes"]
    assert not found.ok and found.found == f"cannot be opened: 1: process {process.id}: pin"


def test_a_key_file_that_is_gone_or_open_to_others_is_told(lanes: Lanes, key_path: str) -> None:
    put(lanes, entries=[secret(open_vault(key_path, may_make=True), "a")])
    Path(key_path).chmod(0o644)
    found = look(lanes, key_path)["key file"]
    assert not found.ok and "chmod 600" in found.found
    Path(key_path).unlink()
    found = look(lanes, key_path)["key file"]
    assert not found.ok and "missing" in found.found and "backup" in found.do
    assert not Path(key_path).exists(), "it only looks"
