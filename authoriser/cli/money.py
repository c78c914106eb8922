"""Amounts as people write them: 12.34 EUR, from and to whole minor units, never through a float.

Owns the lookup of ISO 4217 currencies for the command line.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec
from iso4217 import Currency as IsoCurrency

AMOUNT_LIMIT_MINOR = 10**12
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,4}))?\Z")


class Currency(msgspec.Struct, frozen=True):
    """`exponent` 2 means that 100 minor units make one."""

    code: str
    number: str
    exponent: int


@cache
def currencies() -> dict[str, Currency]:
    """By alphabetic and by numeric code; those without minor units (gold, test codes) are not money here."""
    found: dict[str, Currency] = {}
    for known in IsoCurrency:
        if known.exponent is not None and known.number is not None:
            currency = Currency(known.code, f"{known.number:03d}", known.exponent)
            found[currency.code] = found[currency.number] = currency
    return found


def format_amount(amount_minor: int, currency: str, exponent: int) -> str:
    """-1234, EUR, 2 -> "-12.34 EUR"."""
    sign = "-" if amount_minor < 0 else ""
    whole, minor = divmod(abs(amount_minor), 10**exponent)
    return f"{sign}{whole}.{minor:0{exponent}d} {currency}" if exponent else f"{sign}{whole} {currency}"


def parse_amount(text: str, currency: str, exponent: int) -> int:
    """Minor units of an amount written with all its decimals. Raises ValueError saying what would be right.

    2500 could be 2500.00 or 25.00, depending on who writes it, so for a currency with decimals it is refused.
    """
    match = _AMOUNT.match(text)
    decimals = (match.group(2) or "") if match else ""
    example = format_amount(1234 * 10**exponent, currency, exponent).partition(" ")[0]
    if not match or len(decimals) != exponent:
        digits = f"all its {exponent} decimals" if exponent else "no decimals"
        raise ValueError(f"an amount in {currency} is written with {digits}, as {example}")
    amount_minor = int(match.group(1) + decimals)
    if amount_minor >= AMOUNT_LIMIT_MINOR:
        most = format_amount(AMOUNT_LIMIT_MINOR - 1, currency, exponent)
        raise ValueError(f"the amount is more than {most}")
    return amount_minor
