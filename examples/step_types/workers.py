"""The hands of the step-type examples: `stepwell worker examples/step_types/workers.py`."""

from stepwell.worker import Worker

worker = Worker()


@worker.step("greet")
async def greet(name: str) -> str:
    return f"Hello, {name}"


@worker.step("double")
async def double(number: int) -> int:
    return 2 * number
