"""A worker with nothing in it: one `exchange` call after the other. Shows the server's price without an SDK's."""

import asyncio
import itertools
import json
import sys

import aiohttp
import msgspec

from bench.servers import BEARER

QUEUE = "noop"
OUTPUT = {"ok": True, "note": "x" * 60}


async def poll(session: aiohttp.ClientSession, url: str, batch: int, name: str) -> None:
    results: list[dict[str, object]] = []
    decoder = msgspec.json.Decoder()
    for number in itertools.count():
        body = {
            "pollId": f"{name}-{number}",
            "results": results,
            "queues": [{"namespace": "default", "name": QUEUE, "size": batch}],
            "size": batch,
            "waitMs": 1000,
        }
        async with session.post(f"{url}/api/clients/exchange", data=msgspec.json.encode(body)) as answer:
            work = decoder.decode(await answer.read())["work"]
        results = [
            {
                "processId": item["processId"],
                "stepId": item["stepId"],
                "stepExecutionId": item["stepExecutionId"],
                "status": "COMPLETED",
                "output": OUTPUT,
            }
            for item in work
        ]


async def main(url: str, connections: int = 2, batch: int = 100) -> None:
    headers = {"Authorization": BEARER, "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        print("polling", flush=True)
        await asyncio.gather(*(poll(session, url, batch, f"bare-{n}") for n in range(connections)))


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
