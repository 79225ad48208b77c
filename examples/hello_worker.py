"""The smallest worker: two functions for the two steps of `hello.yaml`.

    stepwell definition apply examples/hello.yaml
    stepwell worker examples/hello_worker.py &
    stepwell run hello --input '{"name": "Ada"}' --wait

Where the server is and who we are comes from STEPWELL_URL, STEPWELL_CLIENT_ID and STEPWELL_TOKEN.
"""

from stepwell.worker import Worker

worker = Worker()


@worker.step("hello_greet")
async def greet(name: str) -> dict[str, str]:
    """An `async def` runs in the event loop: right for work that waits for others."""
    return {"greeting": f"Hello, {name}!"}


@worker.step("hello_count")
def count(text: str) -> int:
    """A plain function runs in a thread of its own. What is no object is returned as `result`."""
    return sum(letter.isalpha() for letter in text)


if __name__ == "__main__":
    worker.run()
