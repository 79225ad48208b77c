"""Which installation this is: an id of a database's own, made once and kept in it.

It goes into what others must not mistake for another server's, such as the idempotency keys of HTTP steps."""

from secrets import token_hex

from stepwell.definition.plan import SERVER
from stepwell.model.codec import decode, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.runtime.turn import new_changes
from stepwell.store.port import Store

_NAME = "id"


def installation_id(store: Store, now: int) -> str:
    """The id of this database; the first call makes it."""
    known = store.reads.entry(EntryKind.INSTALLATION, SERVER, _NAME)
    if known is None:
        body = encode(token_hex(8))
        known = Entry(
            kind=EntryKind.INSTALLATION,
            namespace=SERVER,
            name=_NAME,
            body=body,
            created=now,
            updated=now,
            updated_by=SERVER,
        )
        changes = new_changes()
        changes.entries.append(known)
        with store.turn() as turn:
            turn.save(changes)
    return str(decode(known.body))
