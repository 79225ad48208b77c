"""Is the server up, and what does it offer."""

from litestar import Response, get
from litestar.enums import MediaType

from stepwell.model.client import Permission
from stepwell.server.asks import Ask, answer
from stepwell.server.declare import declare


@get("/health", opt=declare(Permission.PUBLIC, "Answers when requests are taken.", tag="server"))
async def health(request: Ask) -> Response[bytes]:
    return answer({"status": "UP", "version": request.app.state.version})


@get("/docs", opt=declare(Permission.PUBLIC, "This description for people.", tag="server"))
async def docs(request: Ask) -> Response[bytes]:
    return Response(request.app.state.docs_page, media_type=MediaType.HTML)


@get("/docs/openapi.json", opt=declare(Permission.PUBLIC, "This description for tools.", tag="server"))
async def openapi(request: Ask) -> Response[bytes]:
    return Response(request.app.state.docs_json, media_type=MediaType.JSON)


HANDLERS = (health, docs, openapi)
