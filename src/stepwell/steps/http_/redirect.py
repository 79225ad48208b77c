"""What a redirect makes of a request."""

import re
from urllib.parse import urljoin

from yarl import URL

from stepwell.steps.http_.request import IDEMPOTENCY_KEY, Outgoing, escaped

STATUSES = frozenset({301, 302, 303, 307, 308})

_HARMLESS = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "content-encoding",
        "content-language", "content-type", "prefer", "traceparent", "tracestate", "user-agent",
        IDEMPOTENCY_KEY.lower(),
    }
)  # fmt: skip
"""All that goes along to another origin. Any other header may hold a credential under a name that we do not know."""
_BAD = re.compile(r"[\x00-\x20\x7f\\]")


def target(current: URL, location: str) -> str:
    """The absolute URL that a Location names, still to be let through by the guard. Raises ValueError."""
    # Bytes outside ASCII come as surrogates.
    location = location.strip(" \t").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if _BAD.search(location):
        raise ValueError("its Location holds blanks, backslashes or control characters")
    return escaped(urljoin(str(current), location), only_what_must=True)


def redirected(request: Outgoing, status: int, current: URL, url: URL) -> Outgoing:
    """The next request: method and body as the status says, credentials only within the same origin."""
    headers, method, body = request.headers, request.method, request.body
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = tuple((k, v) for k, v in headers if not k.lower().startswith("content-"))
    if url.origin() != current.origin():
        headers = tuple((k, v) for k, v in headers if k.lower() in _HARMLESS)
    return Outgoing(method, str(url), headers, body)
