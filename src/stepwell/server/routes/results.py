"""The results of a FOREACH, in pages."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.codec import EMPTY, Record, raw
from stepwell.model.step import StepContext, StepStatus
from stepwell.runtime.results import ResultsPage, results
from stepwell.server.asks import Ask, answer, desk_of, process_of, query_of, ref_of
from stepwell.server.declare import declare
from stepwell.server.query import identifier

PAGE = 1_000


class ItemResult(Record, frozen=True, rename="camel"):
    index: int
    step_id: int | None
    """The step of that iteration; null: it has not begun."""
    status: str | None
    output: Any
    """What stands for it in the FOREACH's own output: null unless it COMPLETED."""
    error: Any
    """The output of one that ended otherwise, null for all others."""


class ResultsAnswer(Record, frozen=True, rename="camel"):
    process_id: int
    step_id: int
    ref: str
    status: str
    total: int
    """How many items the FOREACH has."""
    first: int
    items: list[ItemResult]
    next: int | None
    """`first` of the next page; null: this was the last one."""


@get(
    "/api/process/{process_id:str}/steps/{ref:str}/results",
    opt=declare(
        Permission.READ,
        "The outputs of the iterations of a FOREACH by index, in pages; also while it runs.",
        answer=ResultsAnswer,
        query={"first": int, "limit": int},
        tag="processes",
    ),
)
async def foreach_results(request: Ask, process_id: FromPath[str], ref: FromPath[str]) -> Response[bytes]:
    desk, query = desk_of(request), query_of(request)
    process = await process_of(desk, identifier(process_id, "process"))
    named, plan = await ref_of(desk, process.id, ref), await desk.runtime.plan_of(process)
    first = max(query.number("first", 0) or 0, 0)
    limit = min(max(query.number("limit", PAGE) or 0, 1), PAGE)
    page = await desk.runtime.read(lambda reads: results(reads, plan, process, named, first, limit))
    return answer(_shown(page))


def _shown(page: ResultsPage) -> ResultsAnswer:
    end = page.first + len(page.items)
    return ResultsAnswer(
        process_id=page.step.process_id,
        step_id=page.step.id,
        ref=page.step.ref,
        status=page.step.shown_status.value,
        total=page.total,
        first=page.first,
        items=[_item(index, step) for index, step in enumerate(page.items, page.first)],
        next=end if end < page.total else None,
    )


def _item(index: int, step: StepContext | None) -> ItemResult:
    if step is None:
        return ItemResult(index, None, None, None, None)
    completed = step.status is StepStatus.COMPLETED
    ended_badly = not completed and not step.status.is_open and step.output != EMPTY
    output = raw(step.output) if completed else None
    return ItemResult(
        index, step.id, step.shown_status.value, output, raw(step.output) if ended_badly else None
    )


HANDLERS = (foreach_results,)
