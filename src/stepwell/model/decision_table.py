"""Decision tables: rules edited apart from processes, which a DECISION_ENGINE step asks. Spec 1.15, 3.12."""

from enum import StrEnum
from typing import Any

from stepwell.model.codec import Record
from stepwell.model.definition import DEFAULT_NAMESPACE


class Strategy(StrEnum):
    """How many rules a question is answered with."""

    FIRST_MATCH = "FIRST_MATCH"
    """Top to bottom; the first rule that matches is the answer."""
    ALL_MATCH = "ALL_MATCH"
    """Every rule that matches, in their order, at most `limit` of them."""


class ColumnKind(StrEnum):
    """What stands in a column. It decides what bare words in a condition mean."""

    ANY = "ANY"
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    """ISO 8601 text. Dates are compared as the text they are."""


class Column(Record, frozen=True, kw_only=True, rename="camel"):
    name: str
    """Of an input: the key of its value in the question. Of an output: its key in the answer."""
    label: str | None = None
    kind: ColumnKind = ColumnKind.ANY


class Rule(Record, frozen=True, kw_only=True, rename="camel"):
    conditions: dict[str, str] = {}
    """By input name, in the condition language. An input that is absent may be anything."""
    outputs: dict[str, Any] = {}
    """By output name, JSON values. An output that is absent is null in the answer."""
    description: str | None = None


class DecisionTable(Record, frozen=True, kw_only=True, rename="camel"):
    namespace: str = DEFAULT_NAMESPACE
    name: str = ""
    version: int | None = None
    description: str | None = None
    strategy: Strategy = Strategy.FIRST_MATCH
    limit: int = 0
    """Of ALL_MATCH: how many matches at most; 0 = all."""
    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    rules: tuple[Rule, ...] = ()
    created: int = 0
    updated: int = 0
    created_by: str | None = None
    updated_by: str | None = None
