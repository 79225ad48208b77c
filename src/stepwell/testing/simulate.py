"""Simulated runs told to people: what was drawn, what happened, and the verdict."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from stepwell.model.codec import encode
from stepwell.model.definition import ProcessDefinition, StepDefinition
from stepwell.testing.definitions import FILLER
from stepwell.testing.faults import Rates
from stepwell.testing.simulation import Outcome, Simulation, SimulationFailed, quiet

MOST_INPUT = 100
"""Characters of an input that are shown."""

Say = Callable[[str], object]


def simulate_one(seed: int, *, sqlite: bool, say: Say, events: bool = True) -> bool:
    """One run with its whole story, line by line. True when every invariant held."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        simulation = Simulation(seed, Path(folder) if sqlite else None)
        for line in setting(simulation):
            say(line)
        if events:
            say("\nWhat happened, in virtual milliseconds:")
            simulation.world.listen = lambda line: say(f"  {line}")
        try:
            outcome = simulation.run()
        except SimulationFailed as failed:
            say(f"\nFAILED: {failed}")
            return False
    say(f"\nHELD: {counted(outcome)}. History {outcome.history}.")
    return True


def simulate_many(first: int, count: int, *, sqlite: bool, say: Say) -> bool:
    """Runs one after the other, until one fails; then what they met, and how fast they were."""
    met: Counter[str] = Counter()
    turns = 0
    began = time.perf_counter()
    for seed in range(first, first + count):
        try:
            with tempfile.TemporaryDirectory() as folder, quiet():
                outcome = Simulation(seed, Path(folder) if sqlite else None).run()
        except SimulationFailed as failed:
            say(f"FAILED: {failed}")
            return False
        turns += outcome.turns
        met += outcome.sightings
    took = max(time.perf_counter() - began, 1e-9)
    for what, times in sorted(met.items()):
        say(f"{times:9,}  {what}")
    say(f"HELD: {count:,} runs, {turns:,} turns in {took:.1f} s, {count / took:.1f} runs/s")
    return True


def counted(outcome: Outcome) -> str:
    return f"{outcome.processes} processes, {outcome.steps} steps, {outcome.turns} turns"


def setting(simulation: Simulation) -> Iterator[str]:
    """What the seed has drawn: definitions, and what may go wrong."""
    yield f"Seed {simulation.seed}"
    for definition in simulation.drawn:
        yield ""
        yield from outline(definition)
    yield ""
    yield f"What may go wrong: {', '.join(faults(simulation.rates)) or 'nothing'}"


def faults(rates: Rates) -> list[str]:
    names = [name for name in rates.__struct_fields__ if name != "habits"]
    said = [f"{name} {rate:.0%}" for name in names if (rate := getattr(rates, name))]
    return said + [f"workers {habit.lower()}" for habit, weight in rates.habits.items() if weight]


def outline(definition: ProcessDefinition) -> Iterator[str]:
    """One line for each step, indented as they stand."""
    yield f"{definition.name} ({definition.type})"
    edges = definition.metadata.get("dependencies", ())
    fillers = sum(step.name == FILLER for step in definition.steps)
    for step in definition.steps:
        if step.name != FILLER:
            yield from _step(step, "  ")
    if fillers:
        yield f"  and {fillers} steps that do nothing, to make it wide"
    for edge in edges:
        yield f"  {edge['ref']} waits for {edge['deps'] or 'nothing'}"


def _step(step: StepDefinition, indent: str) -> Iterator[str]:
    words = [step.ref, step.type.value]
    words += ["optional"] if step.optional else []
    words += (
        [f"policy {step.configuration.error_policy_name}"] if step.configuration.error_policy_name else []
    )
    words += [f"undone by {step.compensate.type}"] if step.compensate is not None else []
    text = encode(step.input).decode() if step.input else ""
    words += [text if len(text) <= MOST_INPUT else f"{text[:MOST_INPUT]}…"] if text else []
    yield indent + " ".join(words)
    for child in step.children:
        yield from _step(child, indent + "  ")
