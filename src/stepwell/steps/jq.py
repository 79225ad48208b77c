"""JQ: a jq program that filters a JSON value, in the sandbox.

script: ".items | map(.price) | add"
input: "{{ steps.order.output }}"
"""

from functools import partial

from stepwell.model.definition import StepType
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Language
from stepwell.steps.sandbox.script_step import check_script, run_script
from stepwell.steps.step import BuiltIn


def jq(sandbox: Sandbox) -> BuiltIn:
    """The step type, running its scripts in that sandbox."""
    return BuiltIn(type=StepType.JQ, run=partial(run_script, sandbox, Language.JQ), check=check_script)
