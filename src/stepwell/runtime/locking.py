"""Where others write too, a turn locks all the processes that it is going to touch at once, by ascending id, before it
reads or takes anything of theirs. Nothing is locked in another order, so no two turns wait for each other."""

from collections.abc import Sequence

from stepwell.model.due import DueKind
from stepwell.runtime.asks import Ask, EventAsk, ExchangeAsk, RetryAsk, StartAsk
from stepwell.runtime.node import Node
from stepwell.runtime.others import Others
from stepwell.store.port import Turn


def lock_first(node: Node, others: Others, turn: Turn, asks: Sequence[Ask], now: int) -> bool:
    """Lock what these asks, and what is due, will be about. Whether the catalog was written meanwhile."""
    due, claims = node.clockwork.look(turn, now)
    wanted = {row.process_id for row in due if row.kind is not DueKind.START_PROCESS}
    steps = {id for claim in (*claims, *others.claims_of_dead(turn)) for id in claim.steps}
    steps.update(event.step_id for event in node.withheld)
    for ask in asks:
        if isinstance(ask, ExchangeAsk):
            steps.update(result.step_id for result in ask.exchange.results)
            steps.update(extension.step_id for extension in ask.exchange.extensions)
        elif isinstance(ask, EventAsk | RetryAsk):
            wanted.add(ask.process_id)
        elif isinstance(ask, StartAsk) and ask.rerun_of:
            wanted.add(ask.rerun_of)
    changed, owners = others.look_around(turn, sorted(steps))
    wanted.update(owners.values())
    if wanted:
        turn.lock(sorted(wanted), sorted(owners))
    return changed
