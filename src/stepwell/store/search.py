"""What a search for processes means. Stores with a query language say the same in theirs."""

from collections.abc import Sequence

from stepwell.model.process import ProcessContext
from stepwell.model.search import ProcessSearch


def matches(process: ProcessContext, search: ProcessSearch, definition_ids: Sequence[int] | None) -> bool:
    """Whether every condition holds; the steps' names and refs stand in `definition_ids` already."""
    wanted: tuple[tuple[Sequence[object], object], ...] = (
        (search.process_types, process.type),
        (search.trigger_types, process.trigger),
        (search.names, process.name),
        (search.process_ids, process.id),
        (search.correlation_ids, process.correlation_id),
        (search.request_ids, process.request_id),
        (search.statuses, process.status),
    )
    return (
        process.created >= search.start_ms
        and (not search.end_ms or process.created <= search.end_ms)
        and (not search.before_id or process.id < search.before_id)
        and search.namespace in (None, process.namespace)
        and all(not values or value in values for values, value in wanted)
        and (definition_ids is None or process.definition_id in definition_ids)
        and all(tag in process.tags for tag in search.tags)
        and (not search.text or _holds(process, search.text))
    )


def _holds(process: ProcessContext, text: str) -> bool:
    """Found anywhere in the texts of the process; case counts for nothing in the letters a to z."""
    needle = text.encode().lower()
    texts = (process.name, process.correlation_id or "", process.request_id or "", process.reason)
    return any(needle in part.encode().lower() for part in texts) or any(
        needle in part.lower() for part in (process.input, process.output)
    )
