"""What commands print: tables that fit 80 columns, a view into bytes, or one JSON document.

Owns looks. Text is shown as text: no markup, no control characters. Must not decide what is masked.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from isowire.cli.explaining import Explained, Part
from isowire.cli.masking import Masker
from isowire.cli.spans import Span
from isowire.dialect import Dialect
from isowire.errors import DecodeError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ROW_BYTES: Final = 16
_ROWS_AROUND: Final = 2
_NUMBER_CHARACTERS: Final = 3
_VALUE_CHARACTERS: Final = 25
"""The name in DE43, which is the longest value that most messages show."""
_NAME_CHARACTERS: Final = 22
_MEANING_CHARACTERS: Final = 23
"""A date with its time, in UTC."""
_DIGITS: Final = frozenset(b"0123456789")
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_PACKED: Final = frozenset(range(10)) | {0xD, 0xF}


def console() -> Console:
    # Made when it is needed: rich takes the stream and its width at construction.
    return Console(highlight=False, soft_wrap=False)


def print_json(document: Any) -> None:
    """One document, indented, with no colours: for programs and for people with jq."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    sys.stdout.write(text + "\n")


def cell(text: str, style: str = "") -> Text:
    return Text(_CONTROL.sub("?", text), style=style)


def print_line(text: str = "", style: str = "") -> None:
    out = console()
    # Into a pipe, lines are as long as they are: whoever reads them there wraps them, or greps.
    out.print(cell(text, style), soft_wrap=not out.is_terminal)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and what they are, one below the other."""
    grid = Table.grid(padding=(0, 2))
    for name, value in pairs:
        grid.add_row(cell(name, "bold"), cell(value))
    console().print(grid)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A head that starts with ">" is over numbers, flush right."""
    table = _table()
    for head in heads:
        table.add_column(
            head.removeprefix(">"), justify="right" if head.startswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(each if isinstance(each, Text) else cell(each) for each in row))
    console().print(table)


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)


def print_fields(fields: Sequence[Explained]) -> None:
    """The table of a message."""
    out = console()
    table = _table()
    table.add_column("DE", justify="right", width=_NUMBER_CHARACTERS)
    # Names are cut where it is narrow: they are what most readers know by heart. Values and meanings never are.
    wide = out.width - 80
    table.add_column("name", no_wrap=True, overflow="ellipsis", max_width=_NAME_CHARACTERS + max(wide, 0))
    table.add_column("value", overflow="fold", min_width=_VALUE_CHARACTERS)
    table.add_column("meaning", overflow="fold", min_width=_MEANING_CHARACTERS)
    for field in fields:
        value = value_cell(field)
        table.add_row(cell(field.number, "bold"), cell(field.name), value, cell(field.meaning))
        for part in field.parts:
            table.add_row("", part_name(part), value_cell(part), cell(part.meaning))
    out.print(table)


def value_cell(item: Explained | Part) -> Text:
    if isinstance(item, Explained) and item.parts and not item.masked and len(item.value) > _VALUE_CHARACTERS:
        return cell(f"({len(item.value)} characters)", "dim")  # the parts say it all
    if not item.raw and not item.value:
        return cell("(empty)", "dim")
    return cell(item.value, "dim" if item.masked else "")


def part_name(part: Part) -> Text:
    """Indented under its field; with the tag where it has one beside its name."""
    key = f"{part.key} " if part.key.isupper() or part.key[:1].isdigit() else ""
    named = "" if part.key == part.name else part.name
    indent = "  " * (part.depth + 1)
    if len(part.key) > 6 or not key:
        return cell(f"{indent}{named or part.key}")
    return cell(f"{indent}{key}{named}")


# ---- bytes


def print_bytes_around(
    payload: bytes, found: Sequence[Span], masker: Masker, dialect: Dialect, error: DecodeError
) -> None:
    """The bytes around an error, a caret under the first, sensitive ones masked.

    Where fields stand is known up to the error only: behind it, digits and letters are shown as such and no more.
    """
    offset = error.offset
    if offset is None:
        return
    shown = _visible(payload, found, masker, dialect, error)
    row = min(offset, max(len(payload) - 1, 0)) // _ROW_BYTES
    last = (len(payload) - 1) // _ROW_BYTES
    out = console()
    for at in range(max(row - _ROWS_AROUND, 0), min(row + _ROWS_AROUND, last) + 1):
        start = at * _ROW_BYTES
        cells = shown[start : start + _ROW_BYTES]
        bytes_shown = " ".join(pair for pair, _ in cells).ljust(3 * _ROW_BYTES - 1)
        out.print(cell(f"  {start:04x}  {bytes_shown}  {''.join(character for _, character in cells)}"))
        if at == row:
            # The column of characters begins after offset, bytes and the gaps; the caret stands in both.
            column = offset - start
            caret = f"{' ' * (8 + 3 * column)}^^"
            caret = caret.ljust(8 + 3 * _ROW_BYTES + 1 + column) + "^"
            out.print(cell(caret, "bold red"))


def _visible(
    payload: bytes, found: Sequence[Span], masker: Masker, dialect: Dialect, error: DecodeError
) -> list[tuple[str, str]]:
    """For each byte, how it is shown in hexadecimal and as a character."""
    text = dialect.spec["t"]["data_enc"] if dialect.spec["t"]["data_enc"] != "b" else "ascii"
    shown = [_kind_of(byte) for byte in payload]
    end = len(payload) if error.offset is None else error.offset
    for span in found:
        sensitive = span.what == "value" and masker.hides(span.field) and masker.sensitive(span.field)
        good = span.end <= end or span.field in error.fields
        doubted = span.field != "" and masker.doubts(span.field)
        for at in range(span.start, span.end):
            if sensitive:
                shown[at] = ("**", "*")
            elif good and not doubted:
                character = payload[at : at + 1].decode(text, "replace")
                shown[at] = (f"{payload[at]:02x}", character if _printable(character) else ".")
    for pan in () if masker.reveal else masker.pans:
        written = pan.encode(text)
        for at in range(len(payload)):
            if payload.startswith(written, at):
                shown[at : at + len(written)] = [("**", "*")] * len(written)
    return shown


def _kind_of(byte: int) -> tuple[str, str]:
    """A byte of no known field: whether it is a digit or a letter, in ASCII, EBCDIC or BCD, but not which."""
    if byte in _DIGITS:
        return "3*", "9"
    if byte in _LETTERS:
        return f"{byte >> 4:x}*", "a"
    if byte >= 0xF0 and byte <= 0xF9:
        return "f*", "9"
    if byte and byte >> 4 in _PACKED and byte & 0x0F in _PACKED:
        return "**", "."
    return f"{byte:02x}", chr(byte) if _printable(chr(byte)) else "."


def _printable(character: str) -> bool:
    return character.isascii() and character.isprintable()
