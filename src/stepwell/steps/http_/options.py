"""What the operator decides for all HTTP steps. Times are milliseconds, sizes bytes."""

from stepwell import __version__
from stepwell.model.codec import Record


class Timeouts(Record, frozen=True, kw_only=True):
    connect_ms: int
    """Looking up the name, connecting and the TLS handshake."""
    read_ms: int
    """The longest silence of the other side."""
    total_ms: int
    """Everything, redirects included."""


NORMAL = Timeouts(connect_ms=10_000, read_ms=30_000, total_ms=60_000)
LONG = Timeouts(connect_ms=30_000, read_ms=600_000, total_ms=900_000)


class HttpOptions(Record, frozen=True, kw_only=True):
    allow: tuple[str, ...] = ()
    """Internal targets that may be called: `host`, `host:port`, `*.suffix`, an address, `address:port`, a CIDR."""
    ports: tuple[int, ...] = ()
    """The ports that may be called on hosts outside `allow`; empty: any."""
    response_limit: int = 2 * 1_048_576
    """Of a body, both as it comes and decompressed."""
    redirects: int = 5
    timeouts: Timeouts = NORMAL
    long_timeouts: Timeouts = LONG
    """With `extraLongTimeouts`, and the most that a step may ask for."""
    installation: str = ""
    """Goes into idempotency keys: two installations that number their processes alike must not share keys."""
    user_agent: str = f"stepwell/{__version__}"
