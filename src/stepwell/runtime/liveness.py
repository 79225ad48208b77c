"""Is any process stuck? The liveness invariant, looked at in pages, so that it never costs much at once.

Every open process has a step that is ready or held, a row of what is to happen later, or a process that it waits for;
or it is held, paused, gated by a limit, set aside or waiting for a signal. One that has none of these waits for ever,
and that is a bug of ours: `stuck_processes` is 0 in good health.

`look` reads committed rows only, a page by ascending id, each page as of one moment. Most processes are cleared by what
the store says in two statements; the few that are left are looked at step by step. What looks stuck is looked at again
a moment later: it is, when nothing has touched it meanwhile.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stepwell.definition.plan import Plan
from stepwell.model.codec import Record, decode
from stepwell.model.definition import StepType
from stepwell.model.errors import Busy, StepwellError
from stepwell.model.liveness import OpenProcess
from stepwell.model.process import ProcessContext
from stepwell.model.step import Phase, StepContext
from stepwell.runtime.lines import Lines
from stepwell.runtime.plans import StoredPlans
from stepwell.store.port import Reads

if TYPE_CHECKING:
    from stepwell.runtime.runtime import Runtime

PAGE = 200
"""Open processes that one read looks at."""
LOOK_S = 60.0
"""Between two looks at everything."""
AGAIN_S = 1.0
"""How long what looks stuck is left alone before it is looked at again."""
IDLE = 19
"""For each second that a page has cost, so many seconds nothing is read: a look takes 5 % of a core at the most."""
STEPS = 1_000
"""Open steps of one process that are looked at."""

log = logging.getLogger("stepwell.liveness")


class Stuck(Record, frozen=True, kw_only=True):
    """A process that nothing will ever move."""

    process_id: int
    namespace: str
    name: str
    updated: int
    """When it changed last, epoch ms."""
    revision: int
    why: str
    """What is open of it, or what could not be read."""


class Page(Record, frozen=True):
    last: int
    """The id that the next page begins behind."""
    looked: int
    suspects: tuple[Stuck, ...]


def look(reads: Reads, plans: StoredPlans, after: int, limit: int = PAGE) -> Page:
    """A page of the open processes behind an id. An empty one (`looked` 0) is behind the last."""
    with reads.snapshot():
        found = reads.open_processes(after, limit)
        suspects = _suspects(reads, plans, found)
    return Page(found[-1].id if found else after, len(found), tuple(suspects))


def confirm(reads: Reads, plans: StoredPlans, suspects: Sequence[Stuck]) -> list[Stuck]:
    """Those that are as they were when they were first looked at, and stuck still."""
    with reads.snapshot():
        found = [one for stuck in suspects for one in reads.open_processes(stuck.process_id - 1, 1)]
        revisions = {stuck.process_id: stuck.revision for stuck in suspects}
        same = [one for one in found if revisions.get(one.id) == one.revision]
        return _suspects(reads, plans, same)


def _suspects(reads: Reads, plans: StoredPlans, found: Sequence[OpenProcess]) -> list[Stuck]:
    still, lost = {}, {}
    for one in found:
        if not one.moves:
            try:
                still[one.id] = plans.of(one.definition_id, one.numbering)
            except StepwellError as error:
                lost[one.id] = f"its definition cannot be read: {error.message}"
    at_work = reads.at_work({id: plan.size for id, plan in still.items()})
    lines = _LinesOf(reads)
    suspects = []
    for one in found:
        if one.id in lost:
            why = lost[one.id]
        elif one.id in still and one.id not in at_work:
            why = _why(reads, still[one.id], lines, one.id)
        else:
            continue
        process = reads.process(one.id)
        if why and process is not None and process.status.is_open:
            suspects.append(_stuck(process, one.revision, why))
    return suspects


def _stuck(process: ProcessContext, revision: int, why: str) -> Stuck:
    return Stuck(
        process_id=process.id,
        namespace=process.namespace,
        name=process.name,
        updated=process.updated,
        revision=revision,
        why=why,
    )


def _why(reads: Reads, plan: Plan, lines: "_LinesOf", process_id: int) -> str:
    """What is open of a process that nothing moves; empty when one of its steps says what it waits for."""
    process = reads.process(process_id)
    if process is None or not process.status.is_open:
        return ""
    after = 0
    shown: list[str] = []
    while steps := reads.open_steps(process, plan.size, after, STEPS):
        for step in steps:
            if _is_waiting(reads, plan, lines, process, step):
                return ""
        shown += [f"{step.ref} is {step.shown_status.value}" for step in steps[: 3 - len(shown)]]
        after = steps[-1].id
    return ", ".join(shown) or "no step of it is open"


def _is_waiting(
    reads: Reads, plan: Plan, lines: "_LinesOf", process: ProcessContext, step: StepContext
) -> bool:
    """Does it wait for something that will come, or that somebody else has to send?"""
    if step.hand_out.ready is not None:
        return True
    if step.phase is Phase.CROWDED:
        return lines.of(process.namespace).is_served(step)
    planned = plan.steps.get(str(step.path[0]))
    if planned is None or step.phase is not Phase.WORK:
        return False
    if planned.type is StepType.WAIT:
        return bool(decode(step.input).get("forSignal"))
    if planned.type is StepType.SUB_PROCESS and step.children is not None:
        return _begins(reads, step.children.base)
    return False


def _begins(reads: Reads, child_id: int) -> bool:
    """Is a child about to be started, or told something?"""
    return bool(child_id) and bool(reads.due(child_id))


class _LinesOf:
    """The lines of concurrency limits by namespace, each read when the first step is found standing in one."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._lines: dict[str, Lines] = {}

    def of(self, namespace: str) -> Lines:
        lines = self._lines.get(namespace)
        if lines is None:
            lines = self._lines[namespace] = Lines(self._reads, namespace)
        return lines


def look_at_all(reads: Reads) -> tuple[int, list[Stuck]]:
    """Everything, page by page without a pause: how many processes are open, and what looks stuck among them."""
    plans, last, looked = StoredPlans(reads), 0, 0
    suspects: list[Stuck] = []
    while (page := look(reads, plans, last)).looked:
        last, looked = page.last, looked + page.looked
        suspects += page.suspects
    return looked, suspects


class Liveness:
    """Looks at everything again and again, behind all other work. Belongs to the runtime's loop."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._plans = StoredPlans(runtime.store.reads)
        self._task: asyncio.Task[None] | None = None
        self.again_s = AGAIN_S
        self.stuck: list[Stuck] = []
        """As of the latest look that went through everything."""
        self.open = 0
        """How many processes were open then."""
        self.looked_at = 0
        """When it ended, epoch ms; 0 = there was none yet."""

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work_for_ever(), name="stepwell-liveness")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work_for_ever(self) -> None:
        while True:
            try:
                await self.look_once()
            except Busy:
                log.debug("the store was busy; the next look begins anew")
            except Exception:
                log.exception("the look for stuck processes stumbled; the next one begins anew")
            await asyncio.sleep(LOOK_S)

    async def look_once(self) -> None:
        """Look at everything, with a rest behind each page. Raises Busy."""
        last, looked = 0, 0
        stuck: list[Stuck] = []
        while True:
            began = self._runtime.clock.monotonic()
            page = await self._runtime.read(lambda reads, after=last: look(reads, self._plans, after))  # type: ignore[misc]
            if not page.looked:
                break
            last, looked = page.last, looked + page.looked
            await asyncio.sleep((self._runtime.clock.monotonic() - began) * IDLE)
            stuck += await self._confirmed(page.suspects)
        self._say(stuck)
        self.stuck, self.open, self.looked_at = stuck, looked, self._runtime.clock.now()

    async def _confirmed(self, suspects: Sequence[Stuck]) -> list[Stuck]:
        if not suspects:
            return []
        await asyncio.sleep(self.again_s)
        return await self._runtime.read(lambda reads: confirm(reads, self._plans, suspects))

    def _say(self, stuck: Sequence[Stuck]) -> None:
        """Once for each."""
        known = {one.process_id for one in self.stuck}
        for one in stuck:
            if one.process_id not in known:
                log.error("process %s (%s/%s) is stuck: %s", one.process_id, one.namespace, one.name, one.why)
