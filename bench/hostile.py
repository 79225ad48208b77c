"""What hostile scripts do to everybody else: the latency of lone processes beside them, and without them in between.

    .venv/bin/python -m bench.hostile [--rounds N] [--out FILE]

The server runs the corpus of `tests/steps/hostile.py`, sixteen processes at a time, each a step of scripts that loop,
allocate, recurse and escape. Meanwhile processes of one worker step are run one at a time, in turns with and without
the scripts, and their p50 and p99 set against each other.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.machine import cpu_us, fsync_ms, spin_ms
from bench.servers import Server, server, worker
from bench.workloads import HEADERS, chain, define, run_sync
from tests.steps.hostile import JAVASCRIPT, JQ, PYTHON

HOSTS = 16
LANGUAGES = {"JAVASCRIPT": JAVASCRIPT, "PYTHON": PYTHON, "JQ": JQ}


def hostile_definition() -> dict[str, Any]:
    """One step of each language; the script comes with the run. What becomes of them is no matter."""
    steps = [
        {
            "type": language,
            "name": language.lower(),
            "ref": language.lower(),
            "optional": True,
            "input": {"script": f"{{{{ input.{language} }}}}", "input": {}},
        }
        for language in LANGUAGES
    ]
    return {"namespace": "default", "name": "hostile", "version": 1, "type": "STANDARD", "steps": steps}


async def besiege(url: str, session: aiohttp.ClientSession, seed: int) -> None:
    """One hostile process after the other, for ever."""
    corpus = {language: list(scripts.values()) for language, scripts in LANGUAGES.items()}
    choose = random.Random(seed)
    while True:
        input = {language: choose.choice(scripts) for language, scripts in corpus.items()}
        body = json.dumps({"namespace": "default", "name": "hostile", "input": input})
        async with session.post(f"{url}/api/process/runSync?timeout=60", data=body) as answer:
            await answer.read()


async def times_of(session: aiohttp.ClientSession, url: str, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        await run_sync(session, url, "chain1")
        times.append((time.perf_counter() - start) * 1000)
    return times


async def compare(running: Server, rounds: int, each: int) -> dict[str, Any]:
    times: dict[str, list[float]] = {"without": [], "with": []}
    seeds = itertools.count()
    timeout = aiohttp.ClientTimeout(300)
    async with (
        aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as session,
        aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as enemy,
    ):
        await define(session, running.url, chain("chain1", 1))
        await define(session, running.url, hostile_definition())
        await times_of(session, running.url, 50)
        for _ in range(rounds):
            times["without"] += await times_of(session, running.url, each)
            enemies = [asyncio.ensure_future(besiege(running.url, enemy, next(seeds))) for _ in range(HOSTS)]
            await asyncio.sleep(1)
            before, start = cpu_us(running.pid), time.perf_counter()
            times["with"] += await times_of(session, running.url, each)
            busy = (cpu_us(running.pid) - before) / (time.perf_counter() - start) / 1e4
            for task in enemies:
                task.cancel()
            await asyncio.gather(*enemies, return_exceptions=True)
            # What runs still ends within its time limit.
            await asyncio.sleep(6)
    figures: dict[str, Any] = {"server_busy_percent": round(busy)}
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        quiet, loud = (sorted(times[kind])[int(len(times[kind]) * share)] for kind in ("without", "with"))
        figures |= {f"{name}_ms": round(quiet, 2), f"{name}_beside_ms": round(loud, 2)}
        figures[f"{name}_ratio"] = round(loud / quiet, 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hostile")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=400, help="lone processes in each half of a round")
    parser.add_argument("--out", type=Path, help="append the raw line here (JSON)")
    options = parser.parse_args()
    with server() as running, worker("bench.bare_worker", running.url):
        figures = asyncio.run(compare(running, options.rounds, options.each))
    row = {"workload": "beside hostile scripts", **figures, "fsync_ms": round(fsync_ms(), 3)}
    line = json.dumps({**row, "spin_ms": round(spin_ms(), 2)})
    print(line)
    if options.out:
        with options.out.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
