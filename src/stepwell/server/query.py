"""Query strings, read with the patience that the published clients need."""

from urllib.parse import parse_qsl

from stepwell.model.errors import NotFound
from stepwell.server.problems import BadRequest

LARGEST_ID = 2**53 - 1
"""Ids stay below what a double can hold."""


def whole_number(text: str) -> int | None:
    """`12`, `12.0`, `1.2e+07` (lists of numbers arrive so from Go); None when it is no such number."""
    text = text.strip()
    try:
        if len(text) > 40:
            return None
        number = float(text)
        exact = int(text) if text.lstrip("+-").isdecimal() else int(number)
    except (ValueError, OverflowError):
        return None
    return exact if number == number and abs(exact) <= LARGEST_ID else None


def identifier(text: object, what: str) -> int:
    """An id out of a path, a query or a body. Raises NotFound: what is no id names nothing."""
    number = whole_number(text) if isinstance(text, str) else text
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= LARGEST_ID:
        raise NotFound(f"there is no {what} {str(text)[:60]!r}")
    return number


class Query:
    """The parameters of one request. `k`, `k[]`, repeats and commas are all lists."""

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        for key, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
            self._values.setdefault(key.removesuffix("[]"), []).append(value)

    def text(self, key: str) -> str | None:
        """The last value given; an empty one counts as not given."""
        return (self._values.get(key) or [""])[-1] or None

    def flag(self, key: str, default: bool = False) -> bool:
        """Either case of true and false, 1 and 0."""
        text = self.text(key)
        return default if text is None else text.strip().lower() in ("true", "1", "yes")

    def number(self, key: str, default: int | None = None) -> int | None:
        """Raises BadRequest when something is there and no whole number."""
        text = self.text(key)
        if text is None or text.lower() in ("none", "null"):
            return default
        number = whole_number(text)
        if number is None:
            raise BadRequest(f"the parameter {key} must be a whole number")
        return number

    def loose_number(self, key: str) -> int:
        """As `number`, but what is none counts as not given: 0."""
        return max(whole_number(self.text(key) or "") or 0, 0)

    def listed(self, key: str) -> tuple[str, ...]:
        parts = (part.strip() for value in self._values.get(key, ()) for part in value.split(","))
        return tuple(part for part in parts if part)

    def all(self, key: str) -> str:
        """Everything given under the key as one text."""
        return ",".join(self._values.get(key, ()))
