"""Definitions that come with a run: checked like any other, stored hidden, found by their content. Spec section 0.4."""

from stepwell.definition.plan import DYNAMIC
from stepwell.definition.read import fingerprint
from stepwell.model.codec import canonical, change
from stepwell.model.definition import ProcessDefinition, ProcessType, StoredDefinition
from stepwell.runtime.catalog import put_namespace
from stepwell.store.port import Turn


def dynamic_definition(definition: ProcessDefinition, now: int, by: str) -> StoredDefinition:
    """The record to store for a checked definition. The same content always has the same name."""
    definition = change(definition, type=ProcessType.DYNAMIC, version=definition.version or 1)
    name = fingerprint(definition)
    return StoredDefinition(
        id=0,
        namespace=DYNAMIC,
        name=name,
        version=1,
        content=canonical(definition),
        fingerprint=name,
        created=now,
        updated=now,
        created_by=by,
        updated_by=by,
        hidden=True,
    )


def keep_dynamic(turn: Turn, now: int, definition: StoredDefinition, namespace: str) -> StoredDefinition:
    """Store it, or answer the one that an earlier run has brought. `namespace`: of its processes."""
    known = turn.find_definition(definition.namespace, definition.name, definition.version, hidden=True)
    if known is not None:
        return known
    put_namespace(turn, now, namespace, "", definition.created_by)
    return turn.put_definition(definition)
