"""The statements of `queries.sql` by name."""

from collections.abc import Mapping
from importlib.resources import files

_MARK = "-- name:"


def parse_statements(text: str) -> dict[str, str]:
    """Each `-- name: x` line starts a statement; other comment lines belong to nothing."""
    statements: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(_MARK):
            name = line.removeprefix(_MARK).strip()
            statements[name] = ""
        elif name and not line.startswith("--"):
            statements[name] += line + "\n"
    return {name: statement.strip() for name, statement in statements.items()}


STATEMENTS: Mapping[str, str] = parse_statements(
    files("stepwell.store.sqlite").joinpath("queries.sql").read_text(encoding="utf-8")
)
