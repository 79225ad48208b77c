"""Three options that say where the server is and who is asking, and the client made from them."""

from collections.abc import Callable
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from stepwell.client import ApiError, Client

DEFAULT_URL = "http://127.0.0.1:8080"


class Server:
    """One server. Nothing is imported or sent before the first call."""

    def __init__(self, url: str, client_id: str | None, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._client_id = client_id
        self._token = token

    @property
    def has_credentials(self) -> bool:
        return bool(self._client_id and self._token)

    @cached_property
    def client(self) -> "Client":
        """Raises UsageError without credentials. Its methods raise ApiError."""
        from stepwell.client import Client

        if not self.has_credentials:
            raise click.UsageError(
                "this needs credentials: --client-id and --token, or STEPWELL_CLIENT_ID and STEPWELL_TOKEN"
            )
        if not self.url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url must begin with http:// or https://, not {self.url!r}")
        return Client(self.url, self._client_id, self._token)


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --url, --client-id and --token; the command gets a `server`."""

    @click.option("--url", envvar="STEPWELL_URL", default=DEFAULT_URL, show_default=True, help="The server.")
    @click.option("--client-id", envvar="STEPWELL_CLIENT_ID", help="Who is asking.")
    @click.option("--token", envvar="STEPWELL_TOKEN", help="The token of that client application.")
    @wraps(command)
    def wrapped(*, url: str, client_id: str | None, token: str | None, **rest: Any) -> Any:
        return command(server=Server(url, client_id, token), **rest)

    return cast(Callable[..., Any], wrapped)


def told(error: "ApiError") -> str:
    """An answer that was a no, in words for a terminal."""
    if error.code == "UNREACHABLE":
        return f"no server answers ({error.message}); start one with `stepwell server`, or name it with --url"
    if error.status == 401:
        return f"the server does not know these credentials: {error.message}"
    if not error.problems:
        return error.message
    return "\n       ".join(f"{problem.path}: {problem.message}" for problem in error.problems)
