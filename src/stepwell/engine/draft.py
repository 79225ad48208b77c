"""A draft: the snapshot with a layer of changes on top. Reads fall through, writes stay."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stepwell.definition.plan import Plan, StepPlan
from stepwell.engine.effects import (
    Decision,
    DefinitionByName,
    EntryByName,
    Ids,
    Key,
    KnownDefinition,
    KnownProcess,
    NewestProcess,
    OpenSteps,
    PolicyById,
    PolicyByName,
    ProcessById,
    Reply,
    Snapshot,
    StepsById,
    WaitsFor,
    Write,
)
from stepwell.engine.texts import SMALL, Opened, opened, walk
from stepwell.model.codec import Json, Record, change, decode
from stepwell.model.definition import DEFAULT_NAMESPACE, StepType
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.process import ID_BLOCK, Block, ProcessContext
from stepwell.model.step import StepContext, StepExecution, StepPath

MAX_TRANSITIONS = 256
"""A decision opens and closes at most about this many steps; the rest follows by a GO_ON row."""

HEAVY = 64
"""What a transition counts that may need a load of its own: four in a decision, so that its rounds stay few."""

ID_RUN = ID_BLOCK


class Missing(Exception):
    """The decision cannot go on without these. Caught in `decide`, nowhere else."""

    def __init__(self, *keys: Key) -> None:
        super().__init__(keys)
        self.keys = keys


class Control(Record, frozen=True, kw_only=True):
    """What a step type answers. Each takes (draft, plan, step, …) and gives the step as it is afterwards."""

    open: Callable[["Draft", StepPlan, StepContext], StepContext]
    """It begins. It may close at once."""
    resume: Callable[["Draft", StepPlan, StepContext], StepContext]
    """It ended badly and an operator resumes its process."""
    keeps: tuple[str, ...] = ()
    """Members of its output that stay when it is reopened: what it has decided, not how it ended."""
    in_order: bool = False
    """Containers: children run one after the other, so that a later one depends on an earlier one."""
    child_closed: Callable[["Draft", StepPlan, StepContext, StepContext], StepContext] | None = None
    """Containers: one of its children ended (last argument)."""
    evaluated: Callable[["Draft", StepPlan, StepContext, Json], StepContext] | None = None
    """Its script was evaluated; the runner's report."""
    woken: Callable[["Draft", StepPlan, StepContext], StepContext] | None = None
    """The moment it waited for has come."""
    told: Callable[["Draft", StepPlan, StepContext, Json], StepContext] | None = None
    """News from a process it started."""
    go_on: Callable[["Draft", StepPlan, StepContext, Json], StepContext] | None = None
    """Containers: a decision reached its bound; the rest now. The body is what it left in the due row."""


class Draft:
    """One decision in the making. Lives as long as one call of `decide`."""

    __slots__ = (
        "_due",
        "_entries",
        "_executions",
        "_memo",
        "_new",
        "_opened",
        "_steps",
        "blocks",
        "controls",
        "ended",
        "inputs",
        "now",
        "plan",
        "process",
        "process_changed",
        "snapshot",
        "transitions",
    )  # fmt: skip

    def __init__(self, snapshot: Snapshot, now: int, controls: Mapping[StepType, Control]) -> None:
        self.snapshot = snapshot
        self.controls = controls
        self.plan: Plan = snapshot.plan
        self.process_changed = False
        self.ended = False
        self.transitions = 0
        self.blocks: list[Block] = []
        self.inputs: set[int] = set()
        """Steps whose input was made anew for a further execution."""
        self._new = snapshot.process is None
        self._steps: dict[int, tuple[StepContext, Write]] = {}
        self._executions: list[StepExecution] = []
        self._opened = 0
        self._entries: dict[EntryByName, Entry | None] = {}
        self._due: dict[tuple[int, int, DueKind], Due | None] = {}
        self._memo: dict[tuple[int, str], tuple[Json, Any]] = {}
        if snapshot.process is not None:
            self.process: ProcessContext = snapshot.process
            # Row times never go back, not even when a node's clock does.
            now = max(now, snapshot.process.updated)
        self.now = now

    # -- reading

    def find(self, id: int) -> StepContext | None:
        """The step's record, or None when it has none yet."""
        written = self._steps.get(id)
        if written is not None:
            return written[0]
        try:
            return self.snapshot.steps[id]
        except KeyError:
            if self._has_no_row(id):
                return None
            raise Missing(StepsById((id,))) from None

    def step(self, id: int) -> StepContext:
        """The step's record; it must exist."""
        found = self.find(id)
        assert found is not None, f"step {id} of process {self.process.id} has no row"
        return found

    def want(self, ids: Iterable[int]) -> None:
        """Ask for all of these at once, so that one load answers what would otherwise be many."""
        known = self.snapshot.steps
        missing = tuple(
            id for id in ids if id not in known and id not in self._steps and not self._has_no_row(id)
        )
        if missing:
            raise Missing(StepsById(missing))

    def _has_no_row(self, id: int) -> bool:
        """Certainly, of an id that is not in the snapshot: all static rows are, or its run of ids is new."""
        if self.snapshot.complete and self.is_static(id):
            return True
        return any(block.first <= id < block.first + block.count for block in self.blocks)

    def may_have_children(self, parent: StepContext | None) -> bool:
        """May children have rows from before? Only in a resumed process, and not below what this decision opened."""
        if not self.process.resumed:
            return False
        written = None if parent is None else self._steps.get(parent.id)
        return written is None or written[1] is not Write.NEW

    def is_written(self, id: int) -> bool:
        """Has this decision changed the step?"""
        return id in self._steps

    def begun(self, path: StepPath) -> bool:
        """Does the step at a path have a record? One that was never resumed has none unless this run made it."""
        return self.find(self.id_at(path)) is not None

    def is_static(self, id: int) -> bool:
        """Does the id belong to a step outside of every FOREACH?"""
        return 0 < id - self.process.id < self.plan.size

    def id_at(self, path: StepPath) -> int:
        """The id of the step at a path, by arithmetic (see `definition.plan`)."""
        step_plan = self.plan.steps[str(path[0])]
        if not step_plan.loops:
            return self.process.id + step_plan.number
        loop = step_plan.loops[-1]
        around = self.step(self.id_at((loop, *path[1:-1])))
        assert around.children is not None
        index = path[-1]
        assert isinstance(index, int)
        return around.children.base + index * self.plan.steps[loop].iteration_size + step_plan.number

    def plan_of(self, step: StepContext) -> StepPlan:
        return self.plan.steps[str(step.path[0])]

    def parent_of(self, step: StepContext) -> StepContext | None:
        return None if step.parent_id is None else self.step(step.parent_id)

    def want_around(self, path: StepPath) -> None:
        """Ask for all containers around a path: one load, and one more for each FOREACH among them."""
        plan = self.plan.steps[str(path[0])]
        if plan.parent is None or (self.snapshot.complete and not plan.loops):
            return
        around = []
        ref: str | None = plan.parent
        while ref is not None:
            around.append(self.plan.steps[ref])
            ref = around[-1].parent
        for depth in range(len(plan.loops) + 1):
            indices = path[1 : 1 + depth]
            self.want(self.id_at((each.ref, *indices)) for each in around if len(each.loops) == depth)

    def policy_named(self, name: str) -> ErrorPolicy | None:
        """The policy of that name in the process's namespace, else in the default one."""
        key = PolicyByName(self.process.namespace, name)
        if key not in self.snapshot.policies:
            # Who needs one may need others in the same decision: all at once, or each costs a round.
            # (A step that a new version does not hold any more may name one that this version does not.)
            names = dict.fromkeys((name, *self.plan.policies))
            raise Missing(*(PolicyByName(self.process.namespace, each) for each in names))
        return self.snapshot.policies[key]

    def policy_by_id(self, id: int) -> ErrorPolicy | None:
        if not id:
            return None
        key = PolicyById(id)
        if key not in self.snapshot.policies:
            raise Missing(key)
        return self.snapshot.policies[key]

    def definition_named(self, namespace: str, name: str, version: int | None) -> KnownDefinition | None:
        """That version of a definition, or its newest."""
        key = DefinitionByName(namespace, name, version)
        if key not in self.snapshot.definitions:
            raise Missing(key)
        return self.snapshot.definitions[key]

    def entry(self, kind: EntryKind, name: str) -> Entry | None:
        """The entry of that name in the process's namespace, else in the default one."""
        namespaces = dict.fromkeys((self.process.namespace, DEFAULT_NAMESPACE))
        keys = [EntryByName(kind, namespace, name) for namespace in namespaces]
        known = self.snapshot.entries
        if any(key not in known for key in keys):
            # Every entry that the definition names at once, or each of them costs a round.
            named = dict.fromkeys((*self.plan.entries, (kind, name)))
            wanted = [EntryByName(kind, space, name) for kind, name in named for space in namespaces]
            raise Missing(*(key for key in wanted if key not in known))
        found = (known[key] for key in keys)
        return next((entry for entry in found if entry and not 0 < entry.expires <= self.now), None)

    def own_entries(self, kind: EntryKind, namespace: str, names: Iterable[str]) -> list[Entry | None]:
        """The entries of these names in one namespace, as this decision has left them."""
        keys = [EntryByName(kind, namespace, name) for name in names]
        missing = [key for key in keys if key not in self._entries and key not in self.snapshot.entries]
        if missing:
            raise Missing(*missing)
        found = [self._entries[key] if key in self._entries else self.snapshot.entries[key] for key in keys]
        return [entry if entry and not 0 < entry.expires <= self.now else None for entry in found]

    def others(self, *keys: NewestProcess | ProcessById) -> list[KnownProcess | None]:
        """Other processes. They live on while this decision is made: what is known of them is a moment old."""
        missing = [key for key in keys if key not in self.snapshot.others]
        if missing:
            raise Missing(*missing)
        return [self.snapshot.others[key] for key in keys]

    def open_steps(self, limit: int, after: int = 0) -> tuple[list[StepContext], int | None]:
        """Up to `limit` open steps by id, without those that this draft has closed; and the id behind which there may
        be more, or None.

        A decision asks for one range only."""
        if self.snapshot.open_steps is None:
            raise Missing(OpenSteps(limit, after))
        found = {id: self.step(id) for id in self.snapshot.open_steps}
        found |= {id: step for id, (step, _) in self._steps.items() if id > after}
        steps = [found[id] for id in sorted(found) if found[id].status.is_open]
        past = self.snapshot.open_steps[-1] if len(self.snapshot.open_steps) >= limit else None
        if len(steps) > limit:
            # (Among them may be some of this decision, with ids far behind what was read.)
            cut = steps[limit - 1].id
            past = cut if past is None else min(cut, past)
        return steps[:limit], past

    def waiting_for(self, signal: str, correlation: str | None) -> StepContext | None:
        """The oldest WAIT that takes this signal. To be asked before anything is written."""
        key = WaitsFor(signal, correlation)
        if key not in self.snapshot.waiting:
            raise Missing(key)
        found = self.snapshot.waiting[key]
        return None if found is None else self.step(found)

    def new_ids(self, purpose: str, count: int) -> int:
        """The first of a run of `count` new ids."""
        if purpose not in self.snapshot.ids:
            raise Missing(Ids(purpose, count))
        return self.snapshot.ids[purpose]

    def decoded(self, step: StepContext, part: str) -> Any:
        """A step's input or output as a value, decoded once in a decision."""
        key, text = (step.id, part), step.input if part == "input" else step.output
        known = self._memo.get(key)
        if known is None or known[0] is not text:
            # A further pass in the same decision has another text.
            known = self._memo[key] = (text, decode(text))
        return known[1]

    def look_into(self, step: StepContext, part: str, names: tuple[str | int, ...]) -> Any:
        """The value under a path of a step's input or output, MISSING when there is none."""
        text = step.input if part == "input" else step.output
        if len(text) <= SMALL:
            return walk(self.decoded(step, part), names)
        return opened(self.snapshot.memo, text).pick(names)

    def loop_input(self, foreach: StepContext) -> Opened:
        """The input of a FOREACH, which all its iterations look into."""
        return opened(self.snapshot.memo, foreach.input)

    @property
    def exhausted(self) -> bool:
        return self.transitions >= MAX_TRANSITIONS

    # -- writing

    def put(self, step: StepContext, write: Write = Write.KEEP) -> StepContext:
        before = self._steps.get(step.id)
        if before is not None:
            if before[1] > write:
                write = before[1]
        elif write is Write.NEW:
            self._opened += 1
        self._steps[step.id] = (step, write)
        return step

    def replace_input(self, step: StepContext) -> StepContext:
        """Write a step whose input is another one from now on."""
        self.inputs.add(step.id)
        return self.put(step)

    def put_process(self, **fields: Any) -> None:
        self.process = change(self.process, **fields)
        self.process_changed = True

    def put_entry(self, kind: EntryKind, namespace: str, name: str, entry: Entry | None) -> None:
        """Write an entry, or delete it when None."""
        self._entries[EntryByName(kind, namespace, name)] = entry

    def keep_execution(self, execution: StepExecution) -> None:
        self._executions.append(execution)

    def set_due(
        self, kind: DueKind, at: int, *, step_id: int = 0, body: Json = b"", process_id: int = 0
    ) -> None:
        process_id = process_id or self.process.id
        self._due[(process_id, step_id, kind)] = Due(process_id, step_id, kind, at, body)

    def forget_due(self) -> None:
        """The process ends: its rows go with it, and what this decision wanted to add never comes to be."""
        own = self.process.id
        self._due = {key: due for key, due in self._due.items() if key[0] != own}

    def drop_due(self, kind: DueKind, step_id: int = 0) -> None:
        self._due[(self.process.id, step_id, kind)] = None

    def decision(self, reply: Reply) -> Decision:
        if not (self._steps or self.process_changed or self._due or self._entries or self._executions):
            return Decision(reply=reply)
        process = change(
            self.process,
            updated=self.now,
            revision=self.process.revision + 1,
            step_count=self.process.step_count + self._opened,
        )
        return Decision(
            process=process,
            is_new=self._new,
            steps=self._steps,
            executions=tuple(self._executions),
            blocks=tuple(self.blocks),
            inputs=tuple(sorted(self.inputs)),
            entries=self._entries,
            due=self._due,
            ended=self.ended,
            reply=reply,
        )
