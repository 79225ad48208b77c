"""Idempotent start: the same key and the same body start one process, for 30 days. Spec section 0.3."""

from hashlib import blake2b

from stepwell.model.codec import Record, canonical, change, decode, decode_as, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Conflict
from stepwell.runtime.requests import StartRequest

KEPT_MS = 30 * 86_400_000

_NO_BODY = {"input", "created_by", "trigger", "idempotency_key", "definition"}
"""Who asks, and in what way, is not part of what is asked. Input and definition are compared by their value."""


class FirstStart(Record, frozen=True):
    """What an entry of this kind holds."""

    process_id: int
    fingerprint: str


def entry_name(request: StartRequest) -> str:
    """A process name holds no slash, so no two pairs of name and key share an entry."""
    return f"{request.name}/{request.idempotency_key}"


def fingerprint(request: StartRequest) -> str:
    asked = {name: getattr(request, name) for name in request.__struct_fields__ if name not in _NO_BODY}
    if request.definition is not None:
        asked["definition"] = request.definition.fingerprint
    return blake2b(canonical([asked, decode(request.input)]), digest_size=16).hexdigest()


def first_start(entry: Entry | None, request: StartRequest, now: int) -> int | None:
    """The process that this key has started; None when it is to be started now. Raises Conflict."""
    if entry is None or entry.expires <= now:
        return None
    first = decode_as(entry.body, FirstStart)
    if first.fingerprint != fingerprint(request):
        raise Conflict(
            f"this idempotency key has started process {first.process_id} with another request",
            code="IDEMPOTENCY_KEY_REUSED",
        )
    return first.process_id


def remembered(request: StartRequest, process_id: int, before: Entry | None, now: int) -> Entry:
    """The entry to write beside the process."""
    entry = Entry(
        kind=EntryKind.IDEMPOTENCY,
        namespace=request.namespace,
        name=entry_name(request),
        body=encode(FirstStart(process_id, fingerprint(request))),
        created=now,
        updated=now,
        updated_by=request.created_by,
        expires=now + KEPT_MS,
    )
    return entry if before is None else change(entry, version=before.version + 1)
