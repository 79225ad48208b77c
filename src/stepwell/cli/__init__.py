"""The command line, and the composition root: the one place that knows all the rooms.

One file for each noun. Nothing heavy is imported before a command needs it, so `--help` is immediate.
Exit codes: 0 done, 1 it failed (a FAILED process under `--wait` as well), 2 it was not asked rightly.
"""

from typing import Any

import click

import stepwell
from stepwell.cli.audit import audit
from stepwell.cli.clients import client
from stepwell.cli.connection import told
from stepwell.cli.definitions import definition
from stepwell.cli.demo import demo
from stepwell.cli.doctor import doctor
from stepwell.cli.holds import hold
from stepwell.cli.jobs import job
from stepwell.cli.move import move
from stepwell.cli.operations import COMMANDS as OPERATIONS
from stepwell.cli.policies import policy
from stepwell.cli.processes import process
from stepwell.cli.retention import retention
from stepwell.cli.run import run
from stepwell.cli.secrets import secret
from stepwell.cli.server import server
from stepwell.cli.simulate import simulate
from stepwell.cli.states import state
from stepwell.cli.tables import table
from stepwell.cli.variables import variable
from stepwell.cli.worker import worker
from stepwell.model.errors import Invalid, StepwellError


class Commands(click.Group):
    """Errors that a caller should know about become one helpful line, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Invalid as error:
            lines = [f"{p.path}: {p.message}" for p in error.problems] or [error.message]
            kind = click.UsageError if error.code == "BAD_SETTING" else click.ClickException
            raise kind("\n       ".join(lines)) from error
        except StepwellError as error:
            raise click.ClickException(error.message) from error
        except (click.exceptions.Exit, click.ClickException, click.Abort, SystemExit):
            raise
        except Exception as error:
            from stepwell.client import ApiError

            if isinstance(error, ApiError):
                raise click.ClickException(told(error)) from error
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(stepwell.__version__, prog_name="stepwell")
def main() -> None:
    """Stepwell: durable processes, defined as data, worked on over HTTP.

    Start with `stepwell demo`.
    """


for command in OPERATIONS:
    process.add_command(command)

for command in (
    demo,
    server,
    client,
    definition,
    run,
    process,
    job,
    hold,
    worker,
    policy,
    table,
    state,
    variable,
    retention,
    secret,
    audit,
    move,
    doctor,
    simulate,
):
    main.add_command(command)
