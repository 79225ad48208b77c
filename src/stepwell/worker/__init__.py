"""Our own worker: functions that do the work of steps, in any process that can reach the server over HTTP.

    from stepwell.worker import Worker

    worker = Worker("http://127.0.0.1:8080", client_id="shop", token="secret")

    @worker.step("charge_card")
    async def charge(order_id: int, amount: float = 0): ...

    worker.run()

A step may be handed out more than once (the guarantee is *at least once*), so a function that acts on the
world should be safe to repeat. This room imports `stepwell.model` only and knows nothing of the engine.
"""

from stepwell.worker.load import load
from stepwell.worker.results import KeepRunning, StepFailed
from stepwell.worker.wire import WorkRequest
from stepwell.worker.worker import Worker

__all__ = ["KeepRunning", "StepFailed", "WorkRequest", "Worker", "load"]
