"""Steps that ask what is outside of their process: what they were told was so."""

from collections.abc import Mapping, Sequence
from typing import Any

from stepwell.definition.depends_on import parse_statement
from stepwell.model.codec import decode
from stepwell.model.definition import StepType
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext, StepStatus
from stepwell.runtime.decision_tables import decision_table
from stepwell.testing.asking_steps import STEPS, TABLE
from stepwell.testing.evidence import Evidence, Invariants, broken, shown
from stepwell.testing.mirror import Delta


class AskingChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._before: Mapping[int, ProcessContext | None] = {}
        """Processes that this turn changed, as they were."""

    def check(self, delta: Delta, told: Sequence[ProcessContext] | None) -> None:
        """`told`: of whose end or response those who wait for it were told in this turn; None when the server died."""
        self._before = {new.id: old for old, new in delta.processes}
        for old, new in delta.steps:
            if new.status is not StepStatus.COMPLETED or (old is not None and old.status is new.status):
                continue
            if self.was_ordered(new):
                continue
            match self.step_plan(new).type:
                case StepType.DECISION_ENGINE:
                    self._check_decision(new)
                case StepType.DEPENDSON:
                    self._check_dependence(new)
                case StepType.PROCESS_TRACKER:
                    self._check_tracker(new)
        self._check_told(delta, told)

    def _check_decision(self, step: StepContext) -> None:
        given, said = decode(step.input)["input"], decode(step.output)
        with self.evidence.store.inner.turn() as turn:
            table = decision_table(turn, "default", TABLE, said["version"])
        best = max((least for least in STEPS if least <= given["score"]), default=None)
        wanted = next((rule.outputs for rule in table.rules if rule.outputs["from"] == best), None)
        if said["result"] != wanted:
            broken("a table decides as it stands", f"{shown(step)}: {said}, {wanted} was right")
        self.see("a table decided" if wanted else "no rule of a table held")

    def _check_dependence(self, step: StepContext) -> None:
        terms = decode(step.output)["terms"]
        facts = []
        for term in terms:
            holds = term["is"] == term["status"]
            facts.append(holds)
            if holds and term["step"] is None and term["is"] not in self._statuses(term["processId"]):
                broken("what is depended on is so", f"{shown(step)}: {term}")
            if holds and self._is_outdated(term):
                broken("a name means its newest process", f"{shown(step)}: {term}")
        text = decode(step.input)["dependsOnStatement"]
        enough = all(facts) if " OR " not in text else any(facts)
        parse_statement(text)
        if not enough:
            broken("what is depended on is so", f"{shown(step)}: {text} of {terms}")
        self.see("a dependence held")

    def _check_tracker(self, step: StepContext) -> None:
        given, said = decode(step.input), decode(step.output)
        if said["status"] not in self._statuses(said["processId"]):
            broken(
                "what is tracked is so", f"{shown(step)}: {said}, it is {self._statuses(said['processId'])}"
            )
        if given.get("waitForCompletion") and said["status"] == "RUNNING":
            broken("a tracker that waits sees an end", f"{shown(step)}: {said}")
        self.see("a process was tracked")
        if given.get("waitForCompletion"):
            self.see("an end was awaited")

    def _statuses(self, process_id: int) -> set[str]:
        """What a process was when this turn began, and is now: in between others have looked."""
        found = {self._before.get(process_id), self.mirror.processes.get(process_id)}
        return {"RUNNING", *(each.status.value for each in found if each)} if process_id in self._before else {
            each.status.value for each in found if each
        }  # fmt: skip

    def _is_outdated(self, term: Mapping[str, Any]) -> bool:
        """Was a newer one of that name there before this turn?"""
        return any(
            process.name == term["process"] and process.id > term["processId"] and id not in self._before
            and term["processId"] in self.mirror.processes
            and process.created >= self.mirror.processes[term["processId"]].created
            for id, process in self.mirror.processes.items()
        )  # fmt: skip

    # -- who waits

    def _check_told(self, delta: Delta, told: Sequence[ProcessContext] | None) -> None:
        ends, answers = set(), set()
        for old, new in delta.processes:
            if not new.status.is_open and (old is None or old.status.is_open or new.resumed > old.resumed):
                ends.add(new.id)
            if new.response and (old is None or not old.response):
                answers.add(new.id)
                self.see("a response was sent")
            if old is not None and old.response and new.response != old.response:
                broken(
                    "a response is sent once", f"process {new.id}: {old.response!r} became {new.response!r}"
                )
        if told is None:
            return
        heard = {process.id for process in told}
        if (ends | answers) - heard:
            broken("who waits is told", f"nobody was told of {sorted((ends | answers) - heard)}")
