"""Our own worker SDK with a step that does nothing."""

import json
import sys

from bench.servers import CLIENT, TOKEN
from stepwell.worker import Worker


def main(url: str, concurrency: int = 200) -> None:
    worker = Worker(url, client_id=CLIENT, token=TOKEN)

    @worker.step("noop", concurrency=concurrency)
    async def noop(input: dict) -> dict:  # type: ignore[type-arg]
        return {"ok": True, "note": "x" * 60}

    print("polling", flush=True)
    worker.run()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
