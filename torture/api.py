"""The server as a stranger sees it: one HTTP request on a connection of its own, and what is known afterwards."""

import hashlib
import http.client
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

JSON = "application/json"


class Answer(NamedTuple):
    status: int
    """0: no whole answer came. Whether the server did what was asked is then unknown, never "it failed"."""
    body: Any = None

    @property
    def is_ok(self) -> bool:
        return self.status == 200

    @property
    def is_unknown(self) -> bool:
        """Also 503: it says that nothing was committed, but that is the server's word, not ours."""
        return self.status in (0, 503)

    @property
    def outcome(self) -> str:
        return "ok" if self.is_ok else "unknown" if self.is_unknown else "refused"


class Api:
    """Requests go to one of the addresses, a random one each time: equal nodes must make no difference."""

    def __init__(self, urls: Sequence[str], client_id: str, token: str, host: str = "torture") -> None:
        self._addresses = [urlsplit(url).netloc for url in urls]
        digest = hashlib.sha256(token.encode()).hexdigest()
        self._headers = {
            "Authorization": f"Bearer client.sdk.{client_id}.{digest}",
            "Content-Type": JSON,
            "Connection": "close",
            "UNMESHED_HOST_NAME": host,
        }

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5.0,
    ) -> Answer:
        if query:
            path += "?" + urlencode({key: str(value) for key, value in query.items()})
        text = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(random.choice(self._addresses), timeout=timeout)
        try:
            connection.request(method, path, text, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError):
            return Answer(0)
        finally:
            connection.close()

    def get(self, path: str, timeout: float = 5.0, **query: object) -> Answer:
        return self.ask("GET", path, query=query, timeout=timeout)

    def post(self, path: str, body: Any, timeout: float = 5.0, **query: object) -> Answer:
        return self.ask("POST", path, body, query=query, timeout=timeout)
