"""The import file: CSV checked line by line, into rows that may be sent. Nothing is sent from here.

Owns the format: header `pan,expiry,account,currency,credit_minor`, UTF-8 with or without a byte order mark, any line
ends. Problems say line, column and what would be right, and show no card number: text from a wrong column may be one.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from authoriser.admin.protocol import AMOUNT_LIMIT_MINOR, ImportRow
from authoriser.cli.csv_lines import LineProblem, lines_of, shown, text_of
from authoriser.cli.money import currencies
from authoriser.cli.options import PAN_LENGTH_MAX, PAN_LENGTH_MIN
from authoriser.telemetry.scrub import holds_pan
from isowire.pan import luhn_valid

COLUMNS = ("pan", "expiry", "account", "currency", "credit_minor")
FILE_LENGTH_MAX_BYTES = 256 << 20
"""Some four million cards; it is held in memory while it is checked as a whole."""

_EXPIRY = re.compile(r"[0-9]{2}(0[1-9]|1[0-2])\Z")
_ACCOUNT = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_CREDIT = re.compile(r"[0-9]{1,12}\Z")


class ImportFile(msgspec.Struct, frozen=True):
    """A file with nothing wrong in it, or the problems of the whole file and no rows."""

    sha256: str
    rows: tuple[ImportRow, ...]
    problems: tuple[LineProblem, ...]


def read_import_file(path: Path) -> ImportFile:
    """Read and check a file. Raises OSError where it can't be read."""
    with path.open("rb") as file:
        content = file.read(FILE_LENGTH_MAX_BYTES + 1)
    return parse_import(content)


def parse_import(content: bytes) -> ImportFile:
    """Check the bytes of a file: every problem of every line, or every row."""
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) > FILE_LENGTH_MAX_BYTES:
        text = f"the file is longer than {FILE_LENGTH_MAX_BYTES >> 20} MiB; split it (running a part twice is harmless)"
        return ImportFile(sha256, (), (LineProblem(1, None, text),))
    decoded = text_of(content)
    if isinstance(decoded, LineProblem):
        return ImportFile(sha256, (), (decoded,))
    checker = _Checker()
    checker.check(decoded)
    rows = () if checker.problems else tuple(checker.rows)
    return ImportFile(sha256, rows, tuple(checker.problems))


class _Checker:
    """Goes through the lines once, with what has to be known of those before."""

    def __init__(self) -> None:
        self.rows: list[ImportRow] = []
        self.problems: list[LineProblem] = []
        self._line_of_pan: dict[str, int] = {}
        self._first_of_account: dict[str, tuple[int, str]] = {}

    def check(self, text: str) -> None:
        lines = lines_of(text)
        header_line, header = next(lines, (1, []))
        if isinstance(header, str) or tuple(header) != COLUMNS:
            self._wrong(header_line, None, f"the header should be exactly: {','.join(COLUMNS)}")
            return
        for line, values in lines:
            if isinstance(values, str):
                self._wrong(line, None, values)
            elif len(values) != len(COLUMNS):
                self._wrong(line, None, f"has {len(values)} columns and should have {len(COLUMNS)}")
            else:
                self._check_row(line, *values)
        if not self.rows and not self.problems:
            self._wrong(header_line, None, "no cards follow the header")

    def _check_row(self, line: int, pan: str, expiry: str, account: str, currency: str, credit: str) -> None:
        before = len(self.problems)
        self._check_pan(line, pan)
        if not _EXPIRY.match(expiry):
            self._wrong(line, "expiry", "should be YYMM with a month of 01 to 12", expiry)
        if not _ACCOUNT.match(account):
            self._wrong(line, "account", "should be 1 to 64 letters, digits, '_', '.' or '-'", account)
        elif (pan and pan in account) or holds_pan(account):
            self._wrong(line, "account", "holds a card number, and account ids are shown in logs and events")
        known = currencies().get(currency)
        if known is None:
            self._wrong(line, "currency", "should be an ISO 4217 currency, as EUR or 978", currency)
        else:
            self._check_one_currency(line, account, known.code)
        if not _CREDIT.match(credit):
            most = AMOUNT_LIMIT_MINOR - 1
            self._wrong(line, "credit_minor", f"should be a whole number of minor units, 0 to {most}", credit)
        if known is not None and len(self.problems) == before:
            self.rows.append(ImportRow(line, pan, expiry, account, known.code, int(credit)))

    def _check_pan(self, line: int, pan: str) -> None:
        if not (pan.isascii() and pan.isdigit()):
            self._wrong(line, "pan", "should be digits only")
        elif not PAN_LENGTH_MIN <= len(pan) <= PAN_LENGTH_MAX:
            self._wrong(
                line, "pan", f"has {len(pan)} digits and should have {PAN_LENGTH_MIN} to {PAN_LENGTH_MAX}"
            )
        elif not luhn_valid(pan):
            self._wrong(
                line, "pan", f"************{pan[-4:]} is mistyped: its check digit (Luhn) does not fit"
            )
        else:
            first = self._line_of_pan.setdefault(pan, line)
            if first != line:
                self._wrong(line, "pan", f"************{pan[-4:]} is on line {first} already")

    def _check_one_currency(self, line: int, account: str, code: str) -> None:
        first_line, first_code = self._first_of_account.setdefault(account, (line, code))
        if first_code != code:
            text = f"is {code}, and the account is in {first_code} on line {first_line}; an account has one currency"
            self._wrong(line, "currency", text)

    def _wrong(self, line: int, column: str | None, message: str, found: str | None = None) -> None:
        beside = "" if found is None else f", found {shown(found)}"
        self.problems.append(LineProblem(line, column, message + beside))
