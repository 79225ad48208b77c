"""The cache: an output of a step that serves again. Only what COMPLETED and changed no state is kept. Spec 6.10."""

from hashlib import sha256

from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import Draft
from stepwell.engine.inputs import key_of
from stepwell.model.codec import Json, canonical, decode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.secret import SecretRoot, decode_places
from stepwell.model.step import StepContext


def kept_output(draft: Draft, plan: StepPlan, step: StepContext) -> Json | None:
    """What an earlier run of this step, under the same key, gave."""
    name = _name(draft, plan, step)
    entry = None if name is None else _read(draft, name)
    return None if entry is None else entry.body


def keep(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> None:
    assert plan.preparation is not None
    name = _name(draft, plan, step)
    if name is None:
        return
    before = _read(draft, name)
    entry = Entry(
        kind=EntryKind.CACHE,
        namespace=draft.process.namespace,
        name=name,
        body=output,
        version=1 if before is None else before.version + 1,
        created=draft.now if before is None else before.created,
        updated=draft.now,
        expires=draft.now + plan.preparation.cache_ms,
    )
    draft.put_entry(EntryKind.CACHE, draft.process.namespace, name, entry)


def _read(draft: Draft, name: str) -> Entry | None:
    return draft.own_entries(EntryKind.CACHE, draft.process.namespace, [name])[0]


def _name(draft: Draft, plan: StepPlan, step: StepContext) -> str | None:
    """None: what tells this input from others is secret, so no key can be made of it."""
    assert plan.preparation is not None
    if plan.preparation.cache_key is not None:
        key = key_of(draft, plan.preparation.cache_key, step).encode()
    else:
        # A secret of the namespace is the same for all its processes; one of a process's own state is not.
        if any(place.root is SecretRoot.SECRET_STATE for place in decode_places(step.secrets)):
            return None
        key = canonical(decode(step.input))
    return f"{draft.process.name}/{plan.ref}/{sha256(key).hexdigest()}"
