"""The doctor: is everything in the database as it should be, and what is to be done where it is not?

What only a store knows (its settings, its integrity, rows that belong to nothing) it says itself. The rest is asked
here, of any store and beside a running server: nothing is written.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from stepwell.model.codec import EMPTY, Record, decode_as
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Conflict, Invalid, StepwellError
from stepwell.runtime.liveness import AGAIN_S, PAGE, Stuck, confirm, look_at_all
from stepwell.runtime.move import check_may_serve
from stepwell.runtime.plans import StoredPlans
from stepwell.runtime.retries import event_name
from stepwell.runtime.secrets import open_secret
from stepwell.runtime.vault import CannotOpen, Vault, open_vault
from stepwell.store.port import Reads, Store

SHOWN = 5
"""How many of what is wrong are named."""

_REPORT = "it is a bug of Stepwell: report it, with what `stepwell process waiting` says of it"
_TODO = {
    "sqlite version": "install a newer apsw: SQLite before 3.51.3 can damage a database in a rare race",
    "journal mode": "start a server on it: it sets the mode to WAL; see that the disk is no network share",
    "integrity": "stop the server, keep the files as they are, and go back to the latest backup",
    "synchronous": "it is set by the server itself: report this as a bug of Stepwell",
    "schema": "start the server of the version that wrote it, or of a newer one",
    "due rows late by more than a minute": "the server does not keep up, or hangs: see its log and its load",
    "leases over for more than a minute": "the server does not keep up, or hangs: see its log and its load",
    "postgresql version": "upgrade PostgreSQL to 14 or newer",
    "fsync": "switch it on: without it a crash of the machine loses what was answered",
    "full_page_writes": "switch it on: without it a crash of the machine can damage the database",
    "synchronous_commit": "set it to on: without it a crash loses what was answered",
}
"""By the names of a store's own checks."""


class Check(Record, frozen=True, kw_only=True):
    check: str
    ok: bool
    found: str
    do: str = ""
    """What to do about it; empty when nothing has to be done."""


def examine(store: Store, key_path: str | None, pause: Callable[[float], None] = time.sleep) -> list[Check]:
    """Everything, in the order in which it should be read. `key_path`: of the file of keys; None: there is none.

    What looks stuck is looked at again after a moment; `pause` waits for it."""
    checks, readable = _of_store(store)
    if readable:
        parts: dict[str, Callable[[], Iterable[Check]]] = {
            "installation": lambda: [_installation(store.reads)],
            "events set aside": lambda: [_set_aside(store.reads)],
            "stuck processes": lambda: [_stuck(store.reads, pause)],
            "secrets": lambda: _secrets(store.reads, key_path),
        }
        for what, part in parts.items():
            try:
                checks += part()
            except StepwellError as error:
                checks.append(_unreadable(what, error))
    return checks


def _of_store(store: Store) -> tuple[list[Check], bool]:
    """What the store says of itself, and whether it makes sense to read on."""
    try:
        said = store.checks()
    except StepwellError as error:
        return [_unreadable("database", error)], False
    checks = [
        Check(check=what, ok=well, found=found, do="" if well else _TODO.get(what, _REPORT))
        for what, well, found in said
    ]
    return checks, all(well for what, well, _ in said if what == "schema")


def _unreadable(what: str, error: StepwellError) -> Check:
    return Check(check=what, ok=False, found=f"cannot be read: {error.message}", do=_TODO["integrity"])


def _installation(reads: Reads) -> Check:
    try:
        check_may_serve(reads)
    except Conflict as error:
        return Check(check="installation", ok=False, found=error.message, do="serve the other one")
    return Check(check="installation", ok=True, found="whole, and not moved away")


def _set_aside(reads: Reads) -> Check:
    rows = reads.set_aside()
    if not rows:
        return Check(check="events set aside", ok=True, found="0")
    named = [f"process {row.process_id}: {event_name(row.event)}, {row.error}" for row in rows]
    do = "store what is missing, or report a bug of Stepwell; then `stepwell doctor --retry` plays them again"
    return Check(check="events set aside", ok=False, found=_several(named), do=do)


def _stuck(reads: Reads, pause: Callable[[float], None]) -> Check:
    looked, suspects = look_at_all(reads)
    stuck: list[Stuck] = []
    if suspects:
        pause(AGAIN_S)
        stuck = confirm(reads, StoredPlans(reads), suspects)
    if not stuck:
        return Check(check="stuck processes", ok=True, found=f"0 of {looked} open")
    named = [f"process {one.process_id} ({one.namespace}/{one.name}): {one.why}" for one in stuck]
    return Check(check="stuck processes", ok=False, found=_several(named), do=_REPORT)


def _several(named: Sequence[str]) -> str:
    more = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return f"{len(named)}: {'; '.join(named[:SHOWN])}{more}"


# -- secrets


def _secrets(reads: Reads, key_path: str | None) -> Iterator[Check]:
    secrets = reads.entries(EntryKind.SECRET)
    states = _secret_states(reads)
    if key_path is None:
        return
    try:
        vault = open_vault(key_path, may_make=False)
    except StepwellError as error:
        if error.code == "KEY_FILE_MISSING" and not secrets and not states:
            yield Check(check="key file", ok=True, found="none yet: the first start makes it")
        else:
            yield Check(check="key file", ok=False, found=_said(error), do=_KEY_TODO.get(error.code, ""))
        return
    yield Check(check="key file", ok=True, found=f"{key_path}, for its owner only")
    yield _opened("secrets", len(secrets), [_name(entry) for entry in secrets if not _opens(vault, entry)])
    lost = [f"process {id}: {key}" for id, key, sealed in states if not _opens_state(vault, id, key, sealed)]
    yield _opened("secret state of open processes", len(states), lost)


_KEY_TODO = {
    "KEY_FILE_MISSING": "put the file back from a backup: without it these secrets are lost",
    "BAD_SETTING": "mend the file; a server does not start with it",
}


def _said(error: StepwellError) -> str:
    return error.problems[0].message if isinstance(error, Invalid) and error.problems else error.message


def _opened(what: str, count: int, lost: Sequence[str]) -> Check:
    if not lost:
        return Check(check=what, ok=True, found=f"{count}, all of them open")
    do = "put the key that sealed them back into the key file, on a line of its own; or set them anew"
    return Check(check=what, ok=False, found=f"cannot be opened: {_several(lost)}", do=do)


def _name(entry: Entry) -> str:
    return f"{entry.namespace}/{entry.name}"


def _opens(vault: Vault, entry: Entry) -> bool:
    try:
        open_secret(vault, entry)
    except CannotOpen:
        return False
    return True


def _opens_state(vault: Vault, process_id: int, key: str, sealed: str) -> bool:
    try:
        vault.open(sealed, "secretState", str(process_id), key)
    except CannotOpen:
        return False
    return True


def _secret_states(reads: Reads) -> list[tuple[int, str, str]]:
    """(process, key, sealed value) of all open processes."""
    found, last = [], 0
    while page := reads.open_processes(last, PAGE):
        for one in page:
            process = reads.process(one.id)
            if process is not None and process.secret_state:
                sealed = decode_as(process.secret_state or EMPTY, dict[str, str])
                found += [(one.id, key, text) for key, text in sealed.items()]
        last = page[-1].id
    return found
