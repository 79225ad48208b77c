"""Jobs: one operation on many processes, in slices, through every crash.

A job is a row, its items are rows of their own. Each item's receipt is written in the turn that does it, so after a
crash the slice goes on exactly where it stopped; a slice that is done becomes one row with what became of its items.
"""

import asyncio
import logging
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from stepwell.definition.plan import SERVER
from stepwell.model.audit import Audit
from stepwell.model.codec import Record, change, decode, decode_as, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Busy, Conflict, NotFound, StepwellError
from stepwell.model.search import ProcessSearch
from stepwell.runtime.requests import Actor, Operation
from stepwell.store.port import Changes, Reads, Turn

if TYPE_CHECKING:
    from stepwell.runtime.runtime import Runtime

SLICE = 50
"""Processes that one step of a job works on."""
KEPT_MS = 30 * 86_400_000
"""How long an ended job stays to be read."""
PAUSE_S = 0.2

log = logging.getLogger("stepwell.jobs")


class JobOperation(StrEnum):
    TERMINATE = "TERMINATE"
    CANCEL = "CANCEL"
    RESUME = "RESUME"
    REVIEW = "REVIEW"
    PAUSE = "PAUSE"
    UNPAUSE = "UNPAUSE"
    RERUN = "RERUN"
    """A new process like each of them."""


class JobStatus(StrEnum):
    RUNNING = "RUNNING"
    DONE = "DONE"


class Job(Record, frozen=True, kw_only=True):
    id: int
    operation: JobOperation
    status: JobStatus = JobStatus.RUNNING
    reason: str = ""
    version: int | None = None
    """RERUN and RESUME: of the definition; 0 = the newest, None = each process's own."""
    search: ProcessSearch | None = None
    """What to look for, newest first; None: the ids were given."""
    definition_ids: tuple[int, ...] | None = None
    """One more condition of the search, see `Reads.find_processes`."""
    total: int | None = None
    """How many processes; of a search it is known at the end."""
    done: int = 0
    failed: int = 0
    before_id: int = 0
    """The next slice holds ids below it only; 0 = from the newest on."""
    slices: int = 0
    created: int = 0
    created_by: str = ""
    updated: int = 0
    ended: int = 0


class JobItem(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one process."""

    process_id: int
    error: str = ""
    code: str = ""
    started: int = 0
    """RERUN: the new process."""


class Slice(Record, frozen=True):
    items: tuple[JobItem, ...]


# -- rows


def create_job(turn: Turn, now: int, job: Job, ids: Sequence[int] | None) -> Job:
    """Store a new job (its id is given here). From now on it is done, whatever happens."""
    stored = change(job, id=turn.reserve(1), created=now, updated=now)
    entries = [_head(stored)]
    if ids is not None:
        newest_first = sorted(set(ids), reverse=True)
        stored = change(stored, total=len(newest_first))
        entries = [_head(stored), _part(stored, "ids", encode(newest_first))]
    audit = Audit(
        at=now, who=job.created_by, what=f"JOB_{job.operation}", target=f"job {stored.id}", why=job.reason
    )
    turn.save(Changes(entries=entries, audit=[audit]))
    return stored


def read_job(reads: Reads, id: int) -> Job:
    """Raises NotFound."""
    entry = reads.entry(EntryKind.JOB, SERVER, _name(id))
    if entry is None:
        raise NotFound(f"there is no job {id}")
    return decode_as(entry.body, Job)


def read_jobs(reads: Reads) -> list[Job]:
    """Newest first."""
    return [decode_as(entry.body, Job) for entry in reversed(reads.entries(EntryKind.JOB, SERVER))]


def read_items(reads: Reads, id: int) -> list[JobItem]:
    """What became of the processes that the job is done with, in its order: newest first."""
    rows = reads.entries(EntryKind.JOB_PART, SERVER, f"{_name(id)}/slice/")
    return [item for row in rows for item in decode_as(row.body, Slice).items]


def _name(id: int) -> str:
    return f"{id:016d}"


def _head(job: Job) -> Entry:
    return Entry(
        kind=EntryKind.JOB,
        namespace=SERVER,
        name=_name(job.id),
        body=encode(job),
        version=job.slices + 1,
        created=job.created,
        updated=job.updated,
        updated_by=job.created_by,
        expires=job.ended + KEPT_MS if job.ended else 0,
    )


def _part(job: Job, name: str, body: bytes) -> Entry:
    return Entry(
        kind=EntryKind.JOB_PART,
        namespace=SERVER,
        name=f"{_name(job.id)}/{name}",
        body=body,
        created=job.updated,
        updated=job.updated,
        updated_by=job.created_by,
        expires=job.updated + KEPT_MS,
    )


def done_before(turn: Turn, receipt: Entry) -> JobItem | None:
    """Another node may work on the same slice: what it has done of this item. Raises Conflict when it has gone on.

    Asked under the lock of the item's process, so that only one of them does it."""
    found = turn.entry(receipt.kind, receipt.namespace, receipt.name)
    if found is not None:
        return decode_as(found.body, JobItem)
    head = turn.entry(EntryKind.JOB, SERVER, receipt.name.split("/")[0])
    if head is None or head.version != receipt.version:
        raise Conflict("another node has done this part of the job", code="JOB_HAS_MOVED_ON")
    return None


def _has_moved_on(turn: Turn, job: Job) -> bool:
    head = turn.entry(EntryKind.JOB, SERVER, _name(job.id))
    return head is None or head.version != job.slices + 1


def _save_slice(turn: Turn, now: int, job: Job, items: Sequence[JobItem]) -> Job:
    """Progress: the slice's receipts become one row; the job's own says where it goes on."""
    if _has_moved_on(turn, job):
        return job
    failed = sum(1 for item in items if item.error)
    job = change(job, slices=job.slices + 1, updated=now, before_id=items[-1].process_id)
    job = change(job, done=job.done + len(items) - failed, failed=job.failed + failed)
    receipts = (_part(job, f"receipt/{item.process_id}", b"") for item in items)
    dropped = [(row.kind, row.namespace, row.name) for row in receipts]
    part = _part(job, f"slice/{job.slices:08d}", encode(Slice(tuple(items))))
    turn.save(Changes(entries=[_head(job), part], dropped_entries=dropped))
    return job


def _finish(turn: Turn, now: int, job: Job) -> Job:
    if _has_moved_on(turn, job):
        return job
    ended = change(job, status=JobStatus.DONE, ended=now, updated=now, total=job.done + job.failed)
    turn.save(Changes(entries=[_head(ended)]))
    return ended


# -- the work


class Jobs:
    """Works on whatever job is not done, one slice of each in turn. Belongs to the runtime's loop."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work_for_ever(), name="stepwell-jobs")

    async def stop(self) -> None:
        """What a slice has begun goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def create(self, job: Job, ids: Sequence[int] | None) -> Job:
        """Durable when it answers; the work begins at once."""
        stored = await self._runtime.write(lambda turn, now: create_job(turn, now, job, ids))
        self._wake.set()
        return stored

    async def _work_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                unfinished = await self._unfinished()
                for job in unfinished:
                    await self._advance(job)
            except Busy:
                await asyncio.sleep(PAUSE_S)
                continue
            except Exception:
                log.exception("a job stumbled; it goes on in a moment")
                await asyncio.sleep(10 * PAUSE_S)
                continue
            if not unfinished:
                await self._wake.wait()

    async def _unfinished(self) -> list[Job]:
        jobs = await self._runtime.read(read_jobs)
        return [job for job in reversed(jobs) if job.status is JobStatus.RUNNING]

    async def _advance(self, job: Job) -> None:
        """One slice. Raises Busy; then the same slice is due again, and its receipts tell what is done of it."""
        ids, receipts = await self._runtime.read(lambda reads: _next_slice(reads, job))
        if not ids:
            await self._runtime.write(lambda turn, now: _finish(turn, now, job))
            return
        # All of them must have ended, well or not, before anybody looks at the receipts again.
        done = await asyncio.gather(
            *(self._do(job, id, receipts.get(id)) for id in ids), return_exceptions=True
        )
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure
        items = [item for item in done if isinstance(item, JobItem)]
        await self._runtime.write(lambda turn, now: _save_slice(turn, now, job, items))

    async def _do(self, job: Job, process_id: int, receipt: JobItem | None) -> JobItem:
        if receipt is not None:
            return receipt
        proof = _part(job, f"receipt/{process_id}", encode(JobItem(process_id=process_id)))
        proof = change(proof, version=job.slices + 1)
        actor = Actor(job.created_by, job.reason)
        try:
            if job.operation is JobOperation.RERUN:
                started = await self._runtime.rerun(
                    process_id, job.version, job.created_by, job.reason, receipt=proof
                )
                return JobItem(process_id=process_id, started=started.id)
            operation = Operation(job.operation.value)
            await self._runtime.operate_once(operation, process_id, actor, proof, job.version)
        except Busy:
            raise
        except StepwellError as error:
            return JobItem(process_id=process_id, error=error.message, code=error.code)
        return JobItem(process_id=process_id)


def receipt_of_rerun(receipt: Entry, started: int) -> Entry:
    """The receipt with the process that was started."""
    item = decode_as(receipt.body, JobItem)
    return change(receipt, body=encode(change(item, started=started)))


def _next_slice(reads: Reads, job: Job) -> tuple[list[int], dict[int, JobItem]]:
    """The ids of the next slice, newest first, and the receipts of those that are done already."""
    rows = reads.entries(EntryKind.JOB_PART, SERVER, f"{_name(job.id)}/receipt/")
    receipts = {item.process_id: item for item in (decode_as(row.body, JobItem) for row in rows)}
    if job.search is None:
        given = reads.entry(EntryKind.JOB_PART, SERVER, f"{_name(job.id)}/ids")
        ids = [id for id in (decode(given.body) if given else ()) if not job.before_id or id < job.before_id]
        return ids[:SLICE], receipts
    search = change(job.search, before_id=job.before_id, limit=SLICE, offset=0)
    found = [process.id for process in reads.find_processes(search, job.definition_ids)]
    # What a crash left done may match no longer, and belongs to this slice as far down as that reaches.
    reach = found[-1] if len(found) == SLICE else 0
    return sorted({*found, *(id for id in receipts if id >= reach)}, reverse=True), receipts
