"""One ASGI application: the hot routes by a look into a table, everything else through the framework."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

import stepwell
from stepwell.model.client import Permission
from stepwell.model.codec import encode
from stepwell.runtime.runtime import Runtime
from stepwell.server import openapi
from stepwell.server.auth import Doorkeeper
from stepwell.server.declare import Declared, Undeclared
from stepwell.server.definitions import Checks
from stepwell.server.door import Disconnected, Receive
from stepwell.server.hot import HOT_ROUTES, Desk, HotRoute, Scope, serve_hot
from stepwell.server.problems import Answer, answer_to, problem
from stepwell.server.routes import (
    audit,
    clients,
    decision_table_files,
    decision_tables,
    definitions,
    error_policies,
    health,
    holds,
    jobs,
    metrics,
    namespaces,
    operations,
    persisted_state,
    processes,
    results,
    retention,
    secrets,
    set_aside,
    variables,
)
from stepwell.settings import Settings

Send = Callable[[dict[str, Any]], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_NOUNS = (
    processes,
    results,
    operations,
    holds,
    set_aside,
    jobs,
    definitions,
    error_policies,
    decision_tables,
    decision_table_files,
    persisted_state,
    variables,
    secrets,
    namespaces,
    retention,
    clients,
    audit,
    health,
    metrics,
)


class App:
    """What uvicorn calls. Raises Undeclared when a route does not say which permission it needs."""

    def __init__(
        self,
        runtime: Runtime,
        settings: Settings,
        hot: Mapping[tuple[str, str], HotRoute] = HOT_ROUTES,
        more_handlers: Iterable[HTTPRouteHandler] = (),
        work: Checks | None = None,
    ) -> None:
        """`work`: what checks the inputs of steps that the server runs itself; None: nothing does."""
        self.closing = False
        """Set when the order to stop has come: from then on every request is refused."""
        self.desk = Desk(runtime, settings, Doorkeeper(runtime), work)
        self._hot = dict(hot)
        self._hot_paths = {path: method for method, path in hot}
        handlers = [handler for noun in _NOUNS for handler in noun.HANDLERS]
        self.framework = Litestar(
            [*handlers, *more_handlers],
            guards=[_guard],
            exception_handlers={Exception: _tell},
            openapi_config=None,
            logging_config=None,
        )
        self.routes = declared_routes(self._hot, self.framework)
        document = openapi.document(self.routes, stepwell.__version__)
        state = self.framework.state
        state.desk, state.version = self.desk, stepwell.__version__
        state.docs_json, state.docs_page = encode(document), openapi.page(document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        if self.closing:
            await _send(send, problem(503, "the server is stopping", "BUSY"))
            return
        route = self._hot.get((scope["method"], scope["path"]))
        if route is not None:
            await self._answer_hot(route, scope, receive, send)
        elif scope["path"] in self._hot_paths or scope["method"] in ("OPTIONS", "HEAD"):
            refusal = problem(405, "this method is not allowed here", "METHOD_NOT_ALLOWED")
            await _send(send, refusal, _allow(self._hot_paths.get(scope["path"])))
        elif _encoding(scope):
            await _send(send, problem(415, "send the body without compression", "UNSUPPORTED_ENCODING"))
        else:
            await self.framework(scope, receive, send)  # type: ignore[arg-type]

    async def _answer_hot(self, route: HotRoute, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if _encoding(scope):
                answer = problem(415, "send the body without compression", "UNSUPPORTED_ENCODING")
            else:
                answer = Answer(200, await serve_hot(self.desk, route, scope, receive))
        except Disconnected:
            return
        except Exception as error:
            answer = answer_to(error)
        await _send(send, answer)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start-up and shut-down of the framework; web sockets are not offered."""
        if scope["type"] == "lifespan":
            await self.framework(scope, receive, send)  # type: ignore[arg-type]
        else:
            await send({"type": "websocket.close", "code": 1000})


def declared_routes(
    hot: Mapping[tuple[str, str], HotRoute], framework: Litestar
) -> list[openapi.DocumentedRoute]:
    """Every route with what it declares. Raises Undeclared for the first that declares no permission."""
    routes = [
        openapi.DocumentedRoute(method, path, _declared_by(route.declared, method, path))
        for (method, path), route in hot.items()
    ]
    for route in framework.routes:
        if not isinstance(route, HTTPRoute):
            raise Undeclared(f"{route.path} is not an HTTP route")
        path = _plain(route.path)
        for handler in route.route_handlers:
            # The framework adds an OPTIONS handler to each path; this application never lets it be reached.
            for method in sorted(handler.http_methods - {"OPTIONS"}):
                declared = _declared_by(handler.opt.get("declared"), str(method), path)
                routes.append(openapi.DocumentedRoute(str(method), path, declared))
    return routes


def _plain(path: str) -> str:
    """A route's path as the documentation writes it."""
    return path.replace(":str}", "}").replace(":path}", "}")


def _declared_by(declared: object, method: str, path: str) -> Declared:
    if not isinstance(declared, Declared) or not isinstance(declared.permission, Permission):
        raise Undeclared(f"{method} {path} declares no permission")
    return declared


async def _guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Runs before every framework handler, before its body is read."""
    declared = handler.opt.get("declared")
    if not isinstance(declared, Declared):
        raise Undeclared(f"{handler} declares no permission")
    if declared.permission is Permission.PUBLIC:
        return
    desk: Desk = connection.app.state.desk
    sent = connection.headers.get("authorization")
    bearer = None if sent is None else sent.encode("latin-1", "replace")
    act = f"{connection.scope['method']} {_plain(connection.scope['path_template'])}"  # type: ignore[typeddict-item]
    connection.scope["state"]["caller"] = await desk.doorkeeper.admit(bearer, declared.permission, act)


def _tell(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    answer = answer_to(error)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, status_code=answer.status, media_type="application/json", headers=headers)


def _encoding(scope: Scope) -> bool:
    """Whether the body is compressed: a small one could grow without bound."""
    return any(key == b"content-encoding" and value != b"identity" for key, value in scope["headers"])


def _allow(method: str | None) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"allow", method.encode()),) if method else ()


async def _send(send: Send, answer: Answer, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", b"%d" % len(answer.body))
    headers = [_JSON, length, *answer.headers, *more]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
