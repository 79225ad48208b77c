"""The audit's lines for errands. Operations on processes get theirs in the turn, when the engine has agreed."""

from stepwell.model.audit import Audit
from stepwell.model.codec import EMPTY, Json
from stepwell.store.port import Changes, Turn

LOCAL = "local"
"""Who did it when the command line works on a database file, without any server."""


def note(
    turn: Turn, now: int, who: str, what: str, target: str, *, why: str = "", detail: Json = EMPTY
) -> None:
    """Say in the same transaction what was done. The detail must hold nothing secret."""
    turn.save(Changes(audit=[Audit(at=now, who=who, what=what, target=target, why=why, detail=detail)]))
