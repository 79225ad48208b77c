"""`stepwell simulate`: random runs of the engine under faults, on a virtual clock."""

import sys

import click


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first run.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="So many runs, one after the other, without their stories; it stops at the first that fails.",
)
@click.option("--sqlite", is_flag=True, help="Over SQLite files instead of memory.")
@click.option(
    "--events/--no-events", default=True, help="Tell a single run's whole story, or only how it ended."
)
def simulate(seed: int, seeds: int | None, sqlite: bool, events: bool) -> None:
    """Run the engine under random faults, on a virtual clock.

    A seed decides everything: what processes there are, who works on them, what fails and when. The same seed tells
    the same story. No server is needed, and nothing is left behind.
    """
    from stepwell.testing.simulate import simulate_many, simulate_one

    if seeds is None:
        held = simulate_one(seed, sqlite=sqlite, say=click.echo, events=events)
    else:
        held = simulate_many(seed, seeds, sqlite=sqlite, say=click.echo)
    if not held:
        sys.exit(1)
