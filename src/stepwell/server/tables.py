"""Decision tables as callers send them: read beside the loop, or refused with what is wrong.

A large table takes seconds to read; nobody else should wait for that.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from stepwell.definition.decision_table import read_decision_table
from stepwell.definition.names import name_problems
from stepwell.definition.table_files import TableFormat, read_table_file
from stepwell.model.codec import change
from stepwell.model.decision_table import DecisionTable
from stepwell.model.errors import Invalid, Problem
from stepwell.server.asks import Ask, body_of, query_of, read_written
from stepwell.server.problems import BadRequest

MOST_PROBLEMS = 100
"""How many are told: one mistake in a column is a problem in each of 10,000 rules."""

Read = tuple[DecisionTable | None, list[Problem]]


async def table_in(request: Ask) -> DecisionTable:
    """The table in a body of JSON or YAML. Raises Unreadable, TooLarge, Invalid."""
    body = await body_of(request)
    return await _checked(lambda: read_decision_table(read_written(request, body)))


async def table_in_file(request: Ask) -> DecisionTable:
    """The table in a body that is a file; what the query says wins over it. Raises TooLarge, BadRequest, Invalid."""
    query, format = query_of(request), wanted_format(request)
    said = {key: text for key in ("namespace", "name") if (text := query.text(key))}
    problems = [problem for key, text in said.items() for problem in name_problems(text, key)]
    if problems:
        refuse(problems)
    body = await body_of(request)
    table = change(await _checked(lambda: read_table_file(body, format, said)), **said)
    return change(table, version=None) if query.flag("nextVersion") else table


def wanted_format(request: Ask) -> TableFormat:
    """Raises BadRequest."""
    text = query_of(request).text("format") or ""
    if text.upper() not in tuple(TableFormat):
        raise BadRequest(f"format must be {' or '.join(TableFormat).lower()}")
    return TableFormat(text.upper())


async def _checked(read: Callable[[], Read]) -> DecisionTable:
    table, problems = await asyncio.to_thread(read)
    if table is None:
        refuse(problems)
    return table


def refuse(problems: list[Problem]) -> NoReturn:
    """Raises Invalid."""
    message = ""
    if len(problems) > MOST_PROBLEMS:
        message = f"there are {len(problems)} problems; these are the first {MOST_PROBLEMS}"
    raise Invalid(message, tuple(problems[:MOST_PROBLEMS]))
