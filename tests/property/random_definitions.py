"""Random definitions over every step kind that the reference knows: nested five deep, at most 40 steps, with templates.

Drawn from one `random.Random`, so a seed is a definition. Order may matter in them (who writes a key last, who wins an
ANY, whom an EXIT still catches): what really happened first is told to the reference.
"""

from random import Random
from typing import Any

Step = dict[str, Any]

DEEPEST = 5
MOST_STEPS = 40
SIZES = (2, 5, 9, 14, 20, 26, 32, MOST_STEPS)
QUEUES = ("alpha", "beta")
BUILT_IN = ("HTTP", "JAVASCRIPT", "PYTHON", "JQ", "BUILTIN")
KEYS = ("a", "b", "c")
CASES = ("S", "M", "L")
SIGNAL_MS = (500, 4_000)

POLICIES: dict[str, Step] = {
    "once": {"failure": {"action": "RETRY", "retryCount": 1, "retryInterval": 0}},
    "later": {"failure": {"action": "RETRY", "retryCount": 2, "retryInterval": 700}},
    "back_off": {
        "failure": {
            "action": "RETRY",
            "retryCount": 3,
            "retryInterval": 90,
            "retryBackoffExponential": True,
        }
    },
    "strict": {"failure": {"action": "FAIL"}},
    "leave": {"failure": {"action": "NONE"}},
}
WEIGHTS = {
    "WORKER": 9, "NOOP": 4, "FAIL": 0.7, "EXIT": 0.25, "BUILT_IN": 1.5, "WAIT": 2,
    "LIST": 3, "PARALLEL": 3.5, "FOREACH": 3, "SWITCH": 2.5, "WHILE": 2, "SUB_PROCESS": 1.5,
    "FLOW_GATEWAY": 1.2, "PERSISTED_STATE": 1.2,
}  # fmt: skip
CONTAINERS = ("LIST", "PARALLEL", "FOREACH", "SWITCH", "WHILE")

Known = list[tuple[str, tuple[str, ...], str]]
"""Steps that an input may name: ref, the FOREACH steps around it, type."""


def draw_definitions(random: Random, *, calm: bool = False) -> dict[str, Step]:
    """The definition `story` and those of the processes that its SUB_PROCESS steps start.

    `calm`: nothing in them depends on what comes first beside each other: no state, no race for an ANY, no EXIT."""
    drawn: dict[str, Step] = {}
    for name in ("grandchild", "child", "story"):
        size = random.choice(SIZES) if name == "story" else random.choice((1, 2, 4, 6))
        drawn[name] = _Drawing(random, size, sorted(drawn), calm).definition(name)
    return {name: drawn[name] for name in _reached(drawn, "story", {})}


def _reached(drawn: dict[str, Step], name: str, found: dict[str, None]) -> dict[str, None]:
    found[name] = None
    for step in walk(drawn[name]["steps"]):
        child = step["input"].get("processName")
        if child in drawn and child not in found:
            _reached(drawn, child, found)
    return found


def walk(steps: list[Step]) -> list[Step]:
    """Every step, in reading order."""
    return [one for step in steps for one in (step, *walk(step.get("children", [])))]


def sequences(steps: list[Step]) -> list[list[Step]]:
    """Every list of steps: the given one, and all children."""
    return [steps, *(step["children"] for step in walk(steps) if "children" in step)]


class _Drawing:
    def __init__(self, random: Random, size: int, children: list[str], calm: bool) -> None:
        self._random = random
        self._left = size
        self._children = children
        self._calm = calm
        self._shares = False
        """May it have PERSISTED_STATE steps? When two processes write in one turn, that has no order."""
        self._count = 0

    def definition(self, name: str) -> Step:
        chance, known = self._random.random, Known()
        self._shares = name == "story" and not self._calm
        written: Step = {"name": name, "version": 1, "steps": []}
        graph = chance() < 0.15 and not self._calm
        while not written["steps"] or (self._left > 0 and len(written["steps"]) < 12):
            # In a graph it is not certain what has ended when a step begins.
            here = Known() if graph else known
            written["steps"] += [self._step(1, (), here, [])] if graph else self._sequence(1, (), here, [])
            known += here if graph else []
        if graph and len(written["steps"]) > 2:
            self._graph(written)
        for steps in sequences(written["steps"]):
            self._aim(steps, graph="metadata" in written and steps is written["steps"])
        if chance() < 0.3:
            written["defaultInput"] = {"order": 1, "items": [1, 2]}
        if chance() < 0.25:
            written["defaultOutput"] = {"kept": True, "n": -1}
        if chance() < 0.3:
            written["outputMapping"] = {
                "n": self._value((), known),
                "state": "{{ state }}",
                "x": [self._text((), known)],
            }
        if chance() < 0.08:
            written["configuration"] = {"completionTimeout": self._random.choice((700, 3_000, 9_000))}
        return written

    def _graph(self, written: Step) -> None:
        """Edges between top-level steps, always backwards in the list."""
        random, refs = self._random, [step["ref"] for step in written["steps"]]
        written["metadata"] = {"dependencies": []}
        for at, ref in enumerate(refs):
            if random.random() < 0.7 or at == 1:
                deps = random.sample(refs[:at], min(at, random.choice((0, 1, 1, 2))))
                written["metadata"]["dependencies"].append({"ref": ref, "deps": ", ".join(deps)})

    def _aim(self, steps: list[Step], *, graph: bool) -> None:
        """Gateways get their targets when it is known what stands beside them."""
        random, refs = self._random, [step["ref"] for step in steps]
        for step in steps:
            if step["type"] != "FLOW_GATEWAY":
                continue
            targets = [ref for ref in refs if ref != step["ref"]] * 3 + ["nobody"]
            targets += [] if graph or self._calm else ["EXIT"]
            aims = [random.choice(targets) for _ in range(random.choice((0, 1, 2, 2)))]
            step["input"] = {
                "rules": [
                    {"condition": random.choice(("which", "which", True, False)), "targetRef": aim}
                    for aim in aims
                ],
                "maxExecutions": random.choice((1, 2, 3)),
            }
            if random.random() < 0.3:
                step["input"]["defaultTargetRef"] = random.choice(targets)

    # -- steps

    def _sequence(self, depth: int, loops: tuple[str, ...], known: Known, later: Known) -> list[Step]:
        steps: list[Step] = []
        for _ in range(self._random.choice((1, 2, 2, 3, 3, 4))):
            if steps and self._left <= 0:
                break
            steps.append(self._step(depth, loops, known, later))
        return steps

    def _step(self, depth: int, loops: tuple[str, ...], known: Known, later: Known) -> Step:
        """`known` grows by this step and what is inside it."""
        random = self._random
        self._left -= 1
        self._count += 1
        kind = self._kind(depth)
        ref = f"{kind[:6].lower()}{self._count}"
        seen = known + later
        step: Step = {"type": kind, "ref": ref, "name": ref, "input": {}}
        if random.random() < (0.75 if kind == "FAIL" else 0.2):
            step["optional"] = True
        if kind in CONTAINERS:
            self._container(step, depth, loops, known, seen)
        else:
            self._leaf(step, loops, seen)
        if kind not in ("WORKER", "BUILT_IN") and random.random() < 0.3:
            step["configuration"] = {"errorPolicyName": random.choice(("once", "later", "strict", "leave"))}
        known.append((ref, loops, kind))
        return step

    def _kind(self, depth: int) -> str:
        kinds = [
            kind
            for kind in WEIGHTS
            if (kind not in CONTAINERS or (depth < DEEPEST and self._left > 0))
            and (kind != "SUB_PROCESS" or self._children)
            and (kind != "EXIT" or not self._calm)
            and (kind != "PERSISTED_STATE" or self._shares)
        ]
        return self._random.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]

    def _container(self, step: Step, depth: int, loops: tuple[str, ...], known: Known, seen: Known) -> None:
        random, ref = self._random, step["ref"]
        match step["type"]:
            case "LIST":
                step["children"] = self._sequence(depth + 1, loops, known, seen)
            case "WHILE":
                step["input"] = {"script": "again", "maxIterations": random.choice((1, 2, 2, 3, 4))}
                step["children"] = self._body(depth, loops, known, seen)
            case "FOREACH":
                step["input"] = {"inputArray": self._array(loops, seen)}
                if random.random() < 0.7:
                    step["input"]["concurrency"] = random.choice((1, 2, 2, 3, 9))
                inner = known.copy()
                step["children"] = [self._step(depth + 1, (*loops, ref), inner, [])]
                known += inner[len(known) :]
            case _:
                branches = [known.copy() for _ in range(random.choice((1, 2, 2, 3, 4)))]
                step["children"] = [self._step(depth + 1, loops, branch, []) for branch in branches]
                known += [one for branch in branches for one in branch[len(known) :]]
                if step["type"] == "PARALLEL":
                    step["input"] = self._join(len(branches))
                else:
                    step["input"] = self._cases([child["ref"] for child in step["children"]], loops, seen)

    def _body(self, depth: int, loops: tuple[str, ...], known: Known, seen: Known) -> list[Step]:
        """What stands later in the body of a WHILE can be named too: it shows the last pass."""
        behind: Known = [(f"worker{self._count + 2}", loops, "WORKER")] if self._random.random() < 0.5 else []
        return self._sequence(depth + 1, loops, known, behind)

    def _join(self, children: int) -> Step:
        random = self._random
        if self._calm:
            return {}
        match random.choice(("", "", "ALL", "ANY", "N", "N")):
            case "":
                return {}
            case "N":
                return {
                    "joinPolicy": "N",
                    "joinCount": random.choice((1, children, random.randint(1, children))),
                }
            case policy:
                return {"joinPolicy": policy}

    def _cases(self, refs: list[str], loops: tuple[str, ...], seen: Known) -> Step:
        random = self._random
        mapping: list[Step] = [
            {"value": case, "targetRef": ref} for case, ref in zip(CASES, refs, strict=False)
        ]
        if random.random() < 0.7:
            mapping.append({"targetRef": refs[-1], "defaultBranch": True})
        random.shuffle(mapping)
        if random.random() < 0.5:
            return {"script": "which", "responseMapping": mapping}
        case: Any = random.choice((*CASES, "{{ input.size }}", self._value(loops, seen)))
        return {"value": case, "responseMapping": mapping}

    def _leaf(self, step: Step, loops: tuple[str, ...], seen: Known) -> None:
        random, kind = self._random, step["type"]
        given: Step = {"n": self._value(loops, seen)} if random.random() < 0.8 else {"n": self._count}
        if random.random() < 0.5:
            given["of"] = random.choice((self._text, self._value))(loops, seen)
        match kind:
            case "WORKER":
                step["name"] = random.choice(QUEUES)
            case "BUILT_IN":
                step["type"] = random.choice(BUILT_IN)
                step["name"] = QUEUES[0]
            case "NOOP":
                given |= self._state_keys()
            case "FAIL":
                given = {"message": self._text(loops, seen)} if random.random() < 0.7 else {}
                if random.random() < 0.4:
                    given["output"] = {"n": self._value(loops, seen)}
            case "EXIT":
                given = {"status": random.choice(("COMPLETED", "COMPLETED", "FAILED", "TERMINATED"))}
                if random.random() < 0.4:
                    given["output"] = {"n": self._value(loops, seen)}
            case "WAIT":
                given = self._wait(step["ref"], loops)
            case "PERSISTED_STATE":
                given = self._persisted(loops, seen)
            case "SUB_PROCESS":
                given = self._sub(given)
        step["input"] = given
        if step["type"] in ("WORKER", *BUILT_IN) and random.random() < 0.5:
            step["configuration"] = {"errorPolicyName": random.choice(list(POLICIES))}

    def _persisted(self, loops: tuple[str, ...], seen: Known) -> Step:
        action = self._random.choice(
            ("INSERT", "UPDATE", "UPSERT", "UPSERT", "READ", "READ", "DELETE", "READ_BULK")
        )
        if action == "READ_BULK":
            return {"action": action, "names": list(KEYS)}
        return {"action": action, "name": self._random.choice(KEYS), "value": self._value(loops, seen)}

    def _state_keys(self) -> Step:
        random = self._random
        if self._calm or random.random() < 0.6:
            return {}
        return random.choice(
            (
                {"__statePut": {random.choice(KEYS): self._count}},
                {"__stateRemove": [random.choice(KEYS)]},
                {"__statePut": dict.fromkeys(KEYS, self._count), "__stateRemove": [random.choice(KEYS)]},
            )
        )

    def _wait(self, ref: str, loops: tuple[str, ...]) -> Step:
        random = self._random
        kinds = ["duration", "duration", "past", "moment", "script", "script"]
        match random.choice([*kinds, "signal", "signal"] if len(loops) < 2 else kinds):
            case "duration":
                return {"durationMs": random.choice((0, 1, 40, 300, 2_000, 5_000_000))}
            case "past":
                return {"until": "2001-02-03T04:05:06", "timeZone": random.choice(("Europe/Berlin", "UTC"))}
            case "moment":
                return {"until": f"2025-06-15T16:{random.randint(0, 59):02}:30", "timeZone": "Europe/Rome"}
            case "script":
                return {"script": "when"}
        given: Step = {"forSignal": ref} | ({"correlation": "{{ foreach.index }}"} if loops else {})
        if random.random() < 0.6:
            given["timeoutMs"] = random.choice(SIGNAL_MS)
            given["onTimeout"] = random.choice(("FAIL", "CONTINUE"))
        return given

    def _sub(self, given: Step) -> Step:
        random = self._random
        more: Step = {
            "processName": random.choice(
                [*self._children, "nobody"] if random.random() < 0.2 else self._children
            )
        }
        if random.random() < 0.25:
            more["waitForCompletion"] = False
        if random.random() < 0.3:
            more["correlationId"] = f"c{self._count}"
        return {**more, "input": given}

    # -- values

    def _array(self, loops: tuple[str, ...], seen: Known) -> Any:
        random = self._random
        if random.random() < 0.25:
            return random.choice(("{{ input.items }}", self._value(loops, seen)))
        return [
            random.choice((n, {"n": n}))
            for n in range(random.choice((0, 1, 2, 2, 3, 3, 5) if not loops else (0, 1, 2, 2, 3)))
        ]

    def _value(self, loops: tuple[str, ...], seen: Known) -> Any:
        """Any JSON, mostly one template."""
        random = self._random
        if random.random() < 0.2:
            return random.choice(
                (None, True, 7, "text", [1, "{{ input.order }}"], {"deep": {"n": "{{ state.a }}"}})
            )
        return "{{" + random.choice((" {} ", "{}"))[:].format(self._reference(loops, seen, whole=True)) + "}}"

    def _text(self, loops: tuple[str, ...], seen: Known) -> str:
        first, second = (self._reference(loops, seen, whole=False) for _ in range(2))
        return f"it was {{{{ {first} }}}} and {{{{{second}}}}}"

    def _reference(self, loops: tuple[str, ...], seen: Known, *, whole: bool) -> str:
        random = self._random
        roots = ["input.order", "input.items[1]", "context.input.deep.x[0]", "input.nothing"]
        roots += [f"state.{key}" for key in KEYS] + ["context.state.a"]
        if loops:
            roots += ["foreach.index", "foreach.value.n"] * 2 + (["foreach.value"] if whole else [])
        if not seen or random.random() < 0.3:
            return random.choice(roots)
        ref, around, kind = random.choice(seen)
        places = "".join(f"[{random.choice((0, 0, 1, 2))}]" for _ in around)
        if around and loops[: len(around)] == around and random.random() < 0.8:
            places = ""
        elif len(around) > 1 and loops[: len(around) - 1] == around[:-1] and random.random() < 0.5:
            places = places[:3]
        return f"steps.{ref}{places}.{random.choice(_members(kind, whole=whole))}"


def _members(kind: str, *, whole: bool) -> list[str]:
    """What can be read of a step. Nothing that the specification leaves open may become part of a text."""
    found = ["status", "output.n", "output.n"] + (["output"] if whole else [])
    match kind:
        case "FOREACH":
            found += ["output.results[0].n", "output.results[1].n"] + (["output.results"] if whole else [])
        case "SWITCH":
            found += ["output.output", "output.logs[0]"]
        case "WHILE":
            found += ["output.passes"]
        case "SUB_PROCESS":
            found += ["output.subProcessOutput.n", "output.subProcessCorrelationId"]
        case "WORKER" | "NOOP":
            found += ["output.of.x[0]", "output.items", "input.n"] if whole else ["output.of.x[0]"]
    return found
