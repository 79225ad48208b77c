"""One definition, played on the real turn and told to the reference, happening by happening; then both are compared.

The lane runs over the memory store with a clock that only moves when it is told to. This test is every worker, the
script runner, the people who send signals and the operator; what it does next is drawn from the seed, what a step
answers from the seed and the step's own name, so that it answers the same when other steps are left out.
"""

import traceback
from random import Random
from typing import Any

from stepwell.engine import draft
from stepwell.engine.events import CancelRequested, ResumeRequested, SignalReceived, TerminateRequested
from stepwell.model.codec import decode, decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.step import StepContext, parse_path
from stepwell.model.work import Acceptance, QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ErrandAsk, EventAsk, ExchangeAsk, Gone, StartAsk
from stepwell.runtime.catalog import put_definition, put_policy
from stepwell.runtime.lane import Lane
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.requests import Exchange, Exchanged, Poll, StartRequest
from stepwell.store.memory import MemoryStore
from stepwell.testing.clock import VirtualClock
from tests.property.random_definitions import BUILT_IN, CASES, KEYS, POLICIES, QUEUES, Step, walk
from tests.property.reference import Reference
from tests.property.reference_values import render

MOST_MOVES = 4_000
LEASE_MS = 10**12
A_LEASE_MS = LEASE_MS // 2
"""What is further away than this is the end of a lease: nobody here lets one end."""
SCRIPT = "SCRIPT"
SERVER = "stepwell"
POLL = Poll(
    queues=(
        *((QueueName("default", "WORKER", name), 1_000) for name in QUEUES),
        *((QueueName(SERVER, type, QUEUES[0] if type == "BUILTIN" else ""), 1_000) for type in BUILT_IN),
        (QueueName(SERVER, SCRIPT, ""), 1_000),
    ),
    limit=1_000,
    client="everybody",
    host="here",
)
INPUTS: tuple[Step, ...] = (
    {},
    {"order": 7, "size": "M", "items": [{"n": 1}, {"n": 2}, 3]},
    {"items": [], "deep": {"x": [5]}, "size": "S"},
)
OPEN = ("PENDING", "SCHEDULED", "RUNNING", "PAUSED")
View = dict[str, Any]


class Different(AssertionError):
    """The engine and the reference do not agree."""


class Telling:
    """A story in two tellings."""

    def __init__(
        self, seed: int, definitions: dict[str, Step], *, calm: bool = False, watch: bool = False
    ) -> None:
        """`calm`: order means nothing in these definitions, so decisions may be cut into slices anywhere. `watch`:
        compare after every happening, so that the first difference is found where it arises."""
        self.seed = seed
        self.random = Random(seed)
        self.history: list[str] = []
        self.failure = ""
        self.raised = False
        """Not a difference: the test itself could not go on."""
        self._watch = watch
        self._most_transitions = self.random.choice((1, 2, 3, 5, 9, 64)) if calm else 10**9
        self._steps = {
            (name, step["ref"]): step for name, each in definitions.items() for step in walk(each["steps"])
        }
        self._failures = self.random.choice((0.02, 0.02, 0.1, 0.3))
        """How often an answer is a bad one."""
        self._unruly = self.random.random() < 0.3
        # In which order a resume comes to the branches of an EXIT is not said: whom it catches is open then.
        self._resumes = 0 if races(definitions) else self.random.choice((0, 0, 1, 1, 2))
        self._clock = VirtualClock()
        self._store = MemoryStore()
        self._lane = Lane(self._store, self._clock, RuntimeSettings(lease_ms=LEASE_MS))
        self._held: dict[tuple[int, int], WorkRequest] = {}
        self._asked: dict[tuple[str, str, int], int] = {}
        self._ids: dict[str, int] = {}
        """Key of a process → its id."""
        self._keys: dict[int, str] = {}
        self.reference = Reference(definitions, POLICIES, calm=calm)
        self._store_all(definitions)

    def _store_all(self, definitions: dict[str, Step]) -> None:
        policies = [decode_as(encode({"name": name, **body}), ErrorPolicy) for name, body in POLICIES.items()]
        parsed = [decode_as(encode(written), ProcessDefinition) for written in definitions.values()]

        def errand(turn: Any, now: int) -> None:
            for policy in policies:
                put_policy(turn, now, policy, "test")
            for definition in parsed:
                put_definition(turn, now, definition, "test", update=False)

        ((_, answer),), _ = self._lane.run_turn([ErrandAsk(_nobody, errand)])
        assert answer is None, answer

    # -- the story

    def play(self) -> None:
        """Both tellings to their end, or to `failure`."""
        usual, draft.MAX_TRANSITIONS = draft.MAX_TRANSITIONS, self._most_transitions
        try:
            self._play()
        except Exception as error:
            self.raised = not isinstance(error, Different)
            told = [] if not self.raised else traceback.format_exception(error)
            self.failure = "".join((*told, f"{error}"))
        finally:
            draft.MAX_TRANSITIONS = usual

    def _play(self) -> None:
        given = self.random.choice(INPUTS)
        self._note("start", "story", given)
        process = self._turn(
            StartAsk(_nobody, StartRequest(namespace="default", name="story", input=encode(given)))
        )
        self._know("root", process.id)
        self.reference.start("story", given, self._clock.now())
        self._settle()
        for _ in range(MOST_MOVES):
            if not self._move():
                break
        else:
            raise Different("it does not end")
        self.compare()

    def _move(self) -> bool:
        """Something happens. False: nothing more can."""
        chance = self.random.random()
        if self._unruly and chance < 0.05:
            self._operate()
        elif chance < 0.12 and (signals := self._signals()):
            self._signal(*self.random.choice(signals))
        elif self._held and chance < 0.85:
            self._answer(self.random.choice((1, 1, 1, 2, 3)))
        elif self._ahead() < A_LEASE_MS:
            self._wait()
        elif self._held:
            self._answer(1)
        elif signals := self._signals(early=False):
            self._signal(*signals[0])
        elif self._resumes and self._root.status in ("FAILED", "TERMINATED", "CANCELLED", "TIMED_OUT"):
            self._resumes -= 1
            self._event("root", ResumeRequested(), self._root.resume)
        else:
            return False
        self._settle()
        return True

    @property
    def _root(self) -> Any:
        return self.reference.runs["root"]

    def _answer(self, count: int) -> None:
        """Some reports on one process in one exchange. What two processes do to each other in one turn has no order."""
        first = self.random.choice(sorted(self._held))
        beside = [place for place in sorted(self._held) if place[0] == first[0] and place != first]
        beside = [] if self.reference.calm else beside
        picked = [first, *self.random.sample(beside, min(count - 1, len(beside)))]
        results, expected = [], []
        for place in picked:
            work = self._held.pop(place)
            key = self._key_of(work.process_id)
            status, output = self._outcome(key, work)
            self._note("answer", key, work.ref, work.execution, status, output)
            results.append(
                WorkResult(step_id=work.step_id, token=work.token, status=WorkStatus(status), output=encode(output),
                           reschedule_ms=self._clock.now() % 300 if status == "RUNNING" else 0)
            )  # fmt: skip
            expected.append(self.reference.answer(key, parse_path(work.ref), work.execution, status, output))
        exchanged = self._turn(ExchangeAsk(_nobody, Exchange(results=tuple(results), poll=POLL), Gone()))
        outcomes = [outcome is Acceptance.ACCEPTED for outcome in exchanged.outcomes]
        if outcomes != expected:
            raise Different(f"reports were {exchanged.outcomes}, the reference took {expected}")

    def _ahead(self) -> int:
        """How far away the next moment is at which something is due."""
        return self._lane.next_at() - self._clock.now()

    def _wait(self) -> None:
        """To the next moment at which something is due, or not quite."""
        ahead = self._ahead()
        if ahead > 3 and self.random.random() < 0.5:
            ahead = self.random.randint(1, min(ahead - 1, 400))
        self._clock.move_to(self._clock.now() + ahead)
        self._note("time", f"+{ahead} ms")
        self.reference.time(self._clock.now())

    def _signals(self, *, early: bool = True) -> list[tuple[str, str, str | None]]:
        """Signals that would be heard; with `early` also those that nobody waits for yet."""
        found = [
            (key, wait.about[0], wait.about[1])
            for key, run in self.reference.runs.items()
            for wait in run.waits
            if wait.kind == "signal"
        ]
        if early and self._root.status == "RUNNING":
            names = [s["input"].get("forSignal") for (name, _), s in self._steps.items() if name == "story"]
            found += [("root", name, self.random.choice((None, "0", "1"))) for name in names if name]
        return found

    def _signal(self, key: str, name: str, correlation: str | None) -> None:
        payload = {"n": len(self.history), "by": "hand"}
        event = SignalReceived(name=name, payload=encode(payload), correlation=correlation)
        self._note("signal", key, name, correlation, payload)
        self._event(
            key,
            event,
            lambda: self.reference.runs[key].signal(name, correlation, payload) is None,
        )

    def _operate(self) -> None:
        self._failures = self.random.choice((0.02, 0.02, 0.1, 0.3))
        """How often an answer is a bad one."""
        self._unruly = self.random.random() < 0.3
        status, event = self.random.choice(
            (("TERMINATED", TerminateRequested()), ("CANCELLED", CancelRequested()))
        )
        if self._root.status == "RUNNING":
            self._event("root", event, lambda: self._root.abort(status, {}) or True)

    def _event(self, key: str, event: Any, told: Any) -> None:
        self._note(type(event).__name__, key)
        answer = self._turn(EventAsk(_nobody, self._id_of(key), event))
        if (answer is None) != told():
            raise Different(f"{type(event).__name__} was answered {answer}")

    def _settle(self) -> None:
        """What is due by now happens, on both sides."""
        while True:
            exchanged = self._turn(ExchangeAsk(_nobody, Exchange(poll=POLL), Gone()))
            if not exchanged.work and self._lane.next_at() > self._clock.now():
                break
        self.reference.settle()
        if self._watch:
            self.compare()

    def _turn(self, ask: Ask) -> Any:
        answers, _ = self._lane.run_turn([ask])
        ((_, answer),) = answers
        if isinstance(answer, Exchanged):
            self._held.update({(work.process_id, work.step_id): work for work in answer.work})
        if self._store.set_aside.rows:
            raise Different(f"the engine raised: {next(iter(self._store.set_aside.rows.values())).error}")
        return answer

    # -- what steps answer

    def _outcome(self, key: str, work: WorkRequest) -> tuple[str, Any]:
        place = (key, work.ref, work.execution)
        nth = self._asked[place] = self._asked.get(place, 0) + 1
        random = Random(f"{self.seed} {place} {nth}")
        run = self.reference.runs[key]
        if work.type == SCRIPT:
            step = self._steps[run.definition["name"], str(parse_path(work.ref)[0])]
            return _evaluated(random, step["type"], self._clock.now(), self._failures)
        output: Step = {"n": random.randint(1, 99)}
        if random.random() < 0.4:
            output["of"] = {"x": [random.randint(1, 9)]}
        if random.random() < 0.3:
            output["items"] = [random.choice((1, {"n": 2}))] * random.randint(0, 3)
        if self.reference.calm:
            pass
        elif random.random() < 0.25:
            output["__statePut"] = {random.choice(KEYS): random.choice((output["n"], "text", {"n": 3}))}
        elif random.random() < 0.1:
            output[random.choice(("__stateRemove", "__statePutRemove"))] = [random.choice(KEYS)]
        status = (
            "FAILED"
            if random.random() < self._failures
            else random.choice(("COMPLETED",) * 15 + ("RUNNING",))
        )
        if status == "FAILED" and random.random() < 0.9:
            output[random.choice(("error", "error", "lastError"))] = random.choice(("broken", {"code": 5}))
        return status, output

    # -- both in the same words

    def compare(self) -> None:
        real, told = self._real(), _told(self.reference)
        for key in sorted(real.keys() | told.keys()):
            difference = _difference(real.get(key), told.get(key), key)
            if difference:
                raise Different(difference)

    def _real(self) -> View:
        """What the store says, by the keys of the reference."""
        rows = list(self._store.step.rows.values())
        kept: dict[int, dict[int, Any]] = {}
        for row in self._store.execution.rows.values():
            kept.setdefault(row.step_id, {})[row.id] = decode(row.output)
        found: View = {}
        for process in self._store.process.rows.values():
            steps: View = {}
            for row in rows:
                if row.process_id != process.id:
                    continue
                ref = row.ref if row.ref not in steps else f"{row.ref} once more"
                steps[ref] = _step(
                    self._type(row),
                    row.status.value,
                    row.execution,
                    decode(row.input),
                    decode(row.output),
                    kept.get(row.id, {}),
                )
            found[self._key_of(process.id)] = _process(
                process.status.value, decode(process.output), decode(process.state), steps
            )
        return found

    def _type(self, row: StepContext) -> str:
        process = self._store.process.rows[row.process_id]
        return str(self._steps[process.name, str(row.path[0])]["type"])

    def _know(self, key: str, id: int) -> None:
        self._ids[key], self._keys[id] = id, key

    def _id_of(self, key: str) -> int:
        if key not in self._ids:
            for process in list(self._store.process.rows):
                self._key_of(process)
        return self._ids[key]

    def _key_of(self, id: int) -> str:
        """Which step started it, in which execution: the step's output, or the execution's, has the id."""
        if id not in self._keys:
            rows = self._store.step.rows
            outputs = [(row, row.execution, row.output) for row in rows.values()]
            outputs += [
                (rows[old.step_id], old.id, old.output) for old in self._store.execution.rows.values()
            ]
            for row, execution, output in outputs:
                if decode(output).get("subProcessId") == id and self._type(row) == "SUB_PROCESS":
                    self._know(f"{self._key_of(row.process_id)}/{row.ref}#{execution}", id)
        return self._keys.get(id) or f"process {id}, which nobody started"

    def _note(self, *words: Any) -> None:
        self.history.append(
            " ".join(word if isinstance(word, str) else encode(word).decode() for word in words)
        )


def _evaluated(random: Random, type: str, now: int, failures: float) -> tuple[str, Any]:
    logs = ["looked"] if random.random() < 0.3 else []
    bad = random.random() < failures / 2
    if bad and random.random() < 0.4:
        return "FAILED", {"error": "the script broke", "logs": logs}
    result: Any
    match type:
        case "SWITCH":
            result = random.choice((None, 7, ["S"]) if bad else (*CASES, *CASES, "other"))
        case "FLOW_GATEWAY":
            result = random.choice((None, 7, "0") if bad else (-1, -1, 0, 0.0, 0))
        case "WHILE":
            result = random.choice((None, "yes", 1) if bad else (True, True, True, False, False))
        case _:
            moment = random.choice((now - 5, now, now + 1, now + 60.0, now + 2_500, now + 10**9))
            result = random.choice(({}, "soon", {"waitUntil": "later"})) if bad else {"waitUntil": moment}
    return "COMPLETED", {"result": result, "logs": logs}


def races(definitions: dict[str, Step]) -> bool:
    """Is there an EXIT with something beside it?"""
    for each in definitions.values():
        if "metadata" in each and any(map(_exits, walk(each["steps"]))):
            return True
        for step in walk(each["steps"]):
            beside = step["type"] in ("PARALLEL", "FOREACH")
            if beside and any(map(_exits, walk(step["children"]))):
                return True
    return False


def _exits(step: Step) -> bool:
    targets = [rule["targetRef"] for rule in step["input"].get("rules", ())]
    return "EXIT" in (step["type"], step["input"].get("defaultTargetRef"), *targets)


def _process(status: str, output: Any, state: Any, steps: View) -> View:
    return {
        "status": status,
        "output": None if status == "RUNNING" else output,
        "state": state,
        "steps": steps,
    }


def _step(type: str, status: str, execution: int, input: Any, output: Any, kept: Any) -> View:
    """What a container says of itself that was cancelled is not said anywhere."""
    is_open = status in OPEN or (status == "CANCELLED" and type in ("PARALLEL", "FOREACH"))
    return {
        "status": "OPEN" if status in OPEN else status,
        "execution": execution,
        "input": input,
        "output": None if is_open else output,
        "kept": kept,
    }


def _told(reference: Reference) -> View:
    return {
        key: _process(
            run.status,
            run.output,
            run.state,
            {
                render(each.path): _step(
                    each.step["type"], each.status, each.execution, each.input, each.output, each.kept
                )
                for each in run.records.values()
            },
        )
        for key, run in reference.runs.items()
        if run.status != "PENDING"
    }


def _difference(real: Any, told: Any, at: str) -> str:
    """The first difference, deepest first where both are objects."""
    if real == told:
        return ""
    if isinstance(real, dict) and isinstance(told, dict):
        for key in [*real, *(key for key in told if key not in real)]:
            if real.get(key, "absent") != told.get(key, "absent"):
                return _difference(real.get(key, "absent"), told.get(key, "absent"), f"{at} → {key}")
    return f"{at}: the engine says {real!r}, the reference {told!r}"


def _nobody(_answer: Any) -> None:
    """Answers are read from what the turn says."""
