from stepwell.worker import Worker

worker = Worker()


@worker.step("greet")
async def greet(name: str) -> str:
    return f"Hello, {name}"


@worker.step("shout")
def shout(text: str) -> str:
    return text.upper() + "!"
