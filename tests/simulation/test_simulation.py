"""Random runs of the whole engine under faults: in each one every invariant holds, and all together see everything.

`STEPWELL_SEEDS` says how many runs there are on the memory store. A failure prints the seed, its last events and the
command that plays it again.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from stepwell.cli import main
from stepwell.engine import steps
from stepwell.testing.simulate import simulate_one
from stepwell.testing.simulation import Outcome, SimulationFailed, run
from tests.simulation.mistakes import everywhere

SEEDS = int(os.environ.get("STEPWELL_SEEDS", "160"))
SQLITE_SEEDS = max(4, SEEDS // 30)

SOMETIMES = (
    "a caller waits for what is in memory",
    "a dependence held",
    "a finished process was dropped",
    "a key was used for another request",
    "a process ended CANCELLED",
    "a process was tracked",
    "a response was sent",
    "a step waited for its edges",
    "a step was undone",
    "a table decided",
    "an end was awaited",
    "an operator met what is in memory only",
    "handed out from memory",
    "it was dropped while others ran",
    "it was written once, at its end",
    "late result of an attempt that was given up",
    "what was in memory was forgotten",
    "what was in memory was saved",
    "ended by a gateway",
    "the cache served",
    "a FOREACH was resumed",
    "a decision went on in a further turn",
    "a hook started a process",
    "a policy started a process",
    "a process ended COMPLETED",
    "a process ended FAILED",
    "a process ended TERMINATED",
    "a process ended TIMED_OUT",
    "a process was resumed",
    "a start met a busy store",
    "a step timed out",
    "a template used an output",
    "a child began",
    "a child was terminated",
    "a child's end reached its parent",
    "a closed step began anew",
    "a script ran: EVALUATING",
    "a script ran: PREPARING",
    "a script ran: TRANSFORMING",
    "a signal came early",
    "a signal was taken",
    "a start was booked ahead",
    "a step stood in line",
    "a step was held by a pause",
    "a value was persisted",
    "an order ended a step",
    "an order went down",
    "marked HOLD",
    "marked SKIP",
    "the first child ended the others",
    "what its own hands held was offered at the restart",
    "CancelRequested",
    "PauseRequested",
    "UnpauseRequested",
    "RerunFromRequested",
    "SignalReceived",
    "StateEdited",
    "StepOrdered",
    "StepRemoved",
    "an ended process was closed in slices",
    "an optional step failed",
    "answer lost",
    "catalog changed",
    "crash after a commit",
    "crash before a commit",
    "ended by EXIT",
    "ended while a worker held a step",
    "given back for a caller who hung up",
    "handed out from the queue",
    "handed out in the turn that made it ready",
    "handed out too often",
    "kept running",
    "late result after another hand-out",
    "late result, nobody else had it",
    "lease extended",
    "lease over",
    "rerun",
    "result ACCEPTED",
    "result DUPLICATE",
    "result STALE",
    "result UNKNOWN",
    "retried by its policy",
    "state keys of a failed attempt dropped",
    "the same poll was answered again",
    "ResumeRequested",
    "ReviewRequested",
    "TerminateRequested",
)
"""What a campaign must have met, or the simulation is asleep."""


@pytest.fixture(scope="module")
def campaign() -> list[Outcome]:
    return [run(seed) for seed in range(1, SEEDS + 1)]


def test_every_run_holds(campaign: list[Outcome]) -> None:
    assert len(campaign) == SEEDS
    assert all(outcome.processes and outcome.steps for outcome in campaign)


def test_everything_interesting_came_up(campaign: list[Outcome]) -> None:
    seen: Counter[str] = Counter()
    for outcome in campaign:
        seen += outcome.sightings
    assert [what for what in SOMETIMES if not seen[what]] == []


def test_runs_differ(campaign: list[Outcome]) -> None:
    assert len({outcome.history for outcome in campaign}) == len(campaign)


@pytest.mark.parametrize("seed", range(1, SQLITE_SEEDS + 1))
def test_a_run_on_sqlite_holds(seed: int, tmp_path: Path) -> None:
    assert run(seed, folder=tmp_path).processes


def test_the_store_makes_no_difference(campaign: list[Outcome], tmp_path: Path) -> None:
    """Memory and SQLite tell the same story to the last event, but for the ids that a crash may lose."""
    calm = [
        outcome
        for outcome in campaign[:12]
        if not any(what.startswith("crash") for what in outcome.sightings)
    ]
    assert len(calm) >= 3
    for outcome in calm:
        folder = tmp_path / str(outcome.seed)
        folder.mkdir()
        assert run(outcome.seed, folder=folder).history == outcome.history


def test_the_same_seed_tells_the_same_story() -> None:
    """In further interpreters too, whatever their hashes of text are."""
    script = "from stepwell.testing.simulation import run; print(*(run(s).history for s in (1, 2, 3)))"
    stories = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert stories == {" ".join(run(seed).history for seed in (1, 2, 3)) + "\n"}


def test_a_failure_can_be_played_again() -> None:
    """It names the seed, shows what happened last and gives the command."""
    with everywhere(steps.fails_parent, lambda plan, step: True), pytest.raises(SimulationFailed) as failed:
        for seed in range(1, 10):
            run(seed)
    lines = str(failed.value).splitlines()
    assert lines[0].startswith(f"seed {failed.value.seed}: ")
    assert lines[-1] == f"again: stepwell simulate --seed {failed.value.seed}"
    assert 0 < len(lines) - 2 <= 20


def test_a_run_is_told() -> None:
    """As `stepwell simulate` does: what was drawn, what happened, how it ended."""
    lines: list[str] = []
    assert simulate_one(2, sqlite=False, say=lines.append)
    assert lines[0] == "Seed 2" and "made0 (STANDARD)" in lines
    assert any(line.startswith("What may go wrong: ") for line in lines)
    assert any(" turn " in line for line in lines)
    assert lines[-1].startswith("\nHELD: ")
    assert run(2).history in lines[-1]


def test_the_command_tells_the_verdict() -> None:
    runner = CliRunner()
    many = runner.invoke(main, ["simulate", "--seed", "4", "--seeds", "2"])
    assert many.exit_code == 0 and many.output.splitlines()[-1].startswith("HELD: 2 runs")
    with everywhere(steps.fails_parent, lambda plan, step: True):
        failed = runner.invoke(main, ["simulate", "--seeds", "9"])
    assert failed.exit_code == 1 and "again: stepwell simulate --seed" in failed.output
