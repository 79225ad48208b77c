"""A process is read with its steps as one commit left them, however fast it goes on meanwhile."""

import asyncio
from pathlib import Path

import pytest

from stepwell.definition.plan import Plan
from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.step import StepStatus
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.requests import Operation, StartRequest
from stepwell.runtime.runtime import Runtime
from stepwell.store.port import Reads
from stepwell.store.sqlite.store import SqliteStore
from tests.runtime.lanes import worker

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_what_is_committed_between_two_reads_is_seen_by_neither(tmp_path: Path) -> None:
    """Once, a process that ended just then was answered RUNNING without a single open step."""
    store = SqliteStore.open(tmp_path / "s.db")
    store.migrate()
    runtime = Runtime(store)
    await runtime.start_up()
    definition = decode_as(encode({"name": "p", "steps": [worker("a")]}), ProcessDefinition)
    await runtime.write(lambda turn, now: put_definition(turn, now, definition, "tester", update=False))
    started = await runtime.start(StartRequest(namespace="default", name="p", input=b"{}"))
    loop = asyncio.get_running_loop()

    def look(reads: Reads, process: ProcessContext, plan: Plan) -> list[StepStatus]:
        end = runtime.operate(Operation.TERMINATE, [process.id])
        asyncio.run_coroutine_threadsafe(end, loop).result()
        return [step.status for step in reads.steps(process, plan.size)]

    process, _, statuses = await runtime.read_process(started.id, look)
    assert (process.status, statuses) == (ProcessStatus.RUNNING, [StepStatus.SCHEDULED])
    process, _, statuses = await runtime.read_process(started.id, look)
    assert (process.status, statuses) == (ProcessStatus.TERMINATED, [StepStatus.CANCELLED])
    with pytest.raises(NotFound):
        await runtime.read_process(1 << 40, look)
    await runtime.stop()
    store.close()
