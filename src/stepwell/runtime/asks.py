"""What waits in a lane's inbox: a wish, and the place where its answer goes."""

from collections.abc import Callable
from typing import Any

from stepwell.engine.events import AnyEvent
from stepwell.model.entry import Entry
from stepwell.model.work import Acceptance
from stepwell.runtime.requests import Actor, Exchange, StartRequest
from stepwell.store.port import Turn


class Gone:
    """Set by the server when the client of a held poll hangs up."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        self.gone = False


class Ask:
    """One wish. `answer` is called once, with a value or an exception, after the commit that holds what followed."""

    __slots__ = ("answer",)

    def __init__(self, answer: Callable[[Any], None]) -> None:
        self.answer = answer


class ExchangeAsk(Ask):
    """Results, extensions and a poll. The turn writes what became of each beside it."""

    __slots__ = ("exchange", "extended", "gone", "outcomes")

    def __init__(self, answer: Callable[[Any], None], exchange: Exchange, gone: Gone) -> None:
        super().__init__(answer)
        self.exchange = exchange
        self.gone = gone
        self.outcomes: list[Acceptance] = [Acceptance.UNKNOWN] * len(exchange.results)
        self.extended: list[bool] = []

    def reset(self) -> None:
        """What the turn wrote beside it was not committed."""
        self.outcomes = [Acceptance.UNKNOWN] * len(self.exchange.results)
        self.extended = []


class StartAsk(Ask):
    """Start a process; with `rerun_of`, one like that process, by its own definition unless a version is given.

    A receipt is stored in the turn that starts it."""

    __slots__ = ("created_by", "patience_ms", "receipt", "request", "rerun_of", "version", "why")

    def __init__(
        self,
        answer: Callable[[Any], None],
        request: StartRequest | None,
        rerun_of: int = 0,
        version: int | None = None,
        created_by: str = "",
        why: str = "",
        receipt: Entry | None = None,
        patience_ms: int = 0,
    ) -> None:
        super().__init__(answer)
        self.patience_ms = patience_ms
        """How long the caller waits for the end; 0 when it does not."""
        self.why = why
        self.receipt = receipt
        self.request = request
        self.rerun_of = rerun_of
        self.version = version
        self.created_by = created_by


class EventAsk(Ask):
    """An event for one process; the answer is the engine's reply. A receipt is stored in the turn that accepts it."""

    __slots__ = ("actor", "event", "process_id", "receipt")

    def __init__(
        self,
        answer: Callable[[Any], None],
        process_id: int,
        event: AnyEvent,
        actor: Actor | None = None,
        receipt: Entry | None = None,
    ) -> None:
        super().__init__(answer)
        self.receipt = receipt
        self.process_id = process_id
        self.event = event
        self.actor = actor or Actor()


class RetryAsk(Ask):
    """Play the set-aside events of a process again; the answer says what became of each."""

    __slots__ = ("actor", "process_id")

    def __init__(self, answer: Callable[[Any], None], process_id: int, actor: Actor) -> None:
        super().__init__(answer)
        self.process_id = process_id
        self.actor = actor


class ErrandAsk(Ask):
    """Anything else that writes: the catalog, clients. In a transaction of its own: it can only undo itself."""

    __slots__ = ("catalog", "errand")

    def __init__(
        self, answer: Callable[[Any], None], errand: Callable[[Turn, int], Any], catalog: bool = True
    ) -> None:
        super().__init__(answer)
        self.errand = errand
        self.catalog = catalog
        """It may write what lookups remember by name."""
