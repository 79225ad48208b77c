"""Our own client: everything a program asks of the server, except working on steps.

    from stepwell.client import Client

    with Client("http://127.0.0.1:8080", "shop", "secret") as client:
        process = client.run("order", {"order_id": 7})
        print(process["status"], process["output"])

`AsyncClient` has the same methods, to be awaited. Answers are the documented objects of the HTTP API as plain
dictionaries, typed for editors. This room imports `stepwell.model` only.
"""

from stepwell.client.client import AsyncClient, Client
from stepwell.client.shapes import ApiError, OperationAnswer, Process, Step, StepExecution

__all__ = ["ApiError", "AsyncClient", "Client", "OperationAnswer", "Process", "Step", "StepExecution"]
