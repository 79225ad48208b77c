"""The statements of `queries.sql` by name."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from stepwell.store.statements import parse_statements

STATEMENTS: Mapping[str, str] = parse_statements(
    files("stepwell.store.postgres").joinpath("queries.sql").read_text(encoding="utf-8")
)


@lru_cache(maxsize=500)
def combined(names: tuple[str, ...]) -> str:
    """Several statements as one, with their values one after the other; it answers what the last one does.

    They see the same rows, so none may write what another one of them writes."""
    parts, values = [], 0
    for name in names:
        parts.append(_renumbered(STATEMENTS[name], values))
        values += max(map(int, re.findall(r"\$(\d+)", STATEMENTS[name])))
    *first, last = parts
    return "with " + ",\n".join(f"part{at} as ({part})" for at, part in enumerate(first)) + f"\n{last}"


def _renumbered(statement: str, by: int) -> str:
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + by}", statement)
