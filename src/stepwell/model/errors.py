"""What can go wrong, as a caller must tell it apart.

    StepwellError
    ├── NotFound   404  process, step, definition, policy, namespace, client
    ├── Conflict   409  already there, or not in a status that allows this
    ├── Invalid    422  a definition or a body; carries every problem with its path
    ├── Denied     401 / 403
    └── Busy       503  nothing was committed; try again (the only one worth a retry)
        ├── Unreachable   the database: the runtime looks for it now and then
        └── Overtaken     by another node: the runtime tries again by itself

A step that fails is not an error here: it is a fact about the user's world, an event.
"""

from stepwell.model.codec import Record


class Problem(Record, frozen=True):
    """One thing wrong in a text: where it stands, what it is, what would be right."""

    path: str
    """Where, from the root of the text: `steps[2].children[0].ref`."""
    message: str
    code: str = "INVALID"
    warning: bool = False


class StepwellError(Exception):
    """Something the caller should know about."""

    code = "ERROR"

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        if code:
            self.code = code

    @property
    def message(self) -> str:
        return str(self.args[0])


class NotFound(StepwellError):
    """There is nothing under that name or id."""

    code = "NOT_FOUND"


class Conflict(StepwellError):
    """It exists already with other content, or its status does not allow this."""

    code = "CONFLICT"


class Invalid(StepwellError):
    """The text cannot be accepted."""

    code = "INVALID"

    def __init__(self, message: str = "", problems: tuple[Problem, ...] = (), *, code: str = "") -> None:
        super().__init__(message or "; ".join(f"{p.path}: {p.message}" for p in problems), code=code)
        self.problems = problems


class Denied(StepwellError):
    """No valid credentials, or not the permission that this needs."""

    code = "FORBIDDEN"


class Busy(StepwellError):
    """Nothing was committed. Try again."""

    code = "BUSY"


class Unreachable(Busy):
    """The database cannot be reached, or its answer did not come."""


class Overtaken(Busy):
    """Somebody else was quicker, so nothing was committed. The same will do when it is asked again at once."""
