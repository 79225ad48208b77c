"""A server with a planted mistake, to see whether the torture finds it: `python -m tests.torture.flawed MISTAKE`."""

import sys

from stepwell.cli import main
from tests.simulation.mistakes import MISTAKES


def serve(name: str) -> None:
    mistake = next(mistake for mistake in MISTAKES if mistake.__name__ == name)
    with mistake():
        main(["server"])


if __name__ == "__main__":
    serve(sys.argv[1])
