"""Reading one moment: a process and its steps as one turn left them, never a row of before beside a row of after."""

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from stepwell.definition.plan import Plan
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.store.port import Reads

T = TypeVar("T")


class Seen(NamedTuple, Generic[T]):
    process: ProcessContext
    found: T | None
    """None: the process follows another plan by now, nothing was asked."""


def at_once(query: Callable[[Reads], T], reads: Reads) -> T:
    with reads.snapshot():
        return query(reads)


def of_process(
    before: ProcessContext, plan: Plan, query: Callable[[Reads, ProcessContext, Plan], T]
) -> Callable[[Reads], Seen[T]]:
    """What asks for a process anew, and then for what belongs to it. `plan` is that of the process `before`."""
    return partial(_of_process, before, plan, query)


def _of_process(
    before: ProcessContext, plan: Plan, query: Callable[[Reads, ProcessContext, Plan], T], reads: Reads
) -> Seen[T]:
    process = reads.process(before.id)
    if process is None:
        raise NotFound(f"there is no process {before.id}")
    if (process.definition_id, process.numbering) != (before.definition_id, before.numbering):
        return Seen(process, None)
    return Seen(process, query(reads, process, plan))
