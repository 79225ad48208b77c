"""Looking again and again: what DEPENDSON and PROCESS_TRACKER have in common."""

from typing import Any

from stepwell.model.codec import encode

INTERVAL_S = 10
LONGEST_S = 100 * 366 * 86_400


def not_seconds(given: dict[str, Any], key: str) -> str:
    """What is wrong with a number of seconds that may be absent; empty when nothing is."""
    value = given.get(key)
    if value is None or (type(value) is int and 0 < value <= LONGEST_S):
        return ""
    return f"{key} must be a whole number of seconds from 1, not {encode(value).decode()}"


def interval_ms(given: dict[str, Any]) -> int:
    return int(given.get("intervalSeconds") or INTERVAL_S) * 1000
