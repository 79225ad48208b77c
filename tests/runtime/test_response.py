"""SEND_RESPONSE: the synchronous caller is answered before the end, everybody else waits on."""

import asyncio

import pytest

from stepwell.model.codec import decode, decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.process import ProcessStatus
from stepwell.model.work import QueueName, WorkResult, WorkStatus
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.requests import Exchange, Poll, StartRequest
from stepwell.runtime.runtime import Runtime
from stepwell.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

FOR_EVER_MS = 600_000
SEND = {"type": "SEND_RESPONSE", "ref": "s", "name": "s", "input": {"body": {"a": 1}, "statusCode": 202}}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def runtime():
    runtime = Runtime(MemoryStore())
    await runtime.start_up()
    yield runtime
    await runtime.stop()


def worker(ref):
    return {"type": "WORKER", "ref": ref, "name": ref}


async def define(runtime, *steps):
    definition = decode_as(encode({"name": "p", "steps": steps}), ProcessDefinition)
    await runtime.write(lambda turn, now: put_definition(turn, now, definition, "", update=False))


async def do(runtime, name):
    """One worker takes the step of that name and completes it."""
    queue = QueueName("default", "WORKER", name)
    poll = Poll(queues=((queue, 1),), limit=1, client="c", host="h", wait_ms=FOR_EVER_MS)
    (work,) = (await runtime.exchange(Exchange(poll=poll))).work
    result = WorkResult(step_id=work.step_id, token=work.token, status=WorkStatus.COMPLETED)
    await runtime.exchange(Exchange(results=(result,)))
    return work.process_id


REQUEST = StartRequest(namespace="default", name="p")


async def test_a_response_in_the_first_turn(runtime):
    await define(runtime, SEND, worker("w"))
    process = await runtime.run(REQUEST, FOR_EVER_MS)
    assert process.status is ProcessStatus.RUNNING
    assert decode(process.response) == {"statusCode": 202, "headers": {}, "body": {"a": 1}}


async def test_a_response_in_a_later_turn(runtime):
    await define(runtime, worker("first"), SEND, worker("last"))
    caller = asyncio.create_task(runtime.run(REQUEST, FOR_EVER_MS))
    process_id = await do(runtime, "first")
    process = await caller
    assert (process.id, process.status) == (process_id, ProcessStatus.RUNNING)
    assert decode(process.response)["body"] == {"a": 1}


async def test_who_waits_for_the_end_waits_on(runtime):
    await define(runtime, worker("first"), SEND, worker("last"))
    process = await runtime.start(REQUEST)
    waiting = asyncio.create_task(runtime.ended(process.id, FOR_EVER_MS))
    await do(runtime, "first")
    await do(runtime, "last")
    assert (await waiting).status is ProcessStatus.COMPLETED
