"""Retention over a real runtime and every embedded store: by rule, in bites, through crashes, and never too early."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.entry import EntryKind
from stepwell.model.errors import Busy, Invalid, NotFound
from stepwell.model.retention import RetentionRule
from stepwell.model.work import QueueName, WorkResult, WorkStatus
from stepwell.runtime import retention as room
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.requests import Exchange, Operation, Poll, StartRequest
from stepwell.runtime.retention import Retention, delete_rule, put_rule, read_rules
from stepwell.runtime.runtime import Runtime
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.sqlite.store import SqliteStore
from tests.runtime.lanes import Clock

pytestmark = pytest.mark.anyio
DAY = 86_400_000
NOOP = {"type": "NOOP", "name": "n", "ref": "n", "input": {"x": "{{ input.x }}"}}
WORKER = {"type": "WORKER", "name": "work", "ref": "w"}
LOOP = {
    "type": "FOREACH", "name": "each", "ref": "each", "input": {"inputArray": "{{ input.items }}"},
    "children": [{"type": "NOOP", "name": "item", "ref": "item"}],
}  # fmt: skip
CHILD = {
    "type": "SUB_PROCESS", "name": "c", "ref": "c", "input": {"processName": "child", "waitForCompletion": True},
}  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class House:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        self.runtime = Runtime(store, clock=self.clock)
        self.retention = Retention(self.runtime)

    async def define(self, name: str, *steps: dict[str, Any], namespace: str = "default") -> None:
        written = {"name": name, "namespace": namespace, "steps": list(steps)}
        definition = decode_as(encode(written), ProcessDefinition)
        await self.runtime.write(lambda turn, now: put_definition(turn, now, definition, "t", update=False))

    async def start(self, name: str = "p", namespace: str = "default", **input: Any) -> int:
        request = StartRequest(namespace=namespace, name=name, input=encode(input))
        return (await self.runtime.start(request)).id

    async def rule(self, keep_days: float, name: str = "", namespace: str = "default", **more: Any) -> None:
        rule = RetentionRule(namespace=namespace, name=name, keep_ms=int(keep_days * DAY), **more)
        await self.runtime.write(lambda turn, now: put_rule(turn, now, rule, "me"))

    async def fail_the_work(self, name: str = "work") -> None:
        poll = Poll(queues=((QueueName("default", "WORKER", name), 9),), limit=9, client="c", host="h")
        for work in (await self.runtime.exchange(Exchange(poll=poll))).work:
            result = WorkResult(
                step_id=work.step_id, token=work.token, status=WorkStatus.FAILED, output=b"{}"
            )
            await self.runtime.exchange(Exchange(results=(result,)))

    async def run(self, name: str = "p", **input: Any) -> int:
        id = await self.start(name, **input)
        assert not (await self.runtime.ended(id, 20_000)).status.is_open
        return id

    async def until(self, look: Callable[[], bool]) -> None:
        """Rows that the lane takes by itself: a child that is started, its news to its parent."""
        async with asyncio.timeout(20):
            while not look():
                await asyncio.sleep(0.002)

    def ended(self) -> int:
        return len(self.store.reads.finished((0, 0), self.clock.at + 1, 99))

    def names(self) -> set[str]:
        return {str(row["name"]) for row in self.store.reads.dump()["process"]}

    def later(self, days: float) -> None:
        self.clock.at += int(days * DAY)

    def kept(self) -> list[int]:
        return [row["id"] for row in self.store.reads.dump()["process"]]  # type: ignore[misc]

    def rows(self) -> dict[str, int]:
        dump = self.store.reads.dump()
        names = ("process", "step", "execution", "block", "due", "claim")
        return {name: len(dump[name]) for name in names}


@pytest.fixture(params=["memory", "sqlite"])
async def house(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setattr(room, "PAUSE_S", 0)
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "s.db")
    store.migrate()
    house = House(store)
    await house.runtime.start_up()
    await house.define("p", NOOP)
    yield house
    await house.runtime.stop()
    store.close()


async def test_without_a_rule_everything_stays(house: House) -> None:
    id = await house.start()
    house.later(10_000)
    assert await house.retention.pass_once() == 0
    assert house.kept() == [id]


async def test_the_server_s_own_setting_is_for_all_without_a_rule(house: House) -> None:
    id = await house.start()
    retention = Retention(house.runtime, keep_ms=3 * DAY)
    house.later(3)
    assert await retention.pass_once() == 0 and house.kept() == [id]
    house.later(0.01)
    assert await retention.pass_once() == 1 and house.kept() == []


async def test_a_definition_s_rule_beats_its_namespace_s(house: House) -> None:
    await house.define("short", NOOP)
    await house.define("ever", NOOP)
    await house.define("p", NOOP, namespace="other")
    ids = {name: await house.start(name) for name in ("p", "short", "ever")}
    other = await house.start("p", "other")
    await house.rule(5)
    await house.rule(1, "short")
    await house.rule(0, "ever")
    house.later(2)
    await house.retention.pass_once()
    assert house.kept() == sorted([ids["p"], ids["ever"], other])
    house.later(4)
    await house.retention.pass_once()
    assert house.kept() == sorted([ids["ever"], other])


async def test_nothing_that_is_open_goes_and_everything_of_what_goes(house: House) -> None:
    await house.define("waits", WORKER)
    await house.rule(1)
    open_one, over = await house.start("waits"), await house.start("p")
    house.later(5)
    before = house.rows()
    assert await house.retention.pass_once() == 1
    assert house.kept() == [open_one] and over != open_one
    assert house.rows() == {**before, "process": 1, "step": 1}


async def test_one_that_was_resumed_meanwhile_stays(house: House) -> None:
    await house.define("waits", WORKER)
    await house.rule(1)
    id = await house.start("waits")
    await house.fail_the_work()
    house.later(5)
    found = house.store.reads.finished((0, 0), house.clock.at, 9)
    await house.runtime.operate(Operation.RESUME, [id])
    assert await house.retention._drop(found, room.Rules([], DAY)) == 0
    assert house.kept() == [id] and house.rows()["step"] == 1


async def test_a_wide_one_goes_in_bites_and_a_crash_between_them_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "STEPS", 30)
    await house.define("wide", LOOP)
    await house.rule(1)
    await house.run("wide", items=list(range(100)))
    house.later(2)
    bites: list[bool] = []
    right = room._drop_some

    def until_the_third(*given: Any) -> bool:
        if len(bites) == 2:
            raise Busy("the server was killed here")
        bites.append(right(*given))
        return bites[-1]

    monkeypatch.setattr(room, "_drop_some", until_the_third)
    with pytest.raises(Busy):
        await house.retention.pass_once()
    assert house.kept() == [] and 0 < house.rows()["step"] < 101
    monkeypatch.setattr(room, "_drop_some", right)
    await Retention(house.runtime).pass_once()
    assert house.rows() == dict.fromkeys(house.rows(), 0)
    assert house.store.reads.entries(EntryKind.LEFT_OVER) == []


async def test_a_child_stays_while_somebody_may_ask_for_it(house: House) -> None:
    await house.define("child", WORKER)
    await house.define("parent", CHILD)
    await house.rule(1, "child")
    await house.rule(9, "parent")
    await house.start("parent")
    await house.until(lambda: len(house.kept()) == 2)
    await house.fail_the_work()
    await house.until(lambda: house.ended() == 2)
    house.later(2)
    assert await house.retention.pass_once() == 0
    assert house.names() == {"child", "parent"}, "a resume of the parent would ask the child to go on"
    house.later(9)
    assert await house.retention.pass_once() == 1 and house.names() == {"child"}
    house.later(1.5)
    assert await house.retention.pass_once() == 1 and house.names() == set()


async def test_what_goes_is_in_the_archive_first(house: House, tmp_path: Path) -> None:
    await house.define("wide", LOOP)
    await house.rule(1, archive=True)
    wide, narrow = await house.run("wide", items=["a", "b"]), await house.run("p", x=7)
    house.later(2)
    assert await house.retention.pass_once() == 0, "without an archive they stay"
    retention = Retention(house.runtime, archive=str(tmp_path / "archive"))
    assert await retention.pass_once() == 2
    (file,) = (tmp_path / "archive" / "default").iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    processes = {line["process"]["id"]: line["process"] for line in lines if "process" in line}
    steps = [line["step"] for line in lines if "step" in line]
    assert set(processes) == {wide, narrow} and processes[narrow]["input"] == {"x": 7}
    assert processes[narrow]["ended"] > 0 and processes[narrow]["status"] == "COMPLETED"
    assert [step["ref"] for step in steps if step["processId"] == wide] == ["each", "item[0]", "item[1]"]
    assert [step["output"] for step in steps if step["processId"] == narrow] == [{"x": 7}]
    assert steps[0]["executions"][0]["id"] == 1


async def test_an_archive_that_cannot_be_written_keeps_them(house: House, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file stands where the folder should")
    await house.rule(1, archive=True)
    id = await house.start()
    house.later(2)
    with pytest.raises(OSError, match="archive"):
        await Retention(house.runtime, archive=str(tmp_path / "archive")).pass_once()
    assert house.kept() == [id]


async def test_what_was_needed_is_looked_at_again_the_next_day(house: House) -> None:
    await house.define("waits", WORKER)
    await house.define("parent", {**CHILD, "input": {"processName": "waits", "waitForCompletion": False}})
    await house.rule(1, "parent")
    parent = await house.start("parent")
    await house.until(lambda: len(house.kept()) == 2)
    house.later(2)
    await house.retention.pass_once()
    assert parent in house.kept(), "its child is open"
    await house.fail_the_work()
    await house.retention.pass_once()
    assert parent in house.kept()
    house.later(1)
    await house.retention.pass_once()
    assert parent not in house.kept()


async def test_rules_are_read_replaced_deleted_and_audited(house: House) -> None:
    await house.rule(5)
    await house.rule(1, "p")
    await house.rule(2, "p", archive=True)
    rules = read_rules(house.store.reads)
    assert [(rule.name, rule.keep_ms // DAY, rule.archive) for rule in rules] == [
        ("", 5, False),
        ("p", 2, True),
    ]
    await house.runtime.write(lambda turn, now: delete_rule(turn, now, "default", "", "me", "why not"))
    with pytest.raises(NotFound, match=r"default/\*"):
        await house.runtime.write(lambda turn, now: delete_rule(turn, now, "default", "", "me"))
    with pytest.raises(Invalid):
        await house.rule(-1)
    audit = house.store.reads.audit(limit=2)
    assert [(line.what, line.target, line.why) for line in audit] == [
        ("DELETE_RETENTION", "default/*", "why not"),
        ("PUT_RETENTION", "default/p", ""),
    ]
