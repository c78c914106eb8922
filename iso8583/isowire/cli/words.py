"""Codes in words that are the same in every dialect: message types, currencies, amounts, dates. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from isowire.errors import DecodeError
from isowire.moments import parse_expiry, parse_local_1993, resolve_local, resolve_transmission

_CLASSES: Final = {
    "1": "authorisation",
    "2": "financial",
    "3": "file action",
    "4": "reversal",
    "5": "reconciliation",
    "6": "administrative",
    "7": "fee collection",
    "8": "network management",
}
_FUNCTIONS: Final = {
    "0": "request",
    "1": "request response",
    "2": "advice",
    "3": "advice response",
    "4": "notification",
}
_ORIGINS: Final = {
    "0": "acquirer",
    "1": "acquirer, repeat",
    "2": "issuer",
    "3": "issuer, repeat",
    "4": "other",
    "5": "other, repeat",
}
ADDITIONAL_AMOUNTS: Final = {
    "01": "ledger balance",
    "02": "available balance",
    "03": "amount owing",
    "04": "amount due",
    "20": "amount remaining this cycle",
    "40": "cash",
    "41": "goods and services",
    "42": "surcharge",
}
"""Second code of DE54."""


class Currency(NamedTuple):
    code: str
    name: str
    exponent: int
    """Decimals: 2 means that 100 minor units make one."""


def mti_in_words(mti: str) -> str:
    """0100 -> authorisation request; "" for what is no MTI."""
    if len(mti) != 4 or not (mti.isascii() and mti.isdigit()):
        return ""
    kind, function = _CLASSES.get(mti[1], ""), _FUNCTIONS.get(mti[2], "")
    if mti[1] == "4" and mti[0] == "1" and mti[3] in "23":
        kind = "chargeback"
    origin = _ORIGINS.get(mti[3], "")
    if not (kind and function and origin):
        return "of no kind that the standard knows"
    tail = {"acquirer": "", "acquirer, repeat": ", repeat"}.get(origin, f", from {origin}")
    return f"{kind} {function}{tail}"


@cache
def currency(code: str) -> Currency | None:
    """By three letters or three digits, as ISO 4217 lists them."""
    from iso4217 import Currency as IsoCurrency

    for known in IsoCurrency:
        if known.code == code or (known.number is not None and f"{known.number:03d}" == code):
            return Currency(known.code, known.currency_name, known.exponent or 0)
    return None


def amount_in_words(minor: int, code: str | None) -> str:
    """1999, "978" -> "19.99 EUR". Without a known currency, minor units."""
    known = currency(code) if code else None
    if known is None:
        return f"{minor} minor units" if code is None else f"{minor} minor units of currency {code}"
    sign = "-" if minor < 0 else ""
    whole, rest = divmod(abs(minor), 10**known.exponent)
    decimals = f".{rest:0{known.exponent}d}" if known.exponent else ""
    return f"{sign}{whole}{decimals} {known.code}"


def rate_in_words(value: str) -> str:
    """Conversion rates (DE9, DE10): the first digit says how many of the others are decimals."""
    decimals, digits = int(value[0]), value[1:]
    if decimals > len(digits):
        return ""
    whole = digits[: len(digits) - decimals].lstrip("0") or "0"
    return f"{whole}.{digits[len(digits) - decimals :]}" if decimals else whole


def transmission_in_words(value: str, now_ms: int) -> str:
    """DE7."""
    moment = datetime.fromtimestamp(resolve_transmission(value, now_ms) / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def date_in_words(form: str, value: str, now_ms: int) -> str:
    """A date or time of one of the forms below. Raises DecodeError where it is none."""
    if form == "hhmmss":
        resolve_local("0101", value, now_ms)
        return f"{value[:2]}:{value[2:4]}:{value[4:]} local"
    if form == "MMDD":
        return f"{resolve_local(value, '120000', now_ms):%Y-%m-%d}"
    if form == "YYMMDD":
        return f"{parse_local_1993(value + '000000', now_ms):%Y-%m-%d}"
    if form == "YYMM":
        return f"{parse_expiry(value, now_ms):%Y-%m}"
    if form == "YYMMDDhhmmss":
        return f"{parse_local_1993(value, now_ms):%Y-%m-%d %H:%M:%S} local"
    return transmission_in_words(value, now_ms)


DATE_FORMS: Final[dict[int, dict[str, str]]] = {
    1987: {
        "7": "MMDDhhmmss", "12": "hhmmss", "13": "MMDD", "14": "YYMM", "15": "MMDD", "16": "MMDD", "17": "MMDD",
        "73": "YYMMDD",
    },
    1993: {
        "7": "MMDDhhmmss", "12": "YYMMDDhhmmss", "13": "YYMM", "14": "YYMM", "15": "YYMMDD", "16": "MMDD",
        "17": "MMDD", "28": "YYMMDD", "73": "YYMMDD",
    },
}  # fmt: skip
"""Edition of the standard -> field -> what its digits are."""


def not_a_date(error: DecodeError) -> str:
    return f"found {error.found}, expected {error.expected}"
