"""Decision tables: kept in versions, and tried out with values. As files: `decision_table_files.py`."""

import asyncio
from typing import Any

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from stepwell.definition.decision_table import Match, Outcome, compile_table, decide_table
from stepwell.definition.stored_table import SEPARATOR, entry_name, read_entry
from stepwell.model.client import Permission
from stepwell.model.codec import Record
from stepwell.model.decision_table import Column, DecisionTable, Strategy
from stepwell.model.entry import EntryKind
from stepwell.model.errors import NotFound
from stepwell.runtime.decision_tables import delete_decision_table, put_decision_table
from stepwell.server.asks import Ask, answer, caller_of, desk_of, json_of, query_of
from stepwell.server.declare import declare
from stepwell.server.problems import BadRequest
from stepwell.server.tables import table_in
from stepwell.store.port import Reads

KIND = EntryKind.DECISION_TABLE


class TableSummary(Record, frozen=True, kw_only=True, rename="camel"):
    """A table without its rules."""

    namespace: str
    name: str
    version: int | None
    description: str | None
    strategy: Strategy
    limit: int
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    rule_count: int
    created: int
    updated: int
    created_by: str | None
    updated_by: str | None


class TestRequest(Record, frozen=True):
    input: dict[str, Any]


class TestAnswer(Record, frozen=True, kw_only=True):
    matches: tuple[Match, ...]
    result: dict[str, Any] | None
    """The outputs of the first match."""
    version: int | None
    warnings: tuple[str, ...]


@post(
    "/api/decisionTables",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Store a decision table as a new version, or answer the same one.",
        body=DecisionTable,
        answer=DecisionTable,
        tag="decision tables",
    ),
)
async def create(request: Ask) -> Response[bytes]:
    return await put_table(request, await table_in(request))


@put(
    "/api/decisionTables",
    opt=declare(
        Permission.DEFINE,
        "The same as POST.",
        body=DecisionTable,
        answer=DecisionTable,
        tag="decision tables",
    ),
)
async def update(request: Ask) -> Response[bytes]:
    return await put_table(request, await table_in(request))


@get(
    "/api/decisionTables",
    opt=declare(
        Permission.READ,
        "The newest version of each decision table, or of those of a namespace, without the rules.",
        answer=list[TableSummary],
        query={"namespace": str},
        tag="decision tables",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    return answer(await desk_of(request).runtime.read(lambda reads: _summaries(reads, namespace)))


@get(
    "/api/decisionTables/{namespace:str}/{name:str}",
    opt=declare(
        Permission.READ,
        "One decision table: the newest, or that version.",
        answer=DecisionTable,
        query={"version": int},
        tag="decision tables",
    ),
)
async def one(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    return answer(await stored_table(request, namespace, name))


@get(
    "/api/decisionTables/{namespace:str}/{name:str}/versions",
    opt=declare(
        Permission.READ,
        "The version numbers of a decision table, also of a deleted one.",
        answer=list[int],
        tag="decision tables",
    ),
)
async def versions(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    before = name + SEPARATOR
    found = await desk_of(request).runtime.read(
        lambda reads: [entry.name.removeprefix(before) for entry in reads.entries(KIND, namespace, before)]
    )
    if not found:
        raise NotFound(f"there is no decision table {namespace}/{name}")
    return answer(sorted(map(int, found)))


@delete(
    "/api/decisionTables/{namespace:str}/{name:str}",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Delete a decision table, or one version: without a version the newest of the others is found.",
        answer=dict[str, Any],
        query={"version": int},
        tag="decision tables",
    ),
)
async def remove(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    version = query_of(request).number("version")
    by = caller_of(request).client_id
    runtime = desk_of(request).runtime
    await runtime.write(lambda turn, now: delete_decision_table(turn, now, namespace, name, by, version))
    return answer({"namespace": namespace, "name": name, "version": version, "deleted": True})


@post(
    "/api/decisionTables/{namespace:str}/{name:str}/test",
    status_code=200,
    opt=declare(
        Permission.READ,
        "Ask a decision table with values, without any process.",
        body=TestRequest,
        answer=TestAnswer,
        query={"version": int},
        tag="decision tables",
    ),
)
async def try_out(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    body = await json_of(request)
    given = body.get("input") if isinstance(body, dict) else None
    if not isinstance(given, dict):
        raise BadRequest('the body must be {"input": {…}}: a value for each input column')
    table = await stored_table(request, namespace, name)
    outcome = await asyncio.to_thread(lambda: decide_table(compile_table(table), given))
    return answer(_told(table, outcome))


async def put_table(request: Ask, table: DecisionTable) -> Response[bytes]:
    by = caller_of(request).client_id
    runtime = desk_of(request).runtime
    return answer(await runtime.write(lambda turn, now: put_decision_table(turn, now, table, by)))


async def stored_table(request: Ask, namespace: str, name: str) -> DecisionTable:
    """The newest, or the `version` of the query. Raises NotFound."""
    version = query_of(request).number("version")
    key = entry_name(name, version)

    def look(reads: Reads) -> DecisionTable | None:
        entry = None if SEPARATOR in name else reads.entry(KIND, namespace, key)
        return None if entry is None else read_entry(entry.body)

    table = await desk_of(request).runtime.read(look)
    if table is None:
        which = "" if version is None else f" version {version}"
        raise NotFound(f"there is no decision table {namespace}/{name}{which}")
    return table


def _summaries(reads: Reads, namespace: str | None) -> list[TableSummary]:
    newest = (entry for entry in reads.entries(KIND, namespace) if SEPARATOR not in entry.name)
    return [_summary(table) for entry in newest if (table := read_entry(entry.body)) is not None]


def _summary(table: DecisionTable) -> TableSummary:
    return TableSummary(
        namespace=table.namespace,
        name=table.name,
        version=table.version,
        description=table.description,
        strategy=table.strategy,
        limit=table.limit,
        inputs=table.inputs,
        outputs=table.outputs,
        rule_count=len(table.rules),
        created=table.created,
        updated=table.updated,
        created_by=table.created_by,
        updated_by=table.updated_by,
    )


def _told(table: DecisionTable, outcome: Outcome) -> TestAnswer:
    return TestAnswer(
        matches=outcome.matches,
        result=outcome.matches[0].outputs if outcome.matches else None,
        version=table.version,
        warnings=outcome.warnings,
    )


HANDLERS = (create, update, listed, one, versions, remove, try_out)
