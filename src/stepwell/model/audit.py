"""Who did what to what, and why. One line for every administrative act."""

from stepwell.model.codec import EMPTY, Json, Record


class Audit(Record, frozen=True, kw_only=True):
    id: int = 0
    at: int
    """Epoch ms."""
    who: str
    """The client application."""
    what: str
    """The act: TERMINATE, RESUME, PUT_SECRET …"""
    process_id: int = 0
    """The process it was done to; 0 = to something else."""
    target: str = ""
    """What else it was done to: `default/charge`, a step's ref."""
    why: str = ""
    detail: Json = EMPTY
