"""The sample that `stepwell demo` runs: a definition, its error policy and its worker functions.

The files live in the package so that an installed Stepwell has them; `examples/` links to them.
"""

from importlib.resources import files
from pathlib import Path

DEFINITION = "order_fulfilment.yaml"
POLICIES = "order_policies.yaml"
WORKERS = "stepwell.demo.order_fulfilment"
"""The module that `stepwell worker` loads."""

INPUT = {
    "orderId": "SO-1042",
    "customer": {"name": "Asha Rao", "email": "asha@example.org"},
    "lines": [
        {"sku": "LAMP-7", "quantity": 2, "price": 39.0},
        {"sku": "CABLE-2", "quantity": 5, "price": 4.5},
        {"sku": "DESK-1", "quantity": 1, "price": 310.0},
    ],
}


def text_of(name: str) -> str:
    """One of the sample's text files."""
    return (files(__name__) / name).read_text(encoding="utf-8")


def path_of(name: str) -> Path:
    """Where that file lies, for people who want to open it."""
    return Path(str(files(__name__) / name))
