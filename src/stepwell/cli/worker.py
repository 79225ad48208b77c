"""`stepwell worker`: run the worker that a module defines."""

import click

from stepwell.cli.connection import DEFAULT_URL
from stepwell.cli.console import say


@click.command()
@click.argument("module")
@click.option("--url", envvar="STEPWELL_URL", default=DEFAULT_URL, show_default=True, help="The server.")
@click.option("--client-id", envvar="STEPWELL_CLIENT_ID", help="Who is asking.")
@click.option("--token", envvar="STEPWELL_TOKEN", help="The token of that client application.")
def worker(module: str, url: str, client_id: str | None, token: str | None) -> None:
    """Do the work of steps, with the functions of MODULE.

    MODULE is `package.module` or `path/to/file.py`, with `:name` behind it if it holds several workers.
    SIGTERM or Ctrl-C: take no more, finish what runs, send it, stop.
    """
    import logging

    from stepwell.worker import load

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    found = load(module)
    found.connect(url, client_id, token)
    try:
        found.target()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    say(f"working for {url}: {', '.join(sorted(found.step_names)) or 'nothing'}")
    try:
        found.run()
    except ValueError as error:
        raise click.ClickException(str(error)) from error
