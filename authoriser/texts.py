"""Times and currencies as people and programs outside read them."""

import time
from datetime import UTC, datetime
from functools import lru_cache

from iso4217 import Currency

CURRENCIES = {currency.code: currency for currency in Currency} | {
    f"{currency.number:03}": currency for currency in Currency if currency.number is not None
}
"""ISO 4217, by letters and by the three digits that are on the wire."""


def iso_time(at_ms: int) -> str:
    """ISO 8601, UTC, milliseconds."""
    second, ms = divmod(at_ms, 1000)
    return f"{_to_the_second(second)}.{ms:03}Z"


@lru_cache(maxsize=4_096)
def _to_the_second(second: int) -> str:
    """Every event says two times, and a busy second has thousands of events: a fifth of what one cost to make."""
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


def now_iso() -> str:
    return iso_time(time.time_ns() // 1_000_000)


def currency_letters(numeric: str) -> str:
    """ISO 4217's letters for its number; what is no currency stays as it came."""
    known = CURRENCIES.get(numeric)
    return known.code if known is not None else numeric
