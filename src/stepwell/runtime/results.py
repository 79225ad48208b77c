"""The results of a FOREACH in pages: its own output holds the first thousand only."""

from stepwell.definition.plan import Plan
from stepwell.model.codec import Record
from stepwell.model.definition import StepType
from stepwell.model.errors import Conflict, NotFound
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext
from stepwell.runtime.view import find_step
from stepwell.store.port import Reads

SLICE = 25
"""Rows that are read at once. A row may be megabytes."""
PAGE_BYTES = 8 * 1024 * 1024
"""A page that has grown to this ends before its limit."""


class ResultsPage(Record, frozen=True):
    """Iterations `first`, `first + 1` … of a FOREACH, as they are now."""

    step: StepContext
    """The FOREACH itself."""
    total: int
    """How many items it has."""
    first: int
    items: list[StepContext | None]
    """The step of each iteration, by index; None: it has not begun in this pass."""


def results(
    reads: Reads, plan: Plan, process: ProcessContext, ref: str, first: int, limit: int
) -> ResultsPage:
    """Raises NotFound when there is no such step, or it has not begun; Conflict when it is no FOREACH."""
    step = find_step(reads, plan, process, (), ref)
    if step is None:
        raise NotFound(f"process {process.id} has no step {ref} that has begun")
    loop = plan.steps[str(step.path[0])]
    if loop.type is not StepType.FOREACH:
        raise Conflict(f"{ref} is a {loop.type}: only a FOREACH has results in pages")
    counters = step.children
    total = 0 if counters is None else counters.total
    items: list[StepContext | None] = []
    size = 0
    end = min(total, first + limit)
    for start in range(first, end, SLICE):
        assert counters is not None
        ids = [counters.base + index * loop.iteration_size for index in range(start, min(end, start + SLICE))]
        known = {
            found.id: found for found in reads.steps_by_id(ids) if found.parent_execution_id == step.execution
        }
        items += [known.get(id) for id in ids]
        size += sum(len(found.output) for found in known.values())
        if size >= PAGE_BYTES:
            break
    return ResultsPage(step, total, first, items)
