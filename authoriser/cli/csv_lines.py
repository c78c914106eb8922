"""CSV files that people give to commands: cut into lines of values, with numbers, and what is wrong with a line.

Owns UTF-8 with or without a byte order mark, any line ends, lost quotes, and how a wrong value is shown: text from a
wrong column may be a card number, so long runs of digits never are. Knows no column of any file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import msgspec

from authoriser.telemetry.scrub import mask_digit_runs

FIELD_LENGTH_MAX = 200
"""The longest right value has 64 characters; a lost quote would swallow the rest of the file."""


class LineProblem(msgspec.Struct, frozen=True):
    """`line` counts from 1; `column` is None where the whole line is meant."""

    line: int
    column: str | None
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.column is None else f"line {self.line}, {self.column}"
        return f"{place}: {self.message}"


def text_of(content: bytes) -> str | LineProblem:
    """The file's text without its byte order mark, or where it is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return LineProblem(
            line, None, "is not UTF-8; save the file as UTF-8 (everything in it is plain ASCII)"
        )


def lines_of(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """(number of its first line, values or what is wrong with it); blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"is not CSV: {error}"
            return
        if any(len(value) > FIELD_LENGTH_MAX for value in values):
            yield line, f"has a value longer than {FIELD_LENGTH_MAX} characters; is a quote missing?"
        elif values:
            yield line, values


def shown(found: str) -> str:
    """A wrong value for people: quoted, short, and without the digits of what may be a card number."""
    if not found:
        return "nothing"
    text = mask_digit_runs(found)
    return repr(text if len(text) <= 30 else text[:27] + "...")
