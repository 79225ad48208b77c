"""Errands that change the catalog: definitions, error policies, namespaces, client applications.

Each runs inside a turn, beside decisions, and leaves everything as it was when it raises. Spec section 0.4.
"""

from collections.abc import Iterable
from hashlib import sha256

from stepwell.definition.names import name_problems
from stepwell.definition.read import fingerprint
from stepwell.engine.effects import Mark
from stepwell.model.audit import Audit
from stepwell.model.client import GRANTABLE, ClientApplication, Permission, token_digest
from stepwell.model.codec import canonical, change, encode
from stepwell.model.definition import ProcessDefinition, StepDefinition, StoredDefinition
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import Conflict, Invalid, NotFound, Problem
from stepwell.model.namespace import Namespace
from stepwell.runtime.audit import LOCAL, note
from stepwell.store.port import Changes, Turn


def put_definition(
    turn: Turn, now: int, definition: ProcessDefinition, by: str, *, update: bool
) -> StoredDefinition:
    """Store a checked definition as a new version, or answer the same one.

    Without a version it becomes the next one. Raises Conflict when the version exists with other content or
    is lower than the latest, NotFound when an update finds nothing of that name.
    """
    namespace, name = definition.namespace, definition.name
    latest = turn.find_definition(namespace, name)
    if update and latest is None:
        raise NotFound(f"there is no process definition {namespace}/{name} to update")
    version = definition.version
    if version is None:
        highest = turn.find_definition(namespace, name, hidden=True)
        version = highest.version + 1 if highest else 1
    definition = change(definition, version=version)
    existing = turn.find_definition(namespace, name, version, hidden=True)
    if existing is not None:
        if existing.hidden and existing.fingerprint == fingerprint(definition):
            note(turn, now, by, "SHOW_DEFINITION", f"{namespace}/{name}", detail=encode({"version": version}))
        return _same_version(turn, existing, definition)
    if latest is not None and version < latest.version:
        raise Conflict(
            f"version {version} of {namespace}/{name} is lower than the latest, which is {latest.version}"
        )
    put_namespace(turn, now, namespace, "", by)
    detail = encode({"version": version})
    note(turn, now, by, "PUT_DEFINITION", f"{namespace}/{name}", detail=detail)
    return turn.put_definition(_stored(definition, version, now, by, latest))


def _same_version(turn: Turn, existing: StoredDefinition, definition: ProcessDefinition) -> StoredDefinition:
    if existing.fingerprint != fingerprint(definition):
        what = "was deleted and had" if existing.hidden else "exists with"
        raise Conflict(
            f"version {existing.version} of {existing.namespace}/{existing.name} {what} other content;"
            " give it a higher version"
        )
    if existing.hidden:
        turn.show_definition(existing.id)
    return change(existing, hidden=False)


def _stored(
    definition: ProcessDefinition, version: int, now: int, by: str, latest: StoredDefinition | None
) -> StoredDefinition:
    """The record to insert. Who made the first version, and when, stays with every later one."""
    created, created_by = (latest.created, latest.created_by) if latest else (now, by)
    audited = change(
        definition,
        created=created,
        created_by=created_by,
        updated=now,
        updated_by=by,
        steps=tuple(_audited(step, created, created_by, now, by) for step in definition.steps),
    )
    return StoredDefinition(
        id=0,
        namespace=definition.namespace,
        name=definition.name,
        version=version,
        content=canonical(audited),
        fingerprint=fingerprint(definition),
        created=created,
        updated=now,
        created_by=created_by,
        updated_by=by,
    )


def _audited(step: StepDefinition, created: int, created_by: str, updated: int, by: str) -> StepDefinition:
    children = tuple(_audited(child, created, created_by, updated, by) for child in step.children)
    return change(
        step, created=created, created_by=created_by, updated=updated, updated_by=by, children=children
    )


def delete_definitions(
    turn: Turn, now: int, namespace: str, name: str, version: int | None = None, by: str = LOCAL
) -> int:
    """Hide one version, or all of them; how many. Processes that follow them go on. Raises NotFound."""
    count = turn.hide_definitions(namespace, name, version)
    if not count:
        which = f"{namespace}/{name}" + (f" version {version}" if version is not None else "")
        raise NotFound(f"there is no process definition {which}")
    detail = encode({"version": version, "count": count})
    note(turn, now, by, "DELETE_DEFINITION", f"{namespace}/{name}", detail=detail)
    return count


def put_policy(turn: Turn, now: int, policy: ErrorPolicy, by: str) -> ErrorPolicy:
    """Create, or put a new version in front; executions scheduled from now on follow it."""
    existing = turn.policy(policy.namespace, policy.name)
    stored = change(
        policy,
        created=existing.created if existing else now,
        created_by=existing.created_by if existing else by,
        updated=now,
        updated_by=by,
    )
    put_namespace(turn, now, policy.namespace, "", by)
    note(turn, now, by, "PUT_ERROR_POLICY", f"{policy.namespace}/{policy.name}")
    return turn.put_policy(stored)


def delete_policy(turn: Turn, now: int, namespace: str, name: str, by: str = LOCAL) -> None:
    """Raises NotFound. Steps that still name it run without a policy."""
    if not turn.delete_policy(namespace, name):
        raise NotFound(f"there is no error policy {namespace}/{name}")
    note(turn, now, by, "DELETE_ERROR_POLICY", f"{namespace}/{name}")


def put_namespace(turn: Turn, now: int, name: str, description: str, by: str) -> Namespace:
    """Create, or answer the one that exists as it is. Raises Invalid for what cannot be a name."""
    existing = turn.namespace(name)
    if existing is not None:
        return existing
    _refuse(name_problems(name, "name"))
    namespace = Namespace(name, description, now, by)
    turn.put_namespace(namespace)
    note(turn, now, by, "PUT_NAMESPACE", name)
    return namespace


def put_mark(
    turn: Turn, now: int, namespace: str, process: str, ref: str, mark: Mark, by: str, why: str
) -> None:
    """Hold or skip a step of a definition in every process that comes to it, from now on."""
    name = f"{process}/{ref}"
    body = encode({"mark": mark.value, "why": why})
    before = turn.entry(EntryKind.HOLD, namespace, name)
    entry = Entry(
        kind=EntryKind.HOLD,
        namespace=namespace,
        name=name,
        body=body,
        version=1 if before is None else before.version + 1,
        created=now if before is None else before.created,
        updated=now,
        updated_by=by,
    )
    audit = Audit(at=now, who=by, what=mark.value, target=f"{namespace}/{name}", why=why)
    turn.save(Changes(entries=[entry], audit=[audit]))


def drop_mark(turn: Turn, now: int, namespace: str, process: str, ref: str, by: str, why: str = "") -> bool:
    """Clear it; held steps notice within 15 seconds. False when there was none."""
    name = f"{process}/{ref}"
    if turn.entry(EntryKind.HOLD, namespace, name) is None:
        return False
    audit = Audit(at=now, who=by, what="CLEAR_MARK", target=f"{namespace}/{name}", why=why)
    turn.save(Changes(dropped_entries=[(EntryKind.HOLD, namespace, name)], audit=[audit]))
    return True


def create_client(
    turn: Turn,
    now: int,
    client_id: str,
    token: str,
    permissions: Iterable[Permission],
    expires: int = 0,
    by: str = LOCAL,
) -> ClientApplication:
    """A new client application. `expires`: epoch ms, 0 = never.

    Raises Conflict when the id is taken, also by a revoked one, and Invalid."""
    granted = frozenset(permissions)
    problems = name_problems(client_id, "clientId")
    if not problems and (client_id != client_id.strip() or not client_id.isascii()):
        problems.append(Problem("clientId", "must be ASCII without blanks around it: it travels in a header"))
    if not token:
        problems.append(Problem("token", "is missing or empty", "MISSING"))
    if not granted or not granted <= frozenset(GRANTABLE):
        problems.append(Problem("permissions", f"must be some of {', '.join(GRANTABLE)}"))
    if expires and expires <= now:
        problems.append(Problem("expires", "is over already"))
    _refuse(problems)
    if turn.client(client_id) is not None:
        raise Conflict(f"the client application {client_id} exists already")
    client = ClientApplication(
        client_id=client_id,
        token_hash=stored_hash(token_digest(token)),
        permissions=granted,
        created=now,
        expires=expires,
    )
    turn.put_client(client)
    detail = encode({"permissions": sorted(granted), "expires": expires})
    note(turn, now, by, "CREATE_CLIENT", client_id, detail=detail)
    return client


def revoke_client(turn: Turn, now: int, client_id: str, by: str = LOCAL) -> ClientApplication:
    """Its bearer opens nothing from now on. Again: unchanged. Raises NotFound."""
    client = turn.client(client_id)
    if client is None:
        raise NotFound(f"there is no client application {client_id}")
    if client.revoked:
        return client
    revoked = change(client, revoked=now)
    turn.put_client(revoked)
    note(turn, now, by, "REVOKE_CLIENT", client_id)
    return revoked


def stored_hash(carried: str) -> str:
    """What is stored for what a bearer carries."""
    return sha256(carried.encode()).hexdigest()


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(problems=tuple(problems))
