"""Run the benchmark: `python -m bench [--seconds N] [--rounds N] [--out FILE]`."""

import argparse
import asyncio
import json
import platform
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench.machine import fsync_ms, spin_ms
from bench.servers import on_postgres, server, worker
from bench.workloads import chain, latency, scripts, throughput

WORKERS = {"bare exchange client": "bench.bare_worker", "stepwell.worker": "bench.sdk_worker"}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_round(seconds: float, only: str) -> list[dict[str, Any]]:
    rows = []
    for label, module in WORKERS.items():
        if only not in label:
            continue
        with server() as running, worker(module, running.url) as hands:
            say(f"A: chain of 10, 100 live processes, {label} …")
            figures = asyncio.run(throughput(running, hands.pid, live=100, length=10, seconds=seconds))
            rows.append({"workload": "A chain of 10", "worker": label, **figures})
            say(f"   {figures}")
            for length in (1, 10):
                say(f"B: one lone process of {length}, {label} …")
                figures = asyncio.run(latency(running, chain(f"chain{length}", length), rounds=200))
                rows.append({"workload": f"B lone process of {length}", "worker": label, **figures})
                say(f"   {figures}")
    return rows + (in_engine() if only in "in-engine" else [])


def in_engine() -> list[dict[str, Any]]:
    """B, without any worker: both kinds of process in turns, on one server."""
    rows = []
    with server() as running:
        for kind in ("STANDARD", "API_ORCHESTRATION"):
            say(f"B: one lone process of 10 scripts, {kind} …")
            figures = asyncio.run(latency(running, scripts(kind.lower(), 10, kind), rounds=200))
            rows.append({"workload": "B lone process of 10 scripts", "process_type": kind, **figures})
            say(f"   {figures}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each throughput run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a worker's name, or in-engine")
    parser.add_argument("--out", type=Path, help="append the raw lines here (JSON lines)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, on the same machine")
    options = parser.parse_args()
    machine = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "fsync_ms": round(fsync_ms(), 3),
        "spin_ms": round(spin_ms(), 2),
    }
    say(f"machine: {machine}")
    with on_postgres() if options.postgres else nullcontext():
        run_rounds(options, machine)


def run_rounds(options: argparse.Namespace, machine: dict[str, Any]) -> None:
    store = "postgresql" if options.postgres else "sqlite"
    for number in range(options.rounds):
        for row in run_round(options.seconds, options.only):
            line = json.dumps({"store": store, **row, "round": number + 1, **machine})
            print(line, flush=True)
            if options.out:
                with options.out.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
