"""Which installation this is: an id of a database's own, made once and kept in it.

It goes into what others must not mistake for another server's, such as the idempotency keys of HTTP steps."""

from secrets import token_hex

from stepwell.definition.plan import SERVER
from stepwell.model.codec import decode, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Conflict
from stepwell.runtime.turn import new_changes
from stepwell.runtime.vault import Vault
from stepwell.store.port import Store

_NAME = "id"
_KEY = "key"


def installation_id(store: Store, now: int) -> str:
    """The id of this database; the first call makes it."""
    known = store.reads.entry(EntryKind.INSTALLATION, SERVER, _NAME)
    if known is None:
        with store.turn() as turn:
            known = turn.entry(EntryKind.INSTALLATION, SERVER, _NAME)
            if known is None:
                known = _entry(_NAME, token_hex(8), now)
                changes = new_changes()
                changes.entries.append(known)
                turn.save(changes)
    return str(decode(known.body))


def check_key(store: Store, vault: Vault, now: int) -> None:
    """Nodes that share a database must share the keys of its secrets. The first one that starts notes which key it
    has; who does not hold that one is refused. Raises Conflict."""
    with store.turn() as turn:
        noted = turn.entry(EntryKind.INSTALLATION, SERVER, _KEY)
        if noted is not None and decode(noted.body) not in vault.key_ids:
            raise Conflict(
                "the other nodes of this database encrypt secrets with a key that is not in this node's key file: "
                "give every node the same file, and name it with STEPWELL_KEY_FILE",
                code="OTHER_KEY_FILE",
            )
        if noted is None or decode(noted.body) != vault.key_ids[0]:
            changes = new_changes()
            changes.entries.append(_entry(_KEY, vault.key_ids[0], now))
            turn.save(changes)


def _entry(name: str, value: str, now: int) -> Entry:
    return Entry(
        kind=EntryKind.INSTALLATION,
        namespace=SERVER,
        name=name,
        body=encode(value),
        created=now,
        updated=now,
        updated_by=SERVER,
    )
