"""Whole runtimes, with their threads and hints, over one database: callers, jobs and outages."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.process import ProcessStatus
from stepwell.model.search import ProcessSearch
from stepwell.model.work import Acceptance, QueueName, WorkResult, WorkStatus
from stepwell.runtime import distant
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.jobs import Job, JobOperation, JobStatus, read_items, read_job
from stepwell.runtime.requests import Exchange, Poll, StartRequest
from stepwell.runtime.runtime import Runtime
from stepwell.store.postgres.store import PostgresStore

pytestmark = pytest.mark.anyio
STEPS = [{"type": "WORKER", "name": "a", "ref": "a"}]
QUEUE = QueueName("default", "WORKER", "a")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def nodes(postgres_url: str) -> AsyncIterator[list[Runtime]]:
    stores = [PostgresStore.open(postgres_url) for _ in range(2)]
    runtimes = [Runtime(store, node=f"n{at}") for at, store in enumerate(stores)]
    for runtime in runtimes:
        await runtime.start_up()
    definition = decode_as(encode({"name": "p", "steps": STEPS}), ProcessDefinition)
    await runtimes[0].write(lambda turn, now: put_definition(turn, now, definition, "t", update=False))
    yield runtimes
    for runtime in runtimes:
        await runtime.stop()
    for store in stores:
        store.close()


def start(**fields: Any) -> StartRequest:
    return StartRequest(namespace="default", name="p", **fields)


async def work_once(runtime: Runtime) -> Acceptance:
    """Poll until there is a step, and do it."""
    poll = Poll(queues=((QUEUE, 1),), limit=1, client="c", host="h", wait_ms=20_000)
    (work,) = (await runtime.exchange(Exchange(poll=poll))).work
    result = WorkResult(step_id=work.step_id, token=work.token, status=WorkStatus.COMPLETED)
    (outcome,) = (await runtime.exchange(Exchange(results=(result,)))).outcomes
    return outcome


async def test_a_caller_hears_of_an_end_at_another_node(nodes: list[Runtime]) -> None:
    here, there = nodes
    ended, outcome = await asyncio.gather(here.run(start(), 20_000), work_once(there))
    assert outcome is Acceptance.ACCEPTED
    assert ended.status is ProcessStatus.COMPLETED


async def test_a_caller_hears_of_it_although_the_hint_is_lost(
    nodes: list[Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distant, "LOOK_S", 0.05)
    here, there = nodes
    there.store.tell = lambda _: None  # type: ignore[method-assign]
    process = await here.start(start())
    ended, _ = await asyncio.gather(here.ended(process.id, 20_000), work_once(there))
    assert ended.status is ProcessStatus.COMPLETED


async def test_a_job_that_both_nodes_work_on_does_each_item_once(nodes: list[Runtime]) -> None:
    here, there = nodes
    count = 120
    ids = [(await here.start(start())).id for _ in range(count)]
    job = Job(id=0, operation=JobOperation.RERUN, created_by="ops", reason="because")
    made = await here.jobs.create(job, ids)
    there.jobs._wake.set()
    while (await here.read(lambda reads: read_job(reads, made.id))).status is not JobStatus.DONE:
        await asyncio.sleep(0.01)
    done = await here.read(lambda reads: read_job(reads, made.id))
    assert (done.done, done.failed, done.total) == (count, 0, count)
    found = await here.read(lambda reads: reads.find_processes(ProcessSearch(limit=1_000)))
    again = [process.rerun_of for process in found if process.rerun_of]
    assert sorted(again) == sorted(ids), "each of them once"
    items = await here.read(lambda reads: read_items(reads, made.id))
    assert {item.started for item in items} == {process.id for process in found if process.rerun_of}
