"""`isowire diff`: two messages, field by field and part by part."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from isowire.cli import show, words
from isowire.cli.decode import REVEAL_WARNING, explain, field_document
from isowire.cli.errors import FINE, NOT_RIGHT, CommandError, bad_input, mask_digits, warn
from isowire.cli.explaining import Explained, Explainer, Part
from isowire.cli.finding import find, read_input
from isowire.cli.masking import masker_for
from isowire.cli.pages import is_page, parse_page
from isowire.codec import Codec
from isowire.dialect import Dialect, load_dialect
from isowire.errors import DialectError, EncodeError

_DIALECT_OF_PAGES = "iso87-ascii"


@dataclass(frozen=True, slots=True)
class _Side:
    dialect: Dialect
    mti: str
    fields: dict[str, Explained]


def diff(
    left: str, right: str, dialect: str, framing: str, *, show_all: bool, reveal: bool, as_json: bool
) -> int:
    """Print where two messages differ; the exit code."""
    if left == right == "-":
        bad_input("found - twice, expected one message on standard input and one in a file")
    names = (left, right)
    inputs = [read_input(name) for name in names]
    if reveal:
        warn(REVEAL_WARNING)
    now_ms = time.time_ns() // 1_000_000
    try:
        sides: dict[str, _Side] = {}
        # Bytes first: a page that has none says nothing of its dialect, and is taken to be in the other's.
        for name, data in sorted(zip(names, inputs, strict=True), key=lambda each: is_page(*each)):
            usual = next((side.dialect for side in sides.values()), None)
            sides[name] = _side(name, data, dialect, framing, usual, now_ms, reveal=reveal)
    except (DialectError, EncodeError) as error:
        bad_input(str(error))
    first, second = sides[left], sides[right]
    numbers = sorted(first.fields.keys() | second.fields.keys(), key=int)
    differing = [number for number in numbers if _raw(first, number) != _raw(second, number)]
    same = first.mti == second.mti and not differing
    if as_json:
        show.print_json(_document(first, second, numbers if show_all else differing, differing, same=same))
    else:
        _print(first, second, numbers if show_all else differing, differing)
        if same:
            show.print_line(f"the same: {first.mti}, {len(numbers)} fields")
    return FINE if same else NOT_RIGHT


def _side(
    name: str, data: bytes, dialect: str, framing: str, usual: Dialect | None, now_ms: int, *, reveal: bool
) -> _Side:
    if is_page(name, data):
        message = parse_page(name, data)
        chosen = load_dialect(dialect) if dialect else usual or load_dialect(_DIALECT_OF_PAGES)
        Codec(chosen).encode(message)  # for its refusals
        masker = masker_for(chosen, message.mti, message.fields, reveal=reveal)
        explained = Explainer(chosen, message.mti, message.fields, masker, now_ms).fields()
        return _Side(chosen, message.mti, {field.number: field for field in explained})
    found = find(data, dialect, framing)
    shown = "standard input" if name == "-" else mask_digits(name)
    if len(found.decoded) != 1 or found.lost:
        bad_input(f"{shown}: found {len(found.decoded)} messages, expected one")
    (only,) = found.decoded
    if only.error is not None:
        raise CommandError(f"{shown}: does not decode: {only.error}", exit_code=NOT_RIGHT)
    mti, fields, _ = explain(found.dialect, only, now_ms, reveal=reveal)
    return _Side(found.dialect, mti, {field.number: field for field in fields})


def _raw(side: _Side, number: str) -> str | None:
    field = side.fields.get(number)
    return None if field is None else field.raw


# ---- looks


def _print(first: _Side, second: _Side, numbers: Sequence[str], differing: Sequence[str]) -> None:
    rows: list[tuple[str | Text, ...]] = []
    if first.mti != second.mti:
        in_words = [f"{side.mti} {words.mti_in_words(side.mti)}" for side in (first, second)]
        rows.append(("", "MTI", *in_words))
    for number in numbers:
        rows += _rows(number, first.fields.get(number), second.fields.get(number), number in differing)
    if rows:
        show.print_table((">DE", "name", "A", "B"), rows)
    if first.dialect.name != second.dialect.name:
        show.print_line(f"A is in {first.dialect.name}, B in {second.dialect.name}", "dim")


def _rows(
    number: str,
    first: Explained | None,
    second: Explained | None,
    differs: bool,  # noqa: FBT001
) -> list[tuple[str | Text, ...]]:
    known = first or second
    assert known is not None
    style = "bold" if differs else "dim"
    head = show.cell(number, style), show.cell(known.name), *_cells(first, second, differs=differs)
    if not differs:
        return [head]
    return [head, *_part_rows(first.parts if first else (), second.parts if second else ())]


def _part_rows(first: Sequence[Part], second: Sequence[Part]) -> list[tuple[str | Text, ...]]:
    """Parts that differ: those with the same key are compared in the order in which they come."""
    rows: list[tuple[str | Text, ...]] = []
    keyed = [_keyed(parts) for parts in (first, second)]
    for key in dict.fromkeys([*keyed[0], *keyed[1]]):
        left, right = keyed[0].get(key), keyed[1].get(key)
        if left is None or right is None or left.raw != right.raw:
            known = left or right
            assert known is not None
            rows.append(("", show.part_name(known), *_cells(left, right, differs=True)))
    return rows


def _keyed(parts: Sequence[Part]) -> dict[tuple[str, int], Part]:
    keyed: dict[tuple[str, int], Part] = {}
    for part in parts:
        place = 0
        while (part.key, place) in keyed:
            place += 1
        keyed[part.key, place] = part
    return keyed


def _cells(first: Explained | Part | None, second: Explained | Part | None, *, differs: bool) -> list[Text]:
    cells = []
    for item in (first, second):
        if item is None:
            cells.append(show.cell("-", "dim"))
            continue
        text = show.value_cell(item)
        if item.meaning:
            text = text + show.cell(f"  {item.meaning}", "dim")
        cells.append(text)
    if differs and first is not None and second is not None and first.masked:
        cells[1] = cells[1] + show.cell("  differs", "yellow")
    return cells


def _document(
    first: _Side, second: _Side, numbers: Sequence[str], differing: Sequence[str], *, same: bool
) -> dict[str, Any]:
    def side(of: _Side, number: str) -> dict[str, Any] | None:
        field = of.fields.get(number)
        return None if field is None else field_document(field)

    return {
        "same": same,
        "mti": [first.mti, second.mti],
        "dialect": [first.dialect.name, second.dialect.name],
        "fields": [
            {
                "field": number,
                "differs": number in differing,
                "a": side(first, number),
                "b": side(second, number),
            }
            for number in numbers
        ],
    }
