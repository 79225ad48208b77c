"""What has to be known of an open process to tell whether anything will ever happen to it again."""

from stepwell.model.codec import Record


class OpenProcess(Record, frozen=True):
    """A RUNNING process, and whether something other than its own ready and held steps is to move it."""

    id: int
    definition_id: int
    numbering: tuple[int, ...]
    revision: int
    moves: bool
    """It is paused; or an event of it was set aside; or it has a due row that is no mere deadline (see `CLOCKS`); or a
    process runs for whose end an open step of it waits."""
