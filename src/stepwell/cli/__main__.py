"""`python -m stepwell.cli`."""

from stepwell.cli import main

main(prog_name="stepwell")
