"""Cards to pay with: the import file of the authoriser, read and made.

Owns the CSV's form as the network sees it, and numbers of the test range. Must not know how cards are used. A row that
is wrong is named by its line, never by its card number.
"""

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from iso4217 import Currency

from simulator.errors import SimulatorError

HEADER = ("pan", "expiry", "account", "currency", "credit_minor")
TEST_BIN = "400000"
"""Numbers made here start so: no scheme issues from it."""

PAN_DIGITS_MIN, PAN_DIGITS_MAX = 12, 19
"""ISO/IEC 7812: 10 digits at least, but DE2 of card networks starts at 12; DE2 holds 19."""

_MONTHS = frozenset(f"{month:02d}" for month in range(1, 13))


@dataclass(frozen=True, slots=True)
class Card:
    """One row. `line` is its line in the file (the header is line 1) and names the card where its number must not."""

    line: int
    pan: str = field(repr=False)
    expiry: str
    """YYMM, as DE14 carries it."""
    account: str
    currency: str
    """ISO 4217 alphabetic code."""
    currency_number: str
    """ISO 4217 numeric code, three digits, as DE49 carries it."""
    currency_exponent: int
    """Digits after the point: 2 for EUR, 0 for JPY."""
    credit_minor: int

    @property
    def last_four(self) -> str:
        return self.pan[-4:]


def read_cards(path: Path) -> list[Card]:
    """Every card of an import file. Raises SimulatorError that names the line and what would be right."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return _parse(lines, path.name)
    except OSError as problem:
        raise SimulatorError(f"cannot read the cards in {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise SimulatorError(f"{path} is not a text file in UTF-8") from None


def write_cards(cards: Iterable[Card], file: TextIO) -> None:
    """The import file of these cards, header first."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(HEADER)
    rows.writerows([card.pan, card.expiry, card.account, card.currency, card.credit_minor] for card in cards)


def make_cards(
    count: int,
    *,
    seed: int = 1,
    expiry: str = "3012",
    currencies: Sequence[str] = ("EUR",),
    credit_minor: int | None = None,
) -> list[Card]:
    """`count` cards of the test range, each with an account of its own; the same seed makes the same cards.

    `credit_minor` None draws what people have: from nearly nothing to a month's pay.
    """
    rng = random.Random(seed)
    known = {code: _currency(code) for code in currencies}
    cards = []
    for number in range(count):
        code, currency_number, exponent = known[currencies[number % len(currencies)]]
        body = f"{TEST_BIN}{rng.randrange(1000):03d}{number:06d}"
        credit = round(rng.lognormvariate(6.2, 1.0) * 10**exponent) if credit_minor is None else credit_minor
        cards.append(
            Card(
                line=number + 2,
                pan=body + luhn_digit(body),
                expiry=expiry,
                account=f"A{number + 1:06d}",
                currency=code,
                currency_number=currency_number,
                currency_exponent=exponent,
                credit_minor=credit,
            )
        )
    return cards


def luhn_digit(digits: str) -> str:
    """The check digit that completes `digits` (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _parse(lines: TextIO, name: str) -> list[Card]:
    rows = csv.reader(lines)
    header = next(rows, None)
    if header is None:
        raise SimulatorError(f"{name} is empty; its first line must be {','.join(HEADER)}")
    if tuple(column.strip() for column in header) != HEADER:
        # A file without a header starts with a card number, which must not be shown.
        raise SimulatorError(f"line 1 of {name} is not the header; it must be {','.join(HEADER)}")
    cards = [_card(row, rows.line_num, name) for row in rows if row]
    if not cards:
        raise SimulatorError(f"{name} has a header but no card")
    return cards


def _card(row: list[str], line: int, name: str) -> Card:
    where = f"line {line} of {name}"
    if len(row) != len(HEADER):
        raise SimulatorError(f"{where} has {len(row)} columns; {len(HEADER)} are right: {','.join(HEADER)}")
    pan, expiry, account, currency, credit = (value.strip() for value in row)
    if not (_digits(pan) and PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX):
        raise SimulatorError(f"{where}: pan must be {PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits")
    if not (_digits(expiry) and len(expiry) == 4 and expiry[2:] in _MONTHS):
        raise SimulatorError(f"{where}: expiry must be YYMM")
    if not account:
        raise SimulatorError(f"{where}: account is empty")
    if not _digits(credit):
        raise SimulatorError(f"{where}: credit_minor must be a whole number of minor units, 0 or more")
    try:
        code, number, exponent = _currency(currency)
    except ValueError:
        raise SimulatorError(f"{where}: currency must be an ISO 4217 code such as EUR or 978") from None
    return Card(
        line=line,
        pan=pan,
        expiry=expiry,
        account=account,
        currency=code,
        currency_number=number,
        currency_exponent=exponent,
        credit_minor=int(credit),
    )


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _currency(code: str) -> tuple[str, str, int]:
    """Alphabetic code, numeric code and exponent of either code. Raises ValueError for neither."""
    if _digits(code) and len(code) == 3:
        found = next((currency for currency in Currency if currency.number == int(code)), None)
        if found is None:
            raise ValueError(code)
    else:
        found = Currency(code)
    return str(found.code), f"{found.number:03d}", int(found.exponent or 0)
