"""A search for processes. Spec section 1.16."""

from stepwell.model.codec import Record
from stepwell.model.definition import TagValue


class ProcessSearch(Record, frozen=True, kw_only=True):
    """All given conditions hold together; an empty list is no condition. Newest first."""

    start_ms: int = 0
    """Created at or after, epoch ms."""
    end_ms: int = 0
    """Created before or at; 0 = no end."""
    namespace: str | None = None
    process_types: tuple[str, ...] = ()
    trigger_types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    step_names: tuple[str, ...] = ()
    step_refs: tuple[str, ...] = ()
    process_ids: tuple[int, ...] = ()
    before_id: int = 0
    """Only ids below it; 0 = no bound. For pages that stay in step while processes are started."""
    correlation_ids: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    tags: tuple[TagValue, ...] = ()
    statuses: tuple[str, ...] = ()
    text: str | None = None
    limit: int = 10
    offset: int = 0
