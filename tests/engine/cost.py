"""What a decision costs, counted and not timed: byte codes of ours that run, and bytes of JSON that are read."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import stepwell
from stepwell.model import codec
from tests.engine.play import World

_OURS = str(Path(stepwell.__file__).parent)


class Cost(NamedTuple):
    opcodes: int
    read: int
    """Bytes of JSON that were parsed."""
    loaded: int
    """Rows asked for."""
    rounds: int
    written: int


def cost(world: World, move: Callable[[World], object]) -> Cost:
    """Of one move, which is one decision."""
    before = len(world.decisions)
    with _reading() as read:
        opcodes = _opcodes(lambda: move(world))
    assert len(world.decisions) == before + 1
    return Cost(opcodes, read(), world.loaded[-1], world.rounds[-1], len(world.decisions[-1][1].steps))


def _opcodes(act: Callable[[], object]) -> int:
    count = 0

    def inside(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
        return inside

    def entered(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return inside

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


@contextmanager
def _reading() -> Iterator[Callable[[], int]]:
    """Count what the codec's decoders are given."""
    count = 0

    class Counting:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def decode(self, text: bytes) -> Any:
            nonlocal count
            count += len(text)
            return self.inner.decode(text)

    names = ("_decoder", "_members", "_items")
    before = {name: getattr(codec, name) for name in names}
    for name, inner in before.items():
        setattr(codec, name, Counting(inner))
    try:
        yield lambda: count
    finally:
        for name, inner in before.items():
            setattr(codec, name, inner)
