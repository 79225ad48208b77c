"""Events that made the engine raise: which there are, and playing them again."""

from litestar import Response, get, post
from litestar.params import FromPath

from stepwell.model.client import Permission
from stepwell.model.codec import Record
from stepwell.runtime.requests import Retried
from stepwell.runtime.retries import event_name
from stepwell.server.asks import Ask, actor_of, answer, desk_of
from stepwell.server.declare import declare
from stepwell.server.query import identifier


class SetAsideData(Record, frozen=True, kw_only=True, rename="camel"):
    """What it holds is not shown: it may be anything that a worker has sent."""

    id: int
    process_id: int
    event: str
    error: str
    created: int


class RetryAnswer(Record, frozen=True, kw_only=True, rename="camel"):
    process_id: int
    events: list[Retried]
    """Empty: nothing was set aside."""
    left: int
    """How many stay set aside."""


@get(
    "/api/setAside",
    opt=declare(
        Permission.READ,
        "Events that made the engine raise and were set aside, oldest first.",
        answer=list[SetAsideData],
        tag="operations",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    rows = await desk_of(request).runtime.read(lambda reads: reads.set_aside())
    return answer(
        [
            SetAsideData(
                id=row.id,
                process_id=row.process_id,
                event=event_name(row.event),
                error=row.error,
                created=row.created,
            )
            for row in rows
        ]
    )


@post(
    "/api/process/{process_id:str}/retrySetAside",
    status_code=200,
    opt=declare(
        Permission.OPERATE,
        "Play the set-aside events of a process again, oldest first.",
        answer=RetryAnswer,
        query={"reason": str},
        tag="operations",
    ),
)
async def retry(request: Ask, process_id: FromPath[str]) -> Response[bytes]:
    id = identifier(process_id, "process")
    events = await desk_of(request).runtime.retry_set_aside(id, actor_of(request))
    return answer(RetryAnswer(process_id=id, events=events, left=sum(not one.is_over for one in events)))


HANDLERS = (listed, retry)
