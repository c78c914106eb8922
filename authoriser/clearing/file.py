"""The clearing file: CSV checked line by line, into rows that may be sent. Nothing is sent from here.

Owns the format (docs/clearing.md): a header that names the columns in any order, amounts as decimals of their
currency, dates as YYYY-MM-DD. Problems say line, column and what would be right. A card that nobody knows is none: the
network settles its row all the same. No card number is shown beyond its last four digits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from authoriser.admin.clearing_protocol import KINDS, ClearingRow
from authoriser.cli.csv_lines import LineProblem, lines_of, shown, text_of
from authoriser.cli.money import Currency, currencies, parse_amount
from authoriser.cli.options import PAN_LENGTH_MAX, PAN_LENGTH_MIN
from authoriser.telemetry.scrub import mask_pans
from isowire.pan import luhn_valid

REQUIRED = ("kind", "network", "amount", "currency", "settlement_date")
CARD = ("pan", "card_id")
OPTIONAL = (
    "network_id",
    "approval_code",
    "acquirer",
    "rrn",
    "reference",
    "merchant_id",
    "merchant",
    "city",
    "country",
    "mcc",
    "transaction_amount",
    "transaction_currency",
    "fee",
    "transaction_date",
    "sequence",
    "count",
    "final",
)
COLUMNS = (*REQUIRED, *CARD, *OPTIONAL)
FILE_LENGTH_MAX_BYTES = 256 << 20
"""More than a million rows; it is held in memory while it is checked as a whole."""

_PATTERNS = {
    "network": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z"), "a network's name in the configuration"),
    "card_id": (re.compile(r"card_[A-Za-z0-9_-]{1,60}\Z"), 'a card id, as "card_..."'),
    "network_id": (re.compile(r"[!-~]{0,40}\Z"), "at most 40 visible ASCII characters without blanks"),
    "approval_code": (re.compile(r"([A-Za-z0-9]{1,6})?\Z"), "at most 6 letters and digits (DE38)"),
    "acquirer": (re.compile(r"[0-9]{0,11}\Z"), "at most 11 digits (DE32)"),
    "rrn": (re.compile(r"[!-~]{0,12}\Z"), "at most 12 visible ASCII characters (DE37)"),
    "reference": (
        re.compile(r"[!-{}~]{0,40}\Z"),
        "at most 40 visible ASCII characters without blanks and '|'",
    ),
    "merchant_id": (re.compile(r"[^\x00-\x1f\x7f|]{0,15}\Z"), "at most 15 characters (DE42)"),
    "merchant": (re.compile(r"[^\x00-\x1f\x7f|]{0,64}\Z"), "at most 64 characters without '|'"),
    "city": (re.compile(r"[^\x00-\x1f\x7f|]{0,64}\Z"), "at most 64 characters without '|'"),
    "country": (re.compile(r"([A-Z]{2})?\Z"), "two capital letters (ISO 3166), as PT"),
    "mcc": (re.compile(r"([0-9]{4})?\Z"), "four digits"),
}
"""Of the columns whose values are kept as they stand; "" is right in all but the first."""
_TEXTS = ("network_id", "approval_code", "rrn", "reference", "merchant_id", "merchant", "city")
"""What is shown in events, in which no card's number may stand."""
_FREE_TEXTS = ("merchant", "city")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_PART = re.compile(r"[1-9][0-9]?\Z")
_NO_ALNUM = re.compile(r"[^0-9A-Za-z]")
_FINAL = {"yes": True, "no": False}


class ClearingFile(msgspec.Struct, frozen=True):
    """A file with nothing wrong in it, or the problems of the whole file and no rows."""

    sha256: str
    rows: tuple[ClearingRow, ...]
    problems: tuple[LineProblem, ...]


def read_clearing_file(path: Path) -> ClearingFile:
    """Read and check a file. Raises OSError where it can't be read."""
    with path.open("rb") as file:
        content = file.read(FILE_LENGTH_MAX_BYTES + 1)
    return parse_clearing(content)


def parse_clearing(content: bytes) -> ClearingFile:
    """Check the bytes of a file: every problem of every line, or every row."""
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) > FILE_LENGTH_MAX_BYTES:
        text = f"the file is longer than {FILE_LENGTH_MAX_BYTES >> 20} MiB; split it between two lines"
        return ClearingFile(sha256, (), (LineProblem(1, None, text),))
    text_or_problem = text_of(content)
    if isinstance(text_or_problem, LineProblem):
        return ClearingFile(sha256, (), (text_or_problem,))
    checker = _Checker()
    checker.check(text_or_problem)
    rows = () if checker.problems else tuple(checker.rows)
    return ClearingFile(sha256, rows, tuple(checker.problems))


class _Checker:
    """Goes through the lines once, with what has to be known of those before."""

    def __init__(self) -> None:
        self.rows: list[ClearingRow] = []
        self.problems: list[LineProblem] = []
        self._line = 1
        self._line_of_reference: dict[tuple[str, str, str, str], int] = {}

    def check(self, text: str) -> None:
        lines = lines_of(text)
        self._line, header = next(lines, (1, []))
        if isinstance(header, str):
            self._wrong(None, header)
            return
        names = [name.strip().lower() for name in header]
        if not self._check_header(names):
            return
        for line, values in lines:
            self._line = line
            if isinstance(values, str):
                self._wrong(None, values)
            elif len(values) != len(names):
                self._wrong(None, f"has {len(values)} columns and should have {len(names)}, as the header")
            else:
                self._check_row(dict(zip(names, (value.strip() for value in values), strict=True)))
        if not self.rows and not self.problems:
            self._wrong(None, "no rows follow the header")

    def _check_header(self, names: Sequence[str]) -> bool:
        if not names:
            self._wrong(
                None, f"the file is empty; it should begin with a header: {','.join(REQUIRED)},pan,..."
            )
            return False
        before = len(self.problems)
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            self._wrong(None, f"the header lacks {', '.join(missing)}")
        if not set(CARD) & set(names):
            self._wrong(None, "the header lacks pan (or card_id)")
        for name in dict.fromkeys(names):
            if name not in COLUMNS:
                self._wrong(None, f"the header has a column {shown(name)}; there are: {', '.join(COLUMNS)}")
            elif names.count(name) > 1:
                self._wrong(None, f"the header has {name} twice")
        return len(self.problems) == before

    def _check_row(self, said: Mapping[str, str]) -> None:
        before = len(self.problems)
        values: dict[str, Any] = {}
        if said["kind"] in KINDS:
            values["kind"] = said["kind"]
        else:
            self._wrong("kind", f"should be one of {', '.join(KINDS)}", said["kind"])
        for name, (pattern, right) in _PATTERNS.items():
            text = said.get(name, "")
            if text and not pattern.match(text):
                self._wrong(name, f"should be {right}", text)
            values[name] = text
        if not said["network"]:
            self._wrong("network", f"should be {_PATTERNS['network'][1]}", "")
        values["acquirer"] = values["acquirer"].lstrip("0")
        self._check_card(said.get("pan", ""), values)
        self._check_texts(said.get("pan", ""), values)
        self._check_amounts(said, values)
        values["settlement_date"] = self._date("settlement_date", said, required=True)
        values["transaction_date"] = self._date("transaction_date", said, required=False)
        self._check_parts(said, values)
        if len(self.problems) == before:
            self._check_once(values)
        if len(self.problems) == before:
            self.rows.append(ClearingRow(line=self._line, **values))

    def _check_card(self, pan: str, values: dict[str, Any]) -> None:
        card_id = values.pop("card_id")
        values["pan"] = pan or UNSET
        values["card_id"] = card_id or UNSET
        if bool(pan) == bool(card_id):
            self._wrong("pan", "a row should have exactly one of pan and card_id")
        elif card_id:
            return
        elif not (pan.isascii() and pan.isdigit()):
            self._wrong("pan", "should be digits only")
        elif not PAN_LENGTH_MIN <= len(pan) <= PAN_LENGTH_MAX:
            self._wrong("pan", f"has {len(pan)} digits and should have {PAN_LENGTH_MIN} to {PAN_LENGTH_MAX}")
        elif not luhn_valid(pan):
            self._wrong("pan", f"************{pan[-4:]} is mistyped: its check digit (Luhn) does not fit")

    def _check_texts(self, pan: str, values: dict[str, Any]) -> None:
        """Shops do type card numbers into their names: those are masked, as in messages."""
        for name in _FREE_TEXTS:
            values[name] = mask_pans(values[name])
        for name in _TEXTS:
            if len(pan) >= PAN_LENGTH_MIN and pan in _NO_ALNUM.sub("", values[name]):
                self._wrong(name, "holds the card's number, and is shown in events; take it out")

    def _check_amounts(self, said: Mapping[str, str], values: dict[str, Any]) -> None:
        currency = self._currency("currency", said["currency"])
        values["currency"] = currency.code if currency is not None else ""
        if currency is not None:
            values["amount_minor"] = self._amount("amount", said["amount"], currency)
            fee = said.get("fee", "")
            sign = -1 if fee.startswith("-") else 1
            values["fee_minor"] = (
                sign * self._amount("fee", fee.removeprefix("-"), currency, zero=True) if fee else 0
            )
            if values["amount_minor"] and values["amount_minor"] + values["fee_minor"] < 0:
                self._wrong(
                    "fee",
                    "takes off more than the amount; what a shop gives back is a refund of its own",
                    fee,
                )
        values["transaction_minor"], values["transaction_currency"] = 0, ""
        shop_amount, shop_currency = said.get("transaction_amount", ""), said.get("transaction_currency", "")
        if bool(shop_amount) != bool(shop_currency):
            name = "transaction_currency" if shop_amount else "transaction_amount"
            self._wrong(name, "transaction_amount and transaction_currency go together: both or neither", "")
        elif shop_amount:
            shop = self._currency("transaction_currency", shop_currency)
            if shop is not None:
                values["transaction_minor"] = self._amount("transaction_amount", shop_amount, shop)
                values["transaction_currency"] = shop.code

    def _currency(self, column: str, text: str) -> Currency | None:
        known = currencies().get(text)
        if known is None:
            self._wrong(column, "should be an ISO 4217 currency, as EUR or 978", text)
        return known

    def _amount(self, column: str, text: str, currency: Currency, *, zero: bool = False) -> int:
        try:
            amount_minor = parse_amount(text, currency.code, currency.exponent)
        except ValueError as error:
            self._wrong(column, str(error), text)
            return 0
        if not amount_minor and not zero:
            self._wrong(column, "should be more than nothing", text)
        return amount_minor

    def _date(self, column: str, said: Mapping[str, str], *, required: bool) -> str:
        """YYYYMMDD, or "" where there is none."""
        text = said.get(column, "")
        if not text and not required:
            return ""
        try:
            if not _DATE.match(text):
                raise ValueError
            date.fromisoformat(text)
        except ValueError:
            self._wrong(column, "should be a date, as 2026-11-25", text)
        return text.replace("-", "")

    def _check_parts(self, said: Mapping[str, str], values: dict[str, Any]) -> None:
        """`sequence` of `count`: the last part is final, and so is a row that is no part."""
        sequence, count, final = (said.get(name, "") for name in ("sequence", "count", "final"))
        values["sequence"] = sequence
        values["final"] = sequence == count
        if bool(sequence) != bool(count):
            name = "count" if sequence else "sequence"
            self._wrong(name, "sequence and count go together: both or neither", "")
        elif sequence:
            for name, text in (("sequence", sequence), ("count", count)):
                if not _PART.match(text):
                    self._wrong(name, "should be a whole number from 1 to 99", text)
            if _PART.match(sequence) and _PART.match(count) and int(sequence) > int(count):
                self._wrong("sequence", f"is more than the count of {count}", sequence)
        if final:
            if final not in _FINAL:
                self._wrong("final", "should be yes, no, or nothing", final)
            values["final"] = _FINAL.get(final, False)

    def _check_once(self, values: Mapping[str, Any]) -> None:
        """A row's reference, kind and sequence are its name: the second of two would be taken for a repeat."""
        if not values["reference"]:
            return
        name = (values["network"], values["reference"], values["kind"], values["sequence"])
        first = self._line_of_reference.setdefault(name, self._line)
        if first != self._line:
            text = f"is on line {first} already with the same kind and sequence; it would not be posted twice"
            self._wrong("reference", text, values["reference"])

    def _wrong(self, column: str | None, message: str, found: str | None = None) -> None:
        beside = "" if found is None else f", found {shown(found)}"
        self.problems.append(LineProblem(self._line, column, message + beside))
