"""The hands of the sample: one function for every WORKER step of order_fulfilment.yaml.

Run them with `stepwell worker stepwell.demo.order_fulfilment`. They only pretend: some
waiting stands for the work.
"""

import asyncio
from typing import TypedDict

from stepwell.worker import StepFailed, Worker

worker = Worker()


class Line(TypedDict):
    sku: str
    quantity: int
    price: float


class CardService:
    """Stumbles over the first request of every order, as real ones do now and then."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    async def charge(self, order_id: str, amount: float) -> str:
        await asyncio.sleep(0.15)
        if order_id not in self._seen:
            self._seen.add(order_id)
            raise ConnectionError("card service timed out")
        return f"PAY-{order_id}-{round(amount * 100)}"


cards = CardService()


@worker.step("check_order")
async def check_order(order_id: str, lines: list[Line]) -> dict[str, object]:
    if not lines:
        raise StepFailed(f"order {order_id} is empty")
    await asyncio.sleep(0.1)
    return {"items": sum(line["quantity"] for line in lines), "total": _total(lines)}


@worker.step("charge_card")
async def charge_card(order_id: str, amount: float) -> dict[str, object]:
    return {"payment_id": await cards.charge(order_id, amount), "amount": amount}


@worker.step("write_receipt")
def write_receipt(payment_id: str, text: str) -> dict[str, str]:
    """A plain function: the worker runs it in a thread."""
    return {"number": payment_id.replace("PAY", "REC"), "text": text}


@worker.step("pick_line")
async def pick_line(place: int, line: Line) -> dict[str, object]:
    await asyncio.sleep(0.12 * line["quantity"])
    return {"sku": line["sku"], "picked": line["quantity"], "shelf": f"B{place + 1}"}


@worker.step("suggest_more")
async def suggest_more(lines: list[Line]) -> None:
    await asyncio.sleep(0.2)
    raise StepFailed("no model is trained yet", output={"considered": len(lines)})


@worker.step("ship_parcel")
async def ship_parcel(order_id: str, picked: list[dict[str, object]], receipt: str) -> dict[str, object]:
    await asyncio.sleep(0.2)
    return {"tracking": f"TRK-{order_id}", "parcels": len(picked), "receipt": receipt}


def _total(lines: list[Line]) -> float:
    return round(sum(line["quantity"] * line["price"] for line in lines), 2)


if __name__ == "__main__":
    worker.run()
