"""What is measured. Each workload answers a plain record of figures."""

import asyncio
import json
import statistics
import time
from typing import Any

import aiohttp

from bench.machine import cpu_us
from bench.servers import BEARER, Server

PAD = "p" * 150
HEADERS = {"Authorization": BEARER, "Content-Type": "application/json"}


def chain(name: str, length: int) -> dict[str, Any]:
    """Worker steps one after the other; each takes something from the one before it."""
    return {
        "namespace": "default",
        "name": name,
        "version": 1,
        "type": "STANDARD",
        "steps": [
            {
                "type": "WORKER",
                "name": "noop",
                "ref": f"s{at}",
                "input": {
                    "pad": PAD,
                    "n": at,
                    "before": f"{{{{ steps.s{at - 1}.output.ok }}}}" if at else True,
                },
            }
            for at in range(length)
        ],
    }


def scripts(name: str, length: int, kind: str) -> dict[str, Any]:
    """JavaScript steps one after the other, run by the server itself."""
    return {
        "namespace": "default",
        "name": name,
        "version": 1,
        "type": kind,
        "steps": [
            {
                "type": "JAVASCRIPT",
                "name": f"s{at}",
                "ref": f"s{at}",
                "input": {"script": "(steps, context) => context.input.order + 1"},
            }
            for at in range(length)
        ],
    }


async def define(session: aiohttp.ClientSession, url: str, definition: dict[str, Any]) -> None:
    async with session.post(f"{url}/api/processDefinitions", data=json.dumps(definition)) as answer:
        assert answer.status == 200, await answer.text()


async def run_sync(session: aiohttp.ClientSession, url: str, name: str) -> None:
    body = json.dumps({"namespace": "default", "name": name, "input": {"order": 1}})
    async with session.post(f"{url}/api/process/runSync?timeout=60", data=body) as answer:
        process = await answer.json()
        assert process.get("status") == "COMPLETED", process


async def throughput(
    server: Server, worker_pid: int, *, live: int, length: int, seconds: float
) -> dict[str, Any]:
    """A: `live` processes at any time, each a chain; as one ends the next is started."""
    done = 0

    async def keep_one_running(session: aiohttp.ClientSession, until: float) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await run_sync(session, server.url, "chain")
            done += 1

    connector = aiohttp.TCPConnector(limit=live)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:
        await define(session, server.url, chain("chain", length))
        await asyncio.gather(*(keep_one_running(session, time.perf_counter() + 1.0) for _ in range(live)))
        done = 0
        start, server_cpu, worker_cpu = time.perf_counter(), cpu_us(server.pid), cpu_us(worker_pid)
        await asyncio.gather(*(keep_one_running(session, start + seconds) for _ in range(live)))
        wall = time.perf_counter() - start
        steps = done * length
        return {
            "steps_per_s": round(steps / wall),
            "server_cpu_us_per_step": round((cpu_us(server.pid) - server_cpu) / steps, 1),
            "worker_cpu_us_per_step": round((cpu_us(worker_pid) - worker_cpu) / steps, 1),
            "processes": done,
        }


async def latency(server: Server, definition: dict[str, Any], *, rounds: int) -> dict[str, Any]:
    """B: one lone process at a time, from the request to the answer of a synchronous run."""
    name = definition["name"]
    times = []
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        await define(session, server.url, definition)
        for _ in range(rounds + 20):
            start = time.perf_counter()
            await run_sync(session, server.url, name)
            times.append((time.perf_counter() - start) * 1000)
    times = sorted(times[20:])
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(times[int(len(times) * 0.99)], 2),
        "rounds": rounds,
    }
