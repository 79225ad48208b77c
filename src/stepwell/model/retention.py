"""How long finished processes are kept, and what has to be known of one to let it go."""

from stepwell.model.codec import Record


class RetentionRule(Record, frozen=True, kw_only=True, rename="camel"):
    """The rule of a definition beats that of its namespace, and that beats the server's own setting."""

    namespace: str
    name: str = ""
    """Of a definition; empty = all of the namespace."""
    keep_ms: int
    """From the end of a process on; 0 = for ever."""
    archive: bool = False
    """Written to the archive before it goes."""


class Finished(Record, frozen=True):
    """A process that has ended."""

    id: int
    namespace: str
    name: str
    definition_id: int
    numbering: tuple[int, ...]
    ended: int
    revision: int
    is_free: bool
    """Nothing needs it any more: it has no due rows and nothing was set aside of it; no process that it started is
    open; and whoever waited for it is gone, or has heard of its success."""
