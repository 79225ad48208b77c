"""How the server is doing, in figures."""

from litestar import Response, get

from stepwell.model.client import Permission
from stepwell.server.asks import Ask, desk_of
from stepwell.server.declare import declare
from stepwell.server.metrics import CONTENT_TYPE, page

LATE_MS = 1_000
"""A row that is late by less may only be waiting for the next turn."""
MOST_LATE = 10_000
"""Late rows are counted so far."""


@get(
    "/metrics",
    opt=declare(
        Permission.READ,
        "Figures of this server since its start, in the text format of Prometheus.",
        text_answer=True,
        tag="server",
    ),
)
async def metrics(request: Ask) -> Response[bytes]:
    runtime = desk_of(request).runtime
    before = runtime.clock.now() - LATE_MS
    late, size = await runtime.read(lambda reads: (reads.late(before, MOST_LATE), runtime.store.size()))
    text = page(runtime.figures(), runtime.liveness, late, size, request.app.state.version)
    return Response(text, headers={"content-type": CONTENT_TYPE})


HANDLERS = (metrics,)
