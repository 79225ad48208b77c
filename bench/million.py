"""A database with a million processes: how soon a server answers over it, hands out what is ready, and drops the rest.

`python -m bench.million [--processes N] [--ready N]` builds the file (loaded, not run) and measures a server on it.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bench.machine import cpu_us, fsync_ms, rss_mib, spin_ms
from bench.servers import BEARER, Server, server, worker
from bench.workloads import HEADERS, chain, define, run_sync
from stepwell.definition.read import read_definition
from stepwell.model.codec import encode
from stepwell.model.definition import ProcessType
from stepwell.model.process import ProcessContext, ProcessStatus, TriggerType
from stepwell.model.step import HandOut, StepContext, StepStatus
from stepwell.model.work import QueueName
from stepwell.runtime.catalog import put_definition
from stepwell.store.port import BLOCK, Changes
from stepwell.store.sqlite.store import SqliteStore

NOW = 1_700_000_000_000
AT_ONCE = 5_000
INPUT = encode({"order": 1, "pad": "p" * 100})
OUTPUT = encode({"ok": True, "note": "x" * 60})
STEP_INPUT = encode({"pad": "p" * 150, "n": 0, "before": True})


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def load(path: Path, processes: int, ready: int) -> None:
    """`ready` of them are open, with one step that waits for a worker; the others are over. One step each."""
    store = SqliteStore.open(path)
    store.migrate()
    definition, _ = read_definition({**chain("stored", 1), "name": "stored"})
    assert definition is not None
    with store.turn() as turn:
        stored = put_definition(turn, NOW, definition, "b", update=False)
        queue = turn.queue(QueueName("default", "WORKER", "noop"))
        first = turn.reserve(processes)
    every = max(1, processes // ready)
    for start in range(0, processes, AT_ONCE):
        places = range(start, min(start + AT_ONCE, processes))
        rows = [_pair(first + at * BLOCK, stored.id, queue, is_open=at % every == 0) for at in places]
        with store.turn() as turn:
            turn.save(Changes(new_processes=[row[0] for row in rows], new_steps=[row[1] for row in rows]))
        if start % 100_000 == 0:
            say(f"  {start:,} processes")
    store.close()


def _pair(id: int, definition: int, queue: int, is_open: bool) -> tuple[ProcessContext, StepContext]:
    process = ProcessContext(
        id=id,
        namespace="default",
        name="stored",
        version=1,
        definition_id=definition,
        type=ProcessType.STANDARD,
        trigger=TriggerType.API,
        status=ProcessStatus.RUNNING if is_open else ProcessStatus.COMPLETED,
        created=NOW,
        updated=NOW,
        ended=0 if is_open else NOW,
        input=INPUT,
        output=b"{}" if is_open else OUTPUT,
        step_count=1,
        created_by="bench",
    )
    hand_out = (
        HandOut(ready=NOW) if is_open else HandOut(token=1, runs=1, polled=NOW, start=NOW, executor="h")
    )
    step = StepContext(
        id=id + 1,
        process_id=id,
        path=("s0",),
        status=StepStatus.SCHEDULED if is_open else StepStatus.COMPLETED,
        queue=queue,
        input=STEP_INPUT,
        output=b"{}" if is_open else OUTPUT,
        hand_out=hand_out,
    )
    return process, step


async def all_ready(url: str, ready: int) -> float:
    """Seconds until every ready step has been handed out."""
    start, got = time.perf_counter(), 0
    body = {"queues": [{"namespace": "default", "name": "noop", "size": 500}], "size": 500, "waitMs": 1000}
    async with aiohttp.ClientSession(headers={"Authorization": BEARER}) as session:
        while got < ready:
            async with session.post(f"{url}/api/clients/exchange", data=msgspec.json.encode(body)) as answer:
                got += len((await answer.json())["work"])
    return time.perf_counter() - start


async def lone_runs(url: str, seconds: float) -> dict[str, Any]:
    """One lone process of one step after the other, for so long."""
    times = []
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            start = time.perf_counter()
            await run_sync(session, url, "lone")
            times.append((time.perf_counter() - start) * 1000)
    times.sort()
    return {
        "runs": len(times),
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(times[int(len(times) * 0.99)], 2),
    }


async def retention(running: Server, expected: int) -> dict[str, Any]:
    """Everything that is over goes, while lone processes run; first the same without it."""
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        await define(session, running.url, {**chain("lone", 1), "name": "lone"})
        before = await lone_runs(running.url, 5)
        rule = session.put(f"{running.url}/api/retention/default/stored", data=json.dumps({"keepMs": 1}))
        async with rule as answer:
            assert answer.status == 200, await answer.text()
    full = left_of(running)
    while left_of(running) == full:  # the next pass may be a minute away
        await asyncio.sleep(0.2)
    cpu, start = cpu_us(running.pid), time.perf_counter()
    during = []
    while (left := left_of(running)) > expected:
        during.append(await lone_runs(running.url, 5))
        say(f"  {left:,} processes left, {during[-1]}")
    wall = time.perf_counter() - start
    return {
        "wall_s": round(wall, 1),
        "server_cpu_s": round((cpu_us(running.pid) - cpu) / 1e6, 1),
        "lone_before": before,
        "lone_during_p50_ms": statistics.median(one["p50_ms"] for one in during),
        "lone_during_p99_ms": max(one["p99_ms"] for one in during),
        "rss_mib": rss_mib(running.pid),
    }


def left_of(running: Server) -> int:
    import apsw

    connection = apsw.Connection(str(running.database), flags=apsw.SQLITE_OPEN_READONLY)
    left: int = connection.execute("select count(*) from process where name = 'stored'").fetchone()[0]
    connection.close()
    return left


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.million")
    parser.add_argument("--processes", type=int, default=1_000_000)
    parser.add_argument("--ready", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="append the raw line here")
    options = parser.parse_args()
    row: dict[str, Any] = {
        "workload": "stored processes",
        "processes": options.processes,
        "ready": options.ready,
    }
    row |= {"fsync_ms": round(fsync_ms(), 3), "spin_ms": round(spin_ms(), 2)}

    def fill(path: Path) -> None:
        start = time.perf_counter()
        load(path, options.processes, options.ready)
        row["load_s"] = round(time.perf_counter() - start, 1)
        row["file_mib"] = round(path.stat().st_size / 2**20)

    with server(prepare=fill) as running:
        row["first_answer_s"] = round(running.ready_s, 2)
        row["all_ready_handed_out_s"] = round(asyncio.run(all_ready(running.url, options.ready)), 2)
        row["rss_mib"] = rss_mib(running.pid)
        say(f"{row}")
        with worker("bench.bare_worker", running.url):
            row["retention"] = asyncio.run(retention(running, options.ready))
    line = json.dumps(row)
    print(line)
    if options.out:
        with options.out.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
