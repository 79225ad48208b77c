"""Namespaces group definitions and bound access."""

from stepwell.model.codec import Record


class Namespace(Record, frozen=True, rename="camel"):
    name: str
    description: str = ""
    created: int = 0
    created_by: str = ""
