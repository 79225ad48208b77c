"""HTTP, JAVASCRIPT, PYTHON, JQ, BUILTIN: work steps that the server runs itself.

    {"type": "HTTP", "name": "price", "ref": "price", "input": {"method": "GET", "url": "https://example.com/price"}}

To the engine they are worker steps: offered to a queue, fenced by a token, with the same error policies. What they do
is in `steps/`, one file each; nothing here knows.
"""

from stepwell.engine.draft import Control
from stepwell.engine.steps import run_again, schedule

BUILT_IN = Control(open=schedule, resume=run_again)
