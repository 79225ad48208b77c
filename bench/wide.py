"""Wide and deep: what an item, a pass, a level or a step costs when there are a hundred times as many of them.

    .venv/bin/python -m bench.wide [--rounds N] [--only foreach] [--out FILE]

Each pair runs in one server over a fresh SQLite file, the small one before and after the large one, so that the ratio
does not hang on what else the machine does. Figures: milliseconds and server CPU microseconds for each unit, and how
far the server's resident memory rose over the first large one (caches fill) and over the second.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from bench.machine import cpu_us, fsync_ms, rss_mib, spin_ms
from bench.servers import Server, server, worker
from bench.workloads import HEADERS, define

Definitions = list[dict[str, Any]]

WORK = {"type": "WORKER", "name": "noop", "ref": "work"}


def foreach(size: int, concurrency: int) -> Definitions:
    loop = {
        "type": "FOREACH",
        "name": "loop",
        "ref": "loop",
        "input": {"inputArray": "{{ input.items }}", "concurrency": concurrency},
        "children": [{**WORK, "input": {"item": "{{ foreach.value }}", "for": "{{ input.customer }}"}}],
    }
    return [_definition(f"foreach-{size}-{concurrency}", loop)]


def scripts(size: int) -> Definitions:
    """The process's input is as long as the loop, and each script runs beside it."""
    (definition,) = foreach(size, 50)
    script = "(steps, context) => steps.__self.input.item + context.id"
    child = {
        "type": "JAVASCRIPT",
        "name": "js",
        "ref": "js",
        "input": {"script": script, "item": "{{ foreach.value }}"},
    }
    definition["steps"][0]["children"] = [child]
    return [{**definition, "name": f"scripts-{size}"}]


def nested(levels: int) -> Definitions:
    """Each process starts the next one and waits for it; the innermost has one worker step."""
    found = [_definition(f"nest-{levels}-{levels}", {**WORK})]
    for level in reversed(range(1, levels)):
        inner = {
            "type": "SUB_PROCESS",
            "name": "inner",
            "ref": "inner",
            "input": {"processName": f"nest-{levels}-{level + 1}"},
        }
        found.append(_definition(f"nest-{levels}-{level}", inner))
    return found


def passes(count: int) -> Definitions:
    """A loop that its bound ends: the step fails after so many passes and is optional."""
    loop = {
        "type": "WHILE",
        "name": "loop",
        "ref": "loop",
        "optional": True,
        "input": {"script": "(steps) => !steps.work || steps.work.output.ok", "maxIterations": count},
        "children": [{**WORK, "input": {"again": True}}],
    }
    return [_definition(f"passes-{count}", loop, {"type": "NOOP", "name": "end", "ref": "end"})]


def long(length: int) -> Definitions:
    """Each step takes something from the one before it."""
    steps = [{**WORK, "ref": "s0", "input": {}}]
    steps += [
        {**WORK, "ref": f"s{at}", "input": {"ok": f"{{{{ steps.s{at - 1}.output.ok }}}}"}}
        for at in range(1, length)
    ]
    return [_definition(f"long-{length}", *steps)]


def _definition(name: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"namespace": "default", "name": name, "version": 1, "type": "STANDARD", "steps": list(steps)}


class Pair(NamedTuple):
    """The same thing small and large. `repeat` of the small one, so that it does not end before it is measured."""

    name: str
    unit: str
    make: Callable[[int], Definitions]
    small: int
    large: int
    repeat: int
    again: int = 1
    """How often the large one runs."""
    items: bool = False


PAIRS = (
    Pair("foreach", "item", lambda n: foreach(n, 200), 1_000, 100_000, 10, items=True),
    Pair("foreach all at once", "item", lambda n: foreach(n, n), 1_000, 100_000, 10, items=True),
    Pair("foreach of scripts", "item", scripts, 500, 20_000, 4, items=True),
    Pair("sub-processes", "level", nested, 5, 50, 50, 5),
    Pair("while", "pass", passes, 100, 10_000, 5),
    Pair("chain", "step", long, 10, 10_000, 100),
)


async def run(session: aiohttp.ClientSession, url: str, name: str, input: dict[str, Any]) -> None:
    """Start it and wait for its end, with few questions."""
    body = {"namespace": "default", "name": name, "input": input}
    async with session.post(f"{url}/api/process/runSync?timeout=300", data=json.dumps(body)) as answer:
        process = await answer.json()
        assert answer.status == 200, process
    assert process["status"] == "COMPLETED", process["status"]


async def units(running: Server, pair: Pair, size: int, times: int) -> dict[str, float]:
    input = {"customer": "c-1", "items": list(range(size)) if pair.items else []}
    made = pair.make(size)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=aiohttp.ClientTimeout(900)) as session:
        for definition in made:
            await define(session, running.url, definition)
        resident, cpu, start = rss_mib(running.pid), cpu_us(running.pid), time.perf_counter()
        for _ in range(times):
            await run(session, running.url, made[-1]["name"], input)
    wall, count = time.perf_counter() - start, size * times
    return {
        "ms": wall * 1000 / count,
        "cpu_us": (cpu_us(running.pid) - cpu) / count,
        "rss_mib": rss_mib(running.pid) - resident,
    }


def measure(pair: Pair) -> dict[str, Any]:
    with server() as running, worker("bench.bare_worker", running.url):
        asyncio.run(units(running, pair, pair.small, pair.repeat))
        before = asyncio.run(units(running, pair, pair.small, pair.repeat))
        first = asyncio.run(units(running, pair, pair.large, pair.again))
        large = asyncio.run(units(running, pair, pair.large, pair.again))
        after = asyncio.run(units(running, pair, pair.small, pair.repeat))
    small = {key: (before[key] + after[key]) / 2 for key in before}
    return {
        "workload": f"wide: {pair.name}",
        "unit": pair.unit,
        "small": pair.small,
        "large": pair.large,
        **{f"small_{key}": round(value, 2) for key, value in small.items() if key != "rss_mib"},
        **{f"large_{key}": round(value, 2) for key, value in large.items() if key != "rss_mib"},
        "first_rss_mib": round(first["rss_mib"], 1),
        "again_rss_mib": round(large["rss_mib"], 1),
        "ratio_ms": round(large["ms"] / small["ms"], 2),
        "ratio_cpu": round(large["cpu_us"] / small["cpu_us"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.wide")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="name of a pair")
    parser.add_argument("--out", type=Path, help="append the raw lines here (JSON lines)")
    options = parser.parse_args()
    for number in range(options.rounds):
        for pair in PAIRS:
            if options.only and options.only != pair.name:
                continue
            row = {
                **measure(pair),
                "round": number + 1,
                "fsync_ms": round(fsync_ms(), 3),
                "spin_ms": round(spin_ms(), 2),
            }
            print(json.dumps(row), flush=True)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    sys.exit(main())
