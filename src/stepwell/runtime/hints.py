"""Hints between nodes: which queues have something for whoever waits, which processes have ended.

A hint may be lost, late, or about something that is over: it makes somebody look, nothing else.
"""

import queue
from collections.abc import Collection, Iterable

from stepwell.model.codec import CodecError, Record, decode_as, encode
from stepwell.model.process import ProcessContext
from stepwell.runtime.dispatch import Dispatch
from stepwell.runtime.others import Others
from stepwell.store.port import Store

MOST = 200
"""Ids that a hint names; when there are more, it says to look at everything."""


class Hint(Record, frozen=True, omit_defaults=True):
    node: str
    queues: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    more: bool = False
    """Not everything is named."""


def tell(store: Store, node: str, queues: Collection[int], ended: Iterable[ProcessContext]) -> None:
    ids = tuple(process.id for process in ended)
    if queues or ids:
        more = len(queues) > MOST or len(ids) > MOST
        hint = Hint(node, () if more else tuple(queues), () if more else ids, more)
        store.tell(encode(hint).decode())


def read_hint(text: str) -> Hint:
    """An empty one, or one of another release, says to look at everything."""
    try:
        return decode_as(text.encode(), Hint)
    except CodecError:
        return Hint("", more=True)


def take_hints(heard: "queue.SimpleQueue[str]", others: Others, dispatch: Dispatch) -> None:
    """What came in since the last turn."""
    while not heard.empty():
        hint = read_hint(heard.get())
        if hint.node == others.node:
            continue
        others.hears = True
        others.met()
        for number in hint.queues:
            dispatch.left_in_queue(number)
        if hint.more or any(dispatch.is_waited_for(number) for number in hint.queues):
            others.look_now()
