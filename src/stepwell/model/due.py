"""What the engine asks of itself later: a row in `due`."""

from enum import IntEnum

from stepwell.model.codec import Json, Record


class DueKind(IntEnum):
    """Each kind at most once per step (or per process, under step 0). Powers of two: a step keeps a set of them."""

    READY = 1
    """A delayed step becomes ready: a retry, or a worker that asked to be offered it again."""
    START_TIMEOUT = 2
    COMPLETION_TIMEOUT = 4
    PROCESS_TIMEOUT = 8
    GO_ON = 16
    """A decision reached its bound; the rest follows in the next turn."""
    WAKE = 64
    """A step has waited long enough."""
    NEWS = 128
    """To the step of a parent: its child ended, as the body says. To a waiting step: somebody feeds it."""
    ORDER = 256
    """To a process, from another one of its family: terminate, resume."""
    UPDATE = 512
    """To a process, from an UPDATE_STEP of another one (whose step id it carries): about one of its steps."""
    PAUSE = 1024
    """To a process with many open steps: the rest of them is to be held, or let go, from the id in the body on."""
    START_PROCESS = 32
    """Start a process; the request is in the body. The row stands under an id of its own."""


CLOCKS = frozenset({DueKind.START_TIMEOUT, DueKind.COMPLETION_TIMEOUT, DueKind.PROCESS_TIMEOUT})
"""Deadlines: they end what goes on too long, and are no reason why it should go on."""


class Due(Record, frozen=True):
    process_id: int
    step_id: int
    kind: DueKind
    at: int
    """Epoch ms."""
    body: Json = b""
