"""What the sandbox is asked and what it answers."""

from enum import StrEnum

from stepwell.model.codec import Json, Record

_MIB = 1_048_576


class Language(StrEnum):
    JAVASCRIPT = "javascript"
    PYTHON = "python"
    JQ = "jq"


def is_python(name: object) -> bool:
    """Does a `scriptLanguage` mean Python? Absent, it is JavaScript."""
    return isinstance(name, str) and name.upper() == "PYTHON"


class Script(Record, frozen=True):
    """A script of a user."""

    language: Language
    text: str
    kind: str = "script"
    """What error messages call it: `script`, `condition`, `jqTransformer` …"""
    input: Json = b"null"
    """JQ only: what the program filters."""


class Limits(Record, frozen=True, kw_only=True):
    """Of one script, over all rounds of it. Sizes in bytes."""

    time_ms: int = 2_000
    memory: int = 64 * _MIB
    output: int = _MIB
    depth: int = 64
    logs: int = 64 * 1024
    rounds: int = 64
    """How often a script may be run again because it asked for a step that was not sent."""


class Evaluation(Record, frozen=True):
    """How a script ended: a result or an error, and what it printed on the way."""

    result: Json | None
    logs: list[str]
    error: str | None = None


class SandboxSettings(Record, frozen=True, kw_only=True):
    children: int = 2
    """Scripts that run at the same time at most, of each family: JavaScript and JQ; Python."""
    limits: Limits = Limits()
    """What a script gets unless the caller says less. No caller gets more memory than this."""
    cpu_s: int = 120
    """A child that has computed for half of this is replaced; at all of it the kernel ends it."""
