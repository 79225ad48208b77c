"""Every setting: its environment variable, its default and one sentence. Flags win over the environment."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from stepwell.model.codec import Record
from stepwell.model.errors import Invalid, Problem

_MIB = 1_048_576


class BootstrapClient(NamedTuple):
    client_id: str
    token: str

    def __repr__(self) -> str:
        """Settings get printed; the token must not."""
        return f"BootstrapClient({self.client_id!r}, …)"


class Settings(Record, frozen=True, kw_only=True):
    """What a server needs to know. Times are milliseconds, sizes bytes."""

    database: str = "sqlite:///./stepwell.db"
    key_file: str = ""
    """Empty = beside the database."""
    host: str = "127.0.0.1"
    port: int = 8080
    bootstrap_client: BootstrapClient | None = None
    item_limit: int = 2 * _MIB
    work_limit: int = 64 * _MIB
    body_limit: int = 2 * _MIB
    depth_limit: int = 64
    blob_threshold: int = 8_192
    accept_unsafe_database: bool = False
    lease_ms: int = 600_000
    lease_max_ms: int = 3_600_000
    max_deliveries: int = 10
    most_waiting: int = 2_000
    sync_wait_ms: int = 8_000
    sync_wait_max_ms: int = 300_000
    poll_hold_ms: int = 1_000
    keep_days: int = 0
    """0 = for ever."""
    archive: str = ""
    """Empty = there is no archive."""
    http_allow: tuple[str, ...] = ()
    http_ports: tuple[int, ...] = ()
    """Empty = any."""
    http_response_limit: int = 2 * _MIB

    @property
    def database_path(self) -> str | None:
        """The file of an embedded database; None when there is no file of ours."""
        return database_path(self.database)

    @property
    def database_shown(self) -> str:
        """The database as it may be printed: without a password."""
        return re.sub(r"(?<=://)([^/@]*?):[^/@]*@", r"\1@", self.database)

    @property
    def key_path(self) -> str | None:
        """The file of the keys that secrets are encrypted with; None when they need not outlive the server."""
        if self.key_file:
            return self.key_file
        if is_postgres(self.database):
            return SHARED_KEY
        path = self.database_path
        return None if path is None else f"{path}.key"


class Setting(NamedTuple):
    field: str
    variable: str
    read: Callable[[str], Any]
    about: str


SHARED_KEY = "./stepwell.key"
"""Where the keys are when the database is not a file. Every node needs the same."""


def is_postgres(url: str) -> bool:
    return url.startswith("postgresql://")


def database_path(url: str) -> str | None:
    """`sqlite:///./a.db` is relative, `sqlite:////var/a.db` absolute, all others None. Raises ValueError."""
    if url == "memory://":
        return None
    scheme, separator, rest = url.partition("://")
    if is_postgres(url) and rest:
        return None
    if scheme != "sqlite" or not separator:
        raise ValueError("must be sqlite:///<path>, postgresql://<user>@<host>/<database> or memory://")
    path = rest[1:] if rest.startswith("/") else rest
    if not path or "\0" in path:
        raise ValueError("names no file")
    return path


def _database(text: str) -> str:
    database_path(text)
    return text


def _file(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("names no file")
    return text


def _between(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text.strip()) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low:,} to {high:,}")
        return int(text)

    return read


def _yes_or_no(text: str) -> bool:
    if text.strip().lower() not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return text.strip().lower() == "yes"


def _host(text: str) -> str:
    if not text.strip() or re.search(r"\s", text.strip()):
        raise ValueError("must be a host name or an address")
    return text.strip()


def _target(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.*:/\[\]-]{1,255}", text):
        raise ValueError(f"{text[:64]!r} is no host, host:port, *.suffix, address or CIDR")
    return text


def _list_of(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def read_all(text: str) -> tuple[Any, ...]:
        return tuple(read(part.strip()) for part in text.split(",") if part.strip())

    return read_all


def _bootstrap(text: str) -> BootstrapClient | None:
    client_id, _, token = text.partition(":")
    if not text:
        return None
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", client_id) or not token:
        raise ValueError("must be <client id>:<token>")
    return BootstrapClient(client_id, token)


_size = _between(1_024, 1_024 * _MIB)
_time = _between(100, 30 * 86_400_000)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "database",
        "STEPWELL_DATABASE",
        _database,
        "Where everything is kept: sqlite:///<path>, postgresql://<user>@<host>/<database> or memory://.",
    ),
    Setting(
        "key_file",
        "STEPWELL_KEY_FILE",
        _file,
        "The file of the keys for secrets, made at the first start; <database>.key if not given.",
    ),
    Setting("host", "STEPWELL_HOST", _host, "The address to listen on."),
    Setting("port", "STEPWELL_PORT", _between(0, 65_535), "The port to listen on; 0 takes a free one."),
    Setting(
        "bootstrap_client",
        "STEPWELL_BOOTSTRAP_CLIENT",
        _bootstrap,
        "<client id>:<token> of a client that is created with every permission if it does not exist.",
    ),
    Setting("item_limit", "STEPWELL_ITEM_LIMIT", _size, "Bytes of one step's output at most."),
    Setting("work_limit", "STEPWELL_WORK_LIMIT", _size, "Bytes of one worker request at most."),
    Setting("body_limit", "STEPWELL_BODY_LIMIT", _size, "Bytes of any other request at most."),
    Setting("depth_limit", "STEPWELL_DEPTH_LIMIT", _between(8, 200), "How deep JSON may be nested."),
    Setting(
        "blob_threshold",
        "STEPWELL_BLOB_THRESHOLD",
        _size,
        "Bytes from which on a payload stands apart from its row; deflated from 64 KiB on.",
    ),
    Setting(
        "accept_unsafe_database",
        "STEPWELL_ACCEPT_UNSAFE_DATABASE",
        _yes_or_no,
        "yes: start although PostgreSQL is set to lose what it has confirmed when its machine goes.",
    ),
    Setting("lease_ms", "STEPWELL_LEASE_MS", _time, "How long a step is lent without a sign of life."),
    Setting("lease_max_ms", "STEPWELL_LEASE_MAX_MS", _time, "How long a worker may hold a step at all."),
    Setting(
        "max_deliveries",
        "STEPWELL_MAX_DELIVERIES",
        _between(1, 1_000),
        "Hand-outs of a step in a row without any report before it fails.",
    ),
    Setting(
        "most_waiting",
        "STEPWELL_MOST_WAITING",
        _between(10, 1_000_000),
        "Requests waiting for the database from which on new processes are refused with 503.",
    ),
    Setting("sync_wait_ms", "STEPWELL_SYNC_WAIT_MS", _time, "How long a synchronous run waits by itself."),
    Setting("sync_wait_max_ms", "STEPWELL_SYNC_WAIT_MAX_MS", _time, "How long a synchronous run may wait."),
    Setting(
        "poll_hold_ms",
        "STEPWELL_POLL_HOLD_MS",
        _between(0, 2_000),
        "How long an empty poll of a published client is held.",
    ),
    Setting(
        "keep_days",
        "STEPWELL_KEEP_DAYS",
        _between(0, 36_500),
        "How many days finished processes are kept where no rule says another; 0 = for ever.",
    ),
    Setting(
        "archive",
        "STEPWELL_ARCHIVE",
        _file,
        "The folder into which processes are written before they are dropped, where a rule says so.",
    ),
    Setting(
        "http_allow",
        "STEPWELL_HTTP_ALLOW",
        _list_of(_target),
        "Internal targets that HTTP steps may call, separated by commas: host, host:port, *.suffix, address or CIDR.",
    ),
    Setting(
        "http_ports",
        "STEPWELL_HTTP_PORTS",
        _list_of(_between(1, 65_535)),
        "The ports that HTTP steps may call on all other hosts, separated by commas; none given: any.",
    ),
    Setting(
        "http_response_limit",
        "STEPWELL_HTTP_RESPONSE_LIMIT",
        _size,
        "Bytes of the answer to an HTTP step at most.",
    ),
)


def from_environment(environment: Mapping[str, str], **flags: Any) -> Settings:
    """Flags (by field name; None = not given) over the environment over the defaults.

    Raises Invalid with one problem for each bad value, under the setting's name."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for setting in SETTINGS:
        given = flags.pop(setting.field, None)
        text = environment.get(setting.variable) if given is None else str(given)
        if text is None or (text == "" and given is None):
            continue
        try:
            values[setting.field] = setting.read(text)
        except ValueError as error:
            problems.append(Problem(setting.variable, str(error), "BAD_SETTING"))
    if flags:
        raise TypeError(f"no such settings: {', '.join(sorted(flags))}")
    if problems:
        raise Invalid(problems=tuple(problems), code="BAD_SETTING")
    return Settings(**values)
