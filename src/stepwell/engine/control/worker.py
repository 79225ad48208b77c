"""WORKER: an outside worker polls the queue named by the step's `name` and answers.

    {"type": "WORKER", "name": "charge_card", "ref": "charge", "input": {"amount": "{{ input.amount }}"}}

Input: any map; it is what the worker gets. Output: what the worker returns.
"""

from stepwell.engine.draft import Control
from stepwell.engine.steps import run_again, schedule

WORKER = Control(open=schedule, resume=run_again)
