"""A search for processes as one statement. The meaning is that of `store/search.py`."""

from collections.abc import Sequence

from stepwell.model.search import ProcessSearch
from stepwell.store.sqlite.queries import STATEMENTS
from stepwell.store.sqlite.rows import texts

_COLUMNS = STATEMENTS["processes"].split(" where ")[0]

_HAS_TAG = "exists (select 1 from json_each(tags) where value ->> 'name' = ? and value ->> 'value' = ?)"

_TEXT = " or ".join(
    f"instr(lower({column}), lower(?)) > 0"
    for column in (
        "name",
        "coalesce(correlation_id, '')",
        "coalesce(request_id, '')",
        "reason",
        *(
            f"cast(case typeof({payload}) when 'text' then (select body from blob b "
            f"where b.process = process.id and b.hash = process.{payload}) else {payload} end as text)"
            for payload in ("input", "output")
        ),
    )
)


def find_statement(search: ProcessSearch, definition_ids: Sequence[int] | None) -> tuple[str, list[object]]:
    """The statement and its values."""
    conditions: list[str] = []
    values: list[object] = []

    def where(condition: str, *its_values: object) -> None:
        conditions.append(condition)
        values.extend(its_values)

    def one_of(column: str, allowed: Sequence[object]) -> None:
        if allowed:
            where(f"{column} in ({', '.join('?' * len(allowed))})", *allowed)

    where("created >= ?", search.start_ms)
    if search.end_ms:
        where("created <= ?", search.end_ms)
    if search.before_id:
        where("id < ?", search.before_id)
    if search.namespace is not None:
        where("namespace = ?", search.namespace)
    one_of("type", texts(search.process_types))
    one_of("trigger", texts(search.trigger_types))
    one_of("name", texts(search.names))
    one_of("id", search.process_ids)
    one_of("correlation_id", texts(search.correlation_ids))
    one_of("request_id", texts(search.request_ids))
    one_of("status", texts(search.statuses))
    if search.statuses and "COMPLETED" not in search.statuses:
        where("status <> 'COMPLETED'")
    if definition_ids is not None:
        where(f"definition in ({', '.join('?' * len(definition_ids))})", *definition_ids)
    for tag in search.tags:
        where(_HAS_TAG, tag.name, tag.value)
    if search.text:
        where(f"({_TEXT})", *[search.text] * _TEXT.count("?"))
    statement = f"{_COLUMNS} where {' and '.join(conditions)} order by id desc limit ? offset ?"
    return statement, [*values, search.limit, search.offset]
