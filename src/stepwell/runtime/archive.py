"""The archive: processes as JSON lines, written and flushed before their rows go.

A file for each day: `<folder>/<namespace>/<YYYY-MM-DD>.jsonl`. A process is one line `{"process": …}` and one line
`{"step": …}` for each of its step contexts, its executions in it. A crash between the flush and the deletion writes a
process twice; the lines are the same.
"""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from stepwell.definition.plan import Plan
from stepwell.model.codec import encode
from stepwell.model.process import ProcessContext
from stepwell.runtime.documented import documented_process, documented_step
from stepwell.store.port import Reads

if TYPE_CHECKING:
    from stepwell.runtime.runtime import Runtime

AT_ONCE = 500
"""Steps in memory at a time, of however wide a process."""


class Archive:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, runtime: "Runtime", processes: list[ProcessContext]) -> None:
        """On disk when it returns. Raises OSError."""
        plans = [await runtime.plan_of(process) for process in processes]
        today = datetime.fromtimestamp(runtime.clock.now() / 1000, UTC).strftime("%Y-%m-%d")
        reads = runtime.store.reads
        await asyncio.to_thread(self._write, reads, list(zip(processes, plans, strict=True)), today)

    def _write(self, reads: Reads, processes: list[tuple[ProcessContext, Plan]], today: str) -> None:
        files: dict[str, BinaryIO] = {}
        try:
            for process, plan in processes:
                if process.namespace not in files:
                    files[process.namespace] = self._open(process.namespace, today)
                _write_process(files[process.namespace], reads, process, plan)
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
        finally:
            for file in files.values():
                file.close()

    def _open(self, namespace: str, today: str) -> BinaryIO:
        """A namespace may be called like a folder above; its file may not."""
        folder = self._folder / quote(namespace, safe="").replace(".", "%2E")
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / f"{today}.jsonl").open("ab")


def _write_process(file: BinaryIO, reads: Reads, process: ProcessContext, plan: Plan) -> None:
    ended = {"updated": process.updated, "ended": process.ended, "reason": process.reason}
    file.write(encode({"process": {**documented_process(process), **ended}}) + b"\n")
    after = 0
    while steps := reads.steps(process, plan.size, after, AT_ONCE):
        executions = reads.executions([step.id for step in steps])
        for step in steps:
            line = {"step": documented_step(step, plan, executions.get(step.id, []))}
            file.write(encode(line) + b"\n")
        after = steps[-1].id
