"""What the framework routes share: reading what was asked and giving the answer."""

from typing import Any

from litestar import Request, Response

from stepwell.definition.parse import parse
from stepwell.model.client import ClientApplication
from stepwell.model.codec import encode
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.runtime.requests import Actor
from stepwell.server.door import check_json, read_body
from stepwell.server.hot import Desk
from stepwell.server.query import Query, whole_number

Ask = Request[Any, Any, Any]
LONGEST_REASON = 1_000


def desk_of(ask: Ask) -> Desk:
    desk: Desk = ask.app.state.desk
    return desk


def caller_of(ask: Ask) -> ClientApplication:
    """Who passed the guard."""
    caller: ClientApplication = ask.scope["state"]["caller"]
    return caller


def actor_of(ask: Ask) -> Actor:
    """Who passed the guard, and the reason they gave for the audit."""
    reason = (query_of(ask).text("reason") or "")[:LONGEST_REASON].replace("\0", "")
    return Actor(caller_of(ask).client_id, reason)


async def process_of(desk: Desk, process_id: int) -> ProcessContext:
    """Raises NotFound."""
    process = await desk.runtime.read(lambda reads: reads.process(process_id))
    if process is None:
        raise NotFound(f"there is no process {process_id}")
    return process


def query_of(ask: Ask) -> Query:
    return Query(ask.scope["query_string"])


async def body_of(ask: Ask) -> bytes:
    return await read_body(ask.scope, ask.receive, desk_of(ask).settings.body_limit)


async def json_of(ask: Ask) -> Any:
    """The decoded body; an empty one is an empty object. Raises Unreadable, TooLarge."""
    body = await body_of(ask)
    return check_json(body, desk_of(ask).settings.depth_limit) if body.strip() else {}


def answer(value: Any) -> Response[bytes]:
    return Response(encode(value), media_type="application/json", status_code=200)


async def written_of(ask: Ask) -> Any:
    """The decoded body of something that people write: JSON, or YAML when the content type says so.

    Raises Unreadable, TooLarge, Invalid."""
    return read_written(ask, await body_of(ask))


def read_written(ask: Ask, body: bytes) -> Any:
    """`written_of` for a body that is here already. May take seconds. Raises Unreadable, Invalid."""
    if "yaml" not in ask.headers.get("content-type", "").lower():
        check_json(body, desk_of(ask).settings.depth_limit)
    return parse(body)


async def ref_of(desk: Desk, process_id: int, text: str) -> str:
    """The ref of a step that is named by its ref, or by its id when no ref reads like that."""
    number = whole_number(text)
    if number is None:
        return text
    process = await process_of(desk, process_id)
    if text in (await desk.runtime.plan_of(process)).steps:
        return text
    step = await desk.runtime.read(lambda reads: reads.step(number))
    return step.ref if step is not None and step.process_id == process_id else text
