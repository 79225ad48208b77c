"""The statements of `queries.sql` by name."""

from collections.abc import Mapping
from importlib.resources import files

from stepwell.store.statements import parse_statements

STATEMENTS: Mapping[str, str] = parse_statements(
    files("stepwell.store.sqlite").joinpath("queries.sql").read_text(encoding="utf-8")
)
