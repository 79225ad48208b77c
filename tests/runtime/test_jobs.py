"""Jobs over a real runtime: in slices, item by item once, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.entry import EntryKind
from stepwell.model.errors import Busy
from stepwell.model.search import ProcessSearch
from stepwell.runtime import jobs as room
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.jobs import Job, JobOperation, JobStatus, read_items, read_job, read_jobs
from stepwell.runtime.requests import Operation, StartRequest
from stepwell.runtime.runtime import Runtime
from stepwell.store.memory import MemoryStore

pytestmark = pytest.mark.anyio
DEFINITION = {"name": "p", "steps": [{"type": "WORKER", "name": "a", "ref": "a"}]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def runtime(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    monkeypatch.setattr(room, "SLICE", 4)
    store = MemoryStore()
    store.migrate()
    runtime = Runtime(store)
    await runtime.start_up()
    definition = decode_as(encode(DEFINITION), ProcessDefinition)
    await runtime.write(lambda turn, now: put_definition(turn, now, definition, "t", update=False))
    yield runtime
    await runtime.stop()
    store.close()


async def processes(runtime: Runtime, count: int) -> list[int]:
    return [(await runtime.start(StartRequest(namespace="default", name="p"))).id for _ in range(count)]


def job(operation: JobOperation, **fields: Any) -> Job:
    return Job(id=0, operation=operation, created_by="ops", reason="because", **fields)


async def finished(runtime: Runtime, id: int) -> Job:
    while True:
        found = await runtime.read(lambda reads: read_job(reads, id))
        if found.status is JobStatus.DONE:
            return found
        await asyncio.sleep(0.005)


def statuses(runtime: Runtime, ids: list[int]) -> list[str]:
    found = [runtime.store.reads.process(id) for id in ids]
    return [process.status.value for process in found if process is not None]


async def test_given_ids_are_worked_through_in_slices(runtime: Runtime) -> None:
    ids = await processes(runtime, 10)
    await runtime.operate(Operation.TERMINATE, ids[:2])
    made = await runtime.jobs.create(job(JobOperation.CANCEL), [*ids, ids[0], 999])
    assert (made.status, made.total, made.done) == (JobStatus.RUNNING, 11, 0)
    done = await finished(runtime, made.id)
    assert (done.total, done.done, done.failed, done.slices) == (11, 8, 3, 3)
    assert statuses(runtime, ids) == ["TERMINATED"] * 2 + ["CANCELLED"] * 8
    items = read_items(runtime.store.reads, made.id)
    assert [item.process_id for item in items] == sorted({*ids, 999}, reverse=True)
    assert [(item.process_id, item.code) for item in items if item.error] == [
        (999, "NOT_FOUND"), (ids[1], "CONFLICT"), (ids[0], "CONFLICT"),
    ]  # fmt: skip
    assert not [row for row in _parts(runtime) if "receipt" in row]


def _parts(runtime: Runtime) -> list[str]:
    return [row.name for row in runtime.store.reads.entries(EntryKind.JOB_PART)]


async def test_a_search_finds_what_matched_although_it_changes_on_the_way(runtime: Runtime) -> None:
    ids = await processes(runtime, 9)
    search = ProcessSearch(statuses=("RUNNING",), names=("p",), end_ms=runtime.clock.now() + 1)
    made = await runtime.jobs.create(job(JobOperation.TERMINATE, search=search), None)
    assert made.total is None
    done = await finished(runtime, made.id)
    assert (done.total, done.done, done.failed) == (9, 9, 0)
    assert set(statuses(runtime, ids)) == {"TERMINATED"}


async def test_each_act_of_a_job_is_audited_and_so_is_the_job(runtime: Runtime) -> None:
    ids = await processes(runtime, 2)
    made = await runtime.jobs.create(job(JobOperation.RERUN), ids)
    await finished(runtime, made.id)
    lines = [line for line in runtime.store.reads.audit() if line.who == "ops"]
    assert sorted((line.what, line.process_id, line.who, line.why) for line in lines) == [
        ("JOB_RERUN", 0, "ops", "because"),
        *(("RERUN", id, "ops", "because") for id in ids),
    ]
    started = [item.started for item in read_items(runtime.store.reads, made.id)]
    rerun = [runtime.store.reads.process(id) for id in started]
    assert [process.rerun_of for process in rerun if process is not None] == ids[::-1]


@pytest.mark.parametrize("given", [True, False])
async def test_a_job_that_was_cut_off_does_nothing_twice(runtime: Runtime, given: bool) -> None:
    """The runtime's own job stops in the middle of a slice, after some of its items; another one goes on."""
    ids = await processes(runtime, 6)
    await runtime.jobs.stop()
    search = None if given else ProcessSearch(process_ids=tuple(ids))
    made = await runtime.jobs.create(job(JobOperation.RERUN, search=search), ids if given else None)
    cut = _Cut(runtime, after=2)
    with pytest.raises(Busy):
        await room.Jobs(cut)._advance(made)  # type: ignore[arg-type]
    assert len([row for row in _parts(runtime) if "receipt" in row]) == 2
    again = room.Jobs(runtime)
    again.start()
    done = await finished(runtime, made.id)
    await again.stop()
    assert (done.done, done.failed, done.total) == (6, 0, 6)
    reruns = [p.rerun_of for p in runtime.store.reads.find_processes(ProcessSearch(limit=99)) if p.rerun_of]
    assert sorted(reruns) == ids
    started = {item.process_id: item.started for item in read_items(runtime.store.reads, made.id)}
    assert {id: runtime.store.reads.process(new).rerun_of for id, new in started.items()} == {  # type: ignore[union-attr]
        id: id for id in ids
    }


async def test_a_search_goes_on_below_what_no_longer_matches(runtime: Runtime) -> None:
    ids = await processes(runtime, 6)
    await runtime.jobs.stop()
    search = ProcessSearch(statuses=("RUNNING",), end_ms=runtime.clock.now() + 1)
    made = await runtime.jobs.create(job(JobOperation.TERMINATE, search=search), None)
    with pytest.raises(Busy):
        await room.Jobs(_Cut(runtime, after=3))._advance(made)  # type: ignore[arg-type]
    again = room.Jobs(runtime)
    again.start()
    done = await finished(runtime, made.id)
    await again.stop()
    assert (done.done, done.failed) == (6, 0)
    assert sorted(item.process_id for item in read_items(runtime.store.reads, made.id)) == ids


class _Cut:
    """A runtime whose power fails after so many operations: what it says afterwards is that nothing was done."""

    def __init__(self, runtime: Runtime, after: int) -> None:
        self._runtime = runtime
        self._left = after
        self.read = runtime.read
        self.write = runtime.write

    async def rerun(self, *args: Any, **more: Any) -> Any:
        self._count()
        return await self._runtime.rerun(*args, **more)

    async def operate_once(self, *args: Any) -> None:
        self._count()
        await self._runtime.operate_once(*args)

    def _count(self) -> None:
        if not self._left:
            raise Busy("the power is gone")
        self._left -= 1


async def test_jobs_are_listed_newest_first(runtime: Runtime) -> None:
    (id,) = await processes(runtime, 1)
    made = [(await runtime.jobs.create(job(JobOperation.PAUSE), [id])).id for _ in range(3)]
    assert [found.id for found in await runtime.read(read_jobs)] == made[::-1]
    for one in made:
        await finished(runtime, one)
    assert [read_job(runtime.store.reads, one).failed for one in made] == [0, 1, 1]
