"""Retention: finished processes go when their time is over, in small bites between everybody else's turns.

Processes are gone through in the order of their ends. There are few different times to keep (one for each rule), and
for each of them a place up to which everything has been looked at, so a pass looks at what has become old since the
last one, however much is kept. Once a day it looks from the start: at what was needed when it was looked at first.

A process's row goes first, in one transaction with its steps when they are few. Of a wide one a LEFT_OVER entry stays
in its place until all its steps are gone, in bites as well, through every crash.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stepwell.definition.plan import SERVER
from stepwell.model.codec import Record, decode_as, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Busy, Invalid, NotFound, Problem
from stepwell.model.retention import Finished, RetentionRule
from stepwell.runtime.archive import Archive
from stepwell.runtime.audit import note
from stepwell.store.port import Changes, Reads, Turn

if TYPE_CHECKING:
    from stepwell.runtime.runtime import Runtime

LOOK_S = 60.0
"""Between two passes."""
AGAIN_MS = 86_400_000
"""When everything is looked at from the start again."""
LOOKED_AT = 500
"""Finished processes that one read looks at."""
BITE = 50
"""Processes that one transaction drops."""
STEPS = 1_000
"""Steps that one transaction drops of a wide process; and large payloads."""
PAUSE_S = 0.01
"""Between two bites: others have their turns."""
LONGEST_MS = 100 * 366 * 86_400_000

log = logging.getLogger("stepwell.retention")


class Run(Record, frozen=True):
    """Ids that a dropped process had."""

    first: int
    last: int


class LeftOver(Record, frozen=True):
    process_id: int
    runs: tuple[Run, ...]


# -- rules


def put_rule(turn: Turn, now: int, rule: RetentionRule, by: str, why: str = "") -> RetentionRule:
    """Create or replace the rule of a namespace or of one definition in it. Raises Invalid."""
    if not 0 <= rule.keep_ms <= LONGEST_MS:
        problem = Problem("keepMs", f"must be from 0 (for ever) to {LONGEST_MS}, in milliseconds", "LIMIT")
        raise Invalid(problems=(problem,))
    before = turn.entry(EntryKind.RETENTION, rule.namespace, rule.name)
    body = encode(rule)
    entry = Entry(
        kind=EntryKind.RETENTION,
        namespace=rule.namespace,
        name=rule.name,
        body=body,
        version=1 if before is None else before.version + 1,
        created=now if before is None else before.created,
        updated=now,
        updated_by=by,
    )
    turn.save(Changes(entries=[entry]))
    note(turn, now, by, "PUT_RETENTION", _target(rule.namespace, rule.name), why=why, detail=body)
    return rule


def delete_rule(turn: Turn, now: int, namespace: str, name: str, by: str, why: str = "") -> None:
    """Raises NotFound."""
    if turn.entry(EntryKind.RETENTION, namespace, name) is None:
        raise NotFound(f"there is no retention rule of {_target(namespace, name)}")
    turn.save(Changes(dropped_entries=[(EntryKind.RETENTION, namespace, name)]))
    note(turn, now, by, "DELETE_RETENTION", _target(namespace, name), why=why)


def read_rules(reads: Reads) -> list[RetentionRule]:
    """By namespace and name; the rule of the namespace itself goes first."""
    return [decode_as(entry.body, RetentionRule) for entry in reads.entries(EntryKind.RETENTION)]


def _target(namespace: str, name: str) -> str:
    return f"{namespace}/{name or '*'}"


class Rules:
    """Which rule a process falls under."""

    def __init__(self, rules: Iterable[RetentionRule], keep_ms: int) -> None:
        self._by_key = {(rule.namespace, rule.name): rule for rule in rules}
        self._default = RetentionRule(namespace="", keep_ms=keep_ms)

    def of(self, namespace: str, name: str) -> RetentionRule:
        rules = self._by_key
        return rules.get((namespace, name)) or rules.get((namespace, "")) or self._default

    def times(self) -> list[int]:
        """The different times to keep, shortest first; what is kept for ever is not among them."""
        every = {rule.keep_ms for rule in (*self._by_key.values(), self._default)}
        return sorted(every - {0})


# -- the work


class Retention:
    """Drops what is over. Belongs to the runtime's loop."""

    def __init__(self, runtime: "Runtime", keep_ms: int = 0, archive: str = "") -> None:
        self._runtime = runtime
        self._keep_ms = keep_ms
        self._archive = Archive(Path(archive)) if archive else None
        self._places: dict[int, tuple[int, int]] = {}
        """Time to keep → the (ended, id) up to which all was looked at."""
        self._began = 0
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Processes, since the start."""

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work_for_ever(), name="stepwell-retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work_for_ever(self) -> None:
        while True:
            try:
                await self.pass_once()
            except Busy:
                log.debug("the store was busy; the next pass goes on")
            except Exception:
                log.exception("retention stumbled; it goes on with the next pass")
            await asyncio.sleep(LOOK_S)

    async def pass_once(self) -> int:
        """Drop everything that is over now; how many processes went. Raises Busy, OSError of the archive."""
        await self._drop_left_overs()
        rules = Rules(await self._runtime.read(read_rules), self._keep_ms)
        now = self._runtime.clock.now()
        if now - self._began >= AGAIN_MS:
            self._places.clear()
            self._began = now
        times = rules.times()
        self._places = {time: self._places.get(time, (0, 0)) for time in times}
        return sum([await self._drop_kept_for(time, now, rules) for time in times])

    async def _drop_kept_for(self, time: int, now: int, rules: Rules) -> int:
        dropped = 0
        while found := await self._finished(self._places[time], now - time):
            over = [
                one for one in found if one.is_free and self._goes(rules.of(one.namespace, one.name), time)
            ]
            for at in range(0, len(over), BITE):
                dropped += await self._drop(over[at : at + BITE], rules)
                await asyncio.sleep(PAUSE_S)
            self._places[time] = (found[-1].ended, found[-1].id)
        return dropped

    def _goes(self, rule: RetentionRule, time: int) -> bool:
        """Is it this time that the rule names? What should be archived stays where there is no archive."""
        return rule.keep_ms == time and (not rule.archive or self._archive is not None)

    async def _finished(self, after: tuple[int, int], before: int) -> list[Finished]:
        return await self._runtime.read(lambda reads: reads.finished(after, before, LOOKED_AT))

    async def _drop(self, over: Sequence[Finished], rules: Rules) -> int:
        await self._keep_in_archive([one for one in over if rules.of(one.namespace, one.name).archive])
        sizes = [(await self._runtime.plan_of(one)).size for one in over]
        sized = list(zip(over, sizes, strict=True))
        dropped = await self._runtime.write(partial(_drop_all, sized), catalog=False)
        self.dropped += dropped
        self._runtime.counts.dropped += dropped
        await self._drop_left_overs()
        return dropped

    async def _keep_in_archive(self, over: Sequence[Finished]) -> None:
        if not over or self._archive is None:
            return
        ids = [one.id for one in over]
        found = await self._runtime.read(lambda reads: [reads.process(id) for id in ids])
        await self._archive.write(self._runtime, [process for process in found if process is not None])

    async def _drop_left_overs(self) -> None:
        for entry in await self._runtime.read(lambda reads: reads.entries(EntryKind.LEFT_OVER, SERVER)):
            drop_some = partial(_drop_some, decode_as(entry.body, LeftOver))
            while not await self._runtime.write(drop_some, catalog=False):
                await asyncio.sleep(PAUSE_S)


def _drop_all(over: Sequence[tuple[Finished, int]], turn: Turn, now: int) -> int:
    return sum(_drop_one(turn, now, one, size) for one, size in over)


def _drop_one(turn: Turn, now: int, one: Finished, size: int) -> bool:
    """False when it has moved on since it was looked at."""
    blocks = turn.blocks(one.id)
    if not turn.drop_process(one.id, one.revision):
        return False
    runs = (
        Run(one.id, one.id + size - 1),
        *(Run(block.first, block.first + block.count - 1) for block in blocks),
    )
    if size <= STEPS and not blocks:
        turn.drop_steps(runs[0].first, runs[0].last, STEPS)
        if turn.drop_blobs(one.id, STEPS) < STEPS:
            return True
    left = Entry(
        kind=EntryKind.LEFT_OVER,
        namespace=SERVER,
        name=_name(one.id),
        body=encode(LeftOver(one.id, runs)),
        created=now,
        updated=now,
    )
    turn.save(Changes(entries=[left]))
    return True


def _drop_some(left: LeftOver, turn: Turn, _now: int) -> bool:
    """One bite of what a wide process has left. True when that was the last."""
    room = STEPS
    for run in left.runs:
        if room:
            room -= turn.drop_steps(run.first, run.last, room)
    if not room or turn.drop_blobs(left.process_id, STEPS) == STEPS:
        return False
    turn.save(Changes(dropped_entries=[(EntryKind.LEFT_OVER, SERVER, _name(left.process_id))]))
    return True


def _name(process_id: int) -> str:
    return f"{process_id:016d}"
