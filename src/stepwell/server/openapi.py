"""The OpenAPI document, made from what every route declares, the hot ones included."""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from stepwell.model.client import Permission
from stepwell.server import wire
from stepwell.server.declare import QUERY_KINDS, Declared

_REF = "#/components/schemas/{name}"
_TEXT: Mapping[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
_FILE: Mapping[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class DocumentedRoute(NamedTuple):
    method: str
    path: str
    """With `{name}` for each parameter."""
    declared: Declared


def document(routes: Iterable[DocumentedRoute], version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes."""
    routes = list(routes)
    types = [t for route in routes for t in (route.declared.body, route.declared.answer) if t is not None]
    schemas, components = msgspec.json.schema_components([*types, wire.ErrorData], ref_template=_REF)
    known = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        declared = route.declared
        body = next(known) if declared.body is not None else None
        answer = next(known) if declared.answer is not None else {}
        operation = _operation(route, body, answer, schemas[-1])
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stepwell", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {"client": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: DocumentedRoute, body: Any, answer: Any, error: Any) -> dict[str, Any]:
    declared = route.declared
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": {"type": QUERY_KINDS[kind]}}
        for name, kind in declared.query.items()
    ]
    operation: dict[str, Any] = {
        "summary": declared.summary,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "tags": [declared.tag],
        "parameters": parameters,
        "x-permission": declared.permission.value,
        "responses": {
            "200": {
                "description": "Done.",
                "content": _content(declared, answer),
            },
            "default": {"description": "Refused.", "content": {"application/json": {"schema": error}}},
        },
    }
    if declared.permission is not Permission.PUBLIC:
        operation["security"] = [{"client": []}]
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    elif declared.file_body:
        operation["requestBody"] = {"required": True, "content": _FILE}
    return operation


def _content(declared: Declared, answer: Any) -> Mapping[str, Any]:
    if declared.file_answer:
        return _FILE
    return _TEXT if declared.text_answer else {"application/json": {"schema": answer}}


def page(document: Mapping[str, Any]) -> bytes:
    """The document as one page that needs nothing else: no script, no font, no other host."""
    rows = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            query = ", ".join(p["name"] for p in operation["parameters"] if p["in"] == "query")
            cells = [f"<b>{method.upper()}</b>", f"<code>{html.escape(path)}</code>", html.escape(query)]
            cells += [operation["x-permission"], html.escape(operation["summary"])]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return _PAGE.format(title=html.escape(document["info"]["title"]), rows="\n".join(rows)).encode()


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}
td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}}
</style><h1>{title}</h1><p>The whole description for tools: <a href="/docs/openapi.json">openapi.json</a></p>
<table><tr><th></th><th>Path</th><th>Query</th><th>Permission</th><th></th></tr>
{rows}
</table></html>"""
