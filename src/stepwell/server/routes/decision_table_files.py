"""Decision tables as files that people edit: CSV and XLSX."""

import asyncio
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath

from stepwell.definition.table_files import TableFormat, write_table_file
from stepwell.model.client import Permission
from stepwell.model.decision_table import DecisionTable
from stepwell.server.asks import Ask
from stepwell.server.declare import declare
from stepwell.server.routes.decision_tables import put_table, stored_table
from stepwell.server.tables import table_in_file, wanted_format

_TYPES = {
    TableFormat.CSV: "text/csv; charset=utf-8",
    TableFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@get(
    "/api/decisionTables/{namespace:str}/{name:str}/export",
    opt=declare(
        Permission.READ,
        "A decision table as a file: format=csv or xlsx.",
        file_answer=True,
        query={"format": str, "version": int},
        tag="decision tables",
    ),
)
async def exported(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    format = wanted_format(request)
    table = await stored_table(request, namespace, name)
    file = await asyncio.to_thread(write_table_file, table, format)
    file_name = quote(f"{table.name}-v{table.version}.{format.lower()}", safe="")
    return Response(
        file,
        media_type=_TYPES[format],
        status_code=200,
        headers={"content-disposition": f"attachment; filename*=UTF-8''{file_name}"},
    )


@post(
    "/api/decisionTables/import",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Store the decision table of a file (the body's bytes). namespace and name win over what the file says; "
        "with nextVersion it becomes the next version, whatever the file says.",
        file_body=True,
        answer=DecisionTable,
        query={"format": str, "namespace": str, "name": str, "nextVersion": bool},
        tag="decision tables",
    ),
)
async def imported(request: Ask) -> Response[bytes]:
    return await put_table(request, await table_in_file(request))


HANDLERS = (exported, imported)
