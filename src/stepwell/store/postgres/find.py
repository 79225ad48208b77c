"""A search for processes as one statement. The meaning is that of `store/search.py`."""

from collections.abc import Callable, Sequence

from stepwell.model.codec import encode
from stepwell.model.search import ProcessSearch
from stepwell.store.postgres.queries import STATEMENTS
from stepwell.store.sqlite.rows import texts

_COLUMNS = STATEMENTS["processes"].split(" where ")[0].removesuffix("\n")

_TEXTS = ("name", "coalesce(correlation_id, '')", "coalesce(request_id, '')", "reason")
_PAYLOADS = ("input", "output")


def find_statement(search: ProcessSearch, definition_ids: Sequence[int] | None) -> tuple[str, list[object]]:
    """The statement and its values."""
    conditions: list[str] = []
    values: list[object] = []

    def value(its_value: object, kind: str) -> str:
        values.append(its_value)
        return f"${len(values)}::{kind}"

    def one_of(column: str, allowed: Sequence[object], kind: str = "text[]") -> None:
        if allowed:
            conditions.append(f"{column} = any({value(list(allowed), kind)})")

    conditions.append(f"created >= {value(search.start_ms, 'bigint')}")
    if search.end_ms:
        conditions.append(f"created <= {value(search.end_ms, 'bigint')}")
    if search.before_id:
        conditions.append(f"id < {value(search.before_id, 'bigint')}")
    if search.namespace is not None:
        conditions.append(f"namespace = {value(search.namespace, 'text')}")
    one_of("type", texts(search.process_types))
    one_of("trigger", texts(search.trigger_types))
    one_of("name", texts(search.names))
    one_of("id", search.process_ids, "bigint[]")
    one_of("correlation_id", texts(search.correlation_ids))
    one_of("request_id", texts(search.request_ids))
    one_of("status", texts(search.statuses))
    if search.statuses and "COMPLETED" not in search.statuses:
        conditions.append("status <> 'COMPLETED'")
    if definition_ids is not None:
        conditions.append(f"definition = any({value(list(definition_ids), 'bigint[]')})")
    for tag in search.tags:
        conditions.append(f"tags::jsonb @> {value(encode([tag]).decode(), 'text')}::jsonb")
    if search.text:
        conditions.append(f"({_holds(search.text, value)})")
    where = " and ".join(conditions)
    limit, offset = value(search.limit, "bigint"), value(search.offset, "bigint")
    return f"{_COLUMNS} where {where} order by id desc limit {limit} offset {offset}", values


def _holds(text: str, value: Callable[[object, str], str]) -> str:
    """Case counts for nothing in the letters a to z. Payloads are compared as bytes, one character for each."""
    needle = text.encode().lower()
    in_text = value(needle.decode(), "text")
    in_bytes = value(needle.decode("latin-1"), "text")
    found = [f'strpos(lower({column} collate "C"), {in_text}) > 0' for column in _TEXTS]
    found += [
        f"strpos(lower(convert_from({column}, 'LATIN1') collate \"C\"), {in_bytes}) > 0"
        for column in _PAYLOADS
    ]
    return " or ".join(found)
