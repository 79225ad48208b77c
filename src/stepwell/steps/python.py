"""PYTHON: a function of the steps and the process context, in the sandbox.

script: |
  def main(steps, context):
      return steps["order"]["output"]["total"] * 1.19
"""

from functools import partial

from stepwell.model.definition import StepType
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Language
from stepwell.steps.sandbox.script_step import check_script, run_script
from stepwell.steps.step import BuiltIn


def python(sandbox: Sandbox) -> BuiltIn:
    """The step type, running its scripts in that sandbox."""
    return BuiltIn(
        type=StepType.PYTHON, run=partial(run_script, sandbox, Language.PYTHON), check=check_script
    )
