"""What templates see: the roots `context`, `input`, `state`, `steps` and `foreach`, resolved for one step."""

from collections.abc import Iterable
from typing import Any

from stepwell.definition.template import MISSING, Reference, Template
from stepwell.engine.draft import Draft
from stepwell.engine.texts import pick, walk
from stepwell.model.codec import Json, canonical, decode, raw
from stepwell.model.definition import StepType
from stepwell.model.entry import EntryKind
from stepwell.model.secret import SecretRoot, decode_places, encode_places, masked
from stepwell.model.step import StepContext, StepPath, StepStatus, parse_path

MOST_RESULTS = 1_000
"""How many results the output of a FOREACH holds itself."""


def resolve(draft: Draft, template: Template, path: StepPath) -> tuple[Json, str]:
    """The template's JSON as the step at `path` sees it, and a warning that names the paths that were missing."""
    if template.constant is not None:
        return template.constant, ""
    if not draft.snapshot.complete or len(path) > 1:
        draft.want(_step_ids(draft, template, path))
    text, missing = template.render(lambda reference: look_up(draft, reference, path))
    if template.secret_paths:
        missing += _missing_keys(draft, template)
    return text, f"nothing found for {', '.join(missing)}" if missing else ""


def _missing_keys(draft: Draft, template: Template) -> tuple[str, ...]:
    """References to keys that the secret state does not have now. It may have them when the step is handed out."""
    known = masked(draft.process.secret_state)
    return tuple(
        reference.text
        for reference in template.references
        if reference.secret is SecretRoot.SECRET_STATE and str(reference.secret_path[0]) not in known
    )


def secret_places(draft: Draft, template: Template, path: StepPath) -> Json:
    """Where the input that `resolve` gives holds masks for secrets; empty when it names none."""
    if not template.secret_paths:
        return b""
    return encode_places(template.places(lambda reference: look_up(draft, reference, path)))


def lacking_secret(draft: Draft, step: StepContext) -> str | None:
    """The name of a secret that the step's input needs and that does not exist."""
    names = (place.name for place in decode_places(step.secrets) if place.root is SecretRoot.SECRETS)
    return next((name for name in names if draft.entry(EntryKind.SECRET, name) is None), None)


def key_of(draft: Draft, template: Template, step: StepContext) -> str:
    """A key that a definition writes (under `key`), as text. Unlike an input it may name the step's own input."""
    own = (str(step.path[0]), step.ref)

    def find(reference: Reference) -> Any:
        if reference.root == "steps" and reference.path and reference.path[0] in own:
            return walk({"input": draft.decoded(step, "input")}, reference.path[1:])
        return look_up(draft, reference, step.path)

    key = decode(template.render(find)[0])["key"]
    return key if isinstance(key, str) else canonical(key).decode()


def want_inputs(draft: Draft, paths: Iterable[StepPath]) -> None:
    """Ask at once for everything that the inputs of these steps, about to open, name beside each other."""
    opening = {draft.id_at(path): path for path in paths}
    draft.want(
        id
        for path in opening.values()
        for id in _step_ids(draft, draft.plan.steps[str(path[0])].input, path)
        if id not in opening
    )


def look_up(draft: Draft, reference: Reference, path: StepPath) -> Any:
    """The value a reference names, MISSING when there is none."""
    match reference.root:
        case "input":
            return _member(draft, draft.process.input, reference.path)
        case "state":
            return _member(draft, draft.process.state, reference.path)
        case "variables":
            return _of_variable(draft, reference.path)
        case "context":
            return _of_process(draft, reference.path)
        case "foreach":
            return _of_iteration(draft, reference.path, path)
        case "steps":
            return _of_step(draft, reference.path, path)
        case _:
            return MISSING


def sight(draft: Draft, ref: str, path: StepPath) -> StepPath | None:
    """The path that `ref` means where `path` stands: the nearest enclosing iteration's step, then outward.

    `child[3]` names an iteration itself, and so does `loop[3]` for the FOREACH around it;
    a bare ref of a step inside a FOREACH that is not around `path` means nothing.
    """
    if ref == "__self":
        return path
    try:
        target = parse_path(ref)
    except ValueError:
        return None
    plan = draft.plan.steps.get(str(target[0]))
    if plan is None:
        return None
    if len(target) == len(plan.loops) + 2 and plan.type is StepType.FOREACH:
        # One index more than there are loops around it: one of its own iterations.
        target, plan = (plan.children[0], *target[1:]), draft.plan.steps[plan.children[0]]
    if len(target) > 1:
        # Written indexes are the innermost ones: what is missing in front comes from where we stand.
        implied = len(plan.loops) - (len(target) - 1)
        if implied < 0 or plan.loops[:implied] != _loops(draft, path)[:implied]:
            return None
        return (target[0], *path[1 : 1 + implied], *target[1:])
    if plan.loops != _loops(draft, path)[: len(plan.loops)]:
        return None
    return (target[0], *path[1 : 1 + len(plan.loops)])


def _loops(draft: Draft, path: StepPath) -> tuple[str, ...]:
    return draft.plan.steps[str(path[0])].loops if path else ()


def _step_ids(draft: Draft, template: Template, path: StepPath) -> list[int]:
    ids = []
    for reference in template.references:
        if reference.root == "steps" and reference.path:
            target = sight(draft, str(reference.path[0]), path)
            if target is not None and target != path and _exists(draft, target):
                ids.append(draft.id_at(target))
                item = _item_named(draft, target, reference.path[1:])
                if item is not None and _exists(draft, item):
                    ids.append(draft.id_at(item))
    return ids


def _item_named(draft: Draft, path: StepPath, rest: tuple[str | int, ...]) -> StepPath | None:
    """The iteration's step that `output.results[i]` of a FOREACH means when its own output does not reach so far."""
    plan = draft.plan.steps[str(path[0])]
    if plan.type is not StepType.FOREACH or rest[:2] != ("output", "results") or len(rest) < 3:
        return None
    index = rest[2]
    return (plan.children[0], *path[1:], index) if isinstance(index, int) and index >= MOST_RESULTS else None


def _exists(draft: Draft, path: StepPath) -> bool:
    """Could the path have a row: are the FOREACH steps around it open, and do they have that many items?"""
    plan = draft.plan.steps[str(path[0])]
    for depth, loop in enumerate(plan.loops):
        around = draft.find(draft.id_at((loop, *path[1 : 1 + depth])))
        index = path[1 + depth]
        if around is None or around.children is None or not isinstance(index, int):
            return False
        if not 0 <= index < around.children.total:
            return False
        if index >= around.children.next and not (draft.process.resumed or plan.repeats):
            # Not begun, unless by this very decision; nor is there one of an earlier pass.
            first = around.children.base + index * draft.plan.steps[loop].iteration_size
            if not draft.is_written(first):
                return False
    return True


def _of_step(draft: Draft, names: tuple[str | int, ...], path: StepPath) -> Any:
    step = _seen(draft, str(names[0]), path) if names else None
    if step is None:
        return MISSING
    rest = names[1:]
    item = _item_named(draft, step.path, rest)
    if item is not None:
        return _of_item(draft, step, item, rest[3:])
    if not rest:
        return {**_documented(draft, step), "input": raw(step.input), "output": raw(step.output)}
    if rest[0] in ("output", "input"):
        if len(rest) == 1:
            return raw(step.output if rest[0] == "output" else step.input)
        return draft.look_into(step, str(rest[0]), rest[1:])
    return walk(_documented(draft, step), rest)


def _of_item(draft: Draft, foreach: StepContext, path: StepPath, rest: tuple[str | int, ...]) -> Any:
    """What stands for one iteration in the results of a FOREACH that has them: null when it has not completed."""
    if foreach.status is not StepStatus.COMPLETED or not _exists(draft, path):
        return MISSING
    child = draft.find(draft.id_at(path))
    if child is None or child.status is not StepStatus.COMPLETED:
        return MISSING if rest else None
    return draft.look_into(child, "output", rest) if rest else raw(child.output)


def _seen(draft: Draft, ref: str, path: StepPath) -> StepContext | None:
    """The step that a ref means here, if it has a record. A step whose input is made has none yet."""
    plan = draft.plan.steps.get(ref)
    if plan is not None and not plan.loops and (ref,) != path:
        return draft.find(draft.process.id + plan.number)
    target = sight(draft, ref, path)
    if target is None or target == path or not _exists(draft, target):
        return None
    return draft.find(draft.id_at(target))


def _documented(draft: Draft, step: StepContext) -> dict[str, Any]:
    """The documented fields of a step context that are not payloads."""
    definition = draft.plan_of(step).definition
    return {
        "id": step.id,
        "processId": step.process_id,
        "ref": step.ref,
        "parentId": step.parent_id,
        "parentExecutionId": step.parent_execution_id,
        "namespace": definition.namespace,
        "name": definition.name,
        "type": definition.type.value,
        "status": step.shown_status.value,
        "workerId": step.hand_out.worker,
        "priority": step.priority,
        "optional": definition.optional,
        "start": step.hand_out.first_start,
        "schedule": step.schedule,
        "updated": step.updated,
    }


def _of_variable(draft: Draft, names: tuple[str | int, ...]) -> Any:
    entry = draft.entry(EntryKind.VARIABLE, str(names[0]))
    return MISSING if entry is None else _member(draft, entry.body, names[1:])


def _of_process(draft: Draft, names: tuple[str | int, ...]) -> Any:
    process = draft.process
    if names and names[0] in ("input", "state", "output"):
        text = {"input": process.input, "state": process.state, "output": process.output}[str(names[0])]
        return _member(draft, text, names[1:])
    return walk(
        {
            "id": process.id,
            "processId": process.id,
            "namespace": process.namespace,
            "name": process.name,
            "version": process.version,
            "processType": process.type.value,
            "triggerType": process.trigger.value,
            "status": process.status.value,
            "requestId": process.request_id,
            "correlationId": process.correlation_id,
            "created": process.created,
            "createdBy": process.created_by,
            "tags": [{"name": tag.name, "value": tag.value} for tag in process.tags],
        },
        names,
    )


def _of_iteration(draft: Draft, names: tuple[str | int, ...], path: StepPath) -> Any:
    loops = _loops(draft, path)
    if not loops or not names:
        return MISSING
    index = path[-1]
    assert isinstance(index, int)
    if names == ("index",):
        return index
    if names[0] != "value":
        return MISSING
    foreach = draft.step(draft.id_at((loops[-1], *path[1:-1])))
    item = draft.loop_input(foreach).items("inputArray")[index]
    return item if len(names) == 1 else walk(decode(bytes(item)), names[1:])


def _member(draft: Draft, text: Json, names: tuple[str | int, ...]) -> Any:
    return pick(draft.snapshot.memo, text, names) if names else raw(text)
