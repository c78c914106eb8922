"""`isowire decode`: a message in words, or where it goes wrong. Owns the order in which it is told."""

from __future__ import annotations

import time
from typing import Any

from isowire.cli import show, words
from isowire.cli.errors import FINE, NOT_RIGHT, bad_input, warn
from isowire.cli.explaining import Explained, Explainer, Part
from isowire.cli.finding import NO_FRAMING, Decoded, Found, find, read_input
from isowire.cli.masking import FIRST_FIELD, Masker, masker_for, masker_for_refused
from isowire.cli.spans import fits, spans
from isowire.codec import Message
from isowire.dialect import Dialect
from isowire.errors import DecodeError, DialectError
from isowire.mti import clear_repeat

REVEAL_WARNING = (
    "--reveal: card numbers and other sensitive values are shown; PIN, verification codes and tracks are not"
)


def decode(file: str, dialect: str, framing: str, *, reveal: bool, as_json: bool) -> int:
    """Print the messages of a file; the exit code."""
    found = found_in(file, dialect, framing)
    if reveal:
        warn(REVEAL_WARNING)
    now_ms = time.time_ns() // 1_000_000
    if as_json:
        show.print_json(_document(found, now_ms, reveal=reveal))
    else:
        show.print_line(_how(found, dialect=dialect, framing=framing), "dim")
        for place, each in enumerate(found.decoded, 1):
            _print(found, each, place, now_ms, reveal=reveal)
        for lost in found.lost:
            show.print_line(str(lost), "bold red")
    return FINE if found.clean else NOT_RIGHT


def found_in(file: str, dialect: str, framing: str) -> Found:
    """How a file reads. Exit code 2 where it can't be read, or there is no such dialect or framing."""
    try:
        return find(read_input(file), dialect, framing)
    except DialectError as error:
        bad_input(str(error))


def _how(found: Found, *, dialect: str, framing: str) -> str:
    framed = f"framing {found.framing}" if found.framing != NO_FRAMING else "no framing"
    parts = [
        f"read as {found.how}",
        f"dialect {found.dialect.name}" + ("" if dialect else " (found)"),
        framed + ("" if framing else " (found)"),
    ]
    if found.keepalives:
        parts.append(f"{found.keepalives} keep-alive{'s' * (found.keepalives > 1)}")
    return ", ".join(parts)


def _print(found: Found, each: Decoded, place: int, now_ms: int, *, reveal: bool) -> None:
    mti, fields, masker = explain(found.dialect, each, now_ms, reveal=reveal)
    show.print_line()
    show.print_line(_title(found, each, mti, place), "bold")
    if fields:
        show.print_fields(fields)
    missing = _missing(found.dialect, each)
    if missing:
        show.print_line(f"missing for {found.dialect.name}: {', '.join(missing)}", "yellow")
    if each.error is not None:
        _print_error(found.dialect, each, each.error, masker)


def _title(found: Found, each: Decoded, mti: str, place: int) -> str:
    many = len(found.decoded) > 1
    count = f"{place} of {len(found.decoded)}: " if many else ""
    label = f"  {each.frame.label}" if each.frame.label else ""
    size = f"{len(each.frame.payload)} bytes"
    return f"{count}{mti or 'no MTI'}  {words.mti_in_words(mti)}  ({size}){label}"


def _print_error(dialect: Dialect, each: Decoded, error: DecodeError, masker: Masker) -> None:
    show.print_line(f"does not decode: {error}", "bold red")
    if each.frame.missing_bytes:
        cut = f"the input ends {each.frame.missing_bytes} bytes before the frame does"
        show.print_line(cut, "red")
    if masker.doubted_from == FIRST_FIELD:
        why = "the card number is not right, so fields may be shifted, and hold pieces of it: all are masked"
        show.print_line(why, "red")
    elif any(map(masker.doubts, error.fields)):
        why = "the fields don't end where the message does, so those behind may be shifted: they are masked"
        show.print_line(why, "red")
    payload = each.frame.payload
    show.print_bytes_around(payload, spans(dialect, payload), masker, dialect.for_mti(error.mti), error)


def explain(
    dialect: Dialect, each: Decoded, now_ms: int, *, reveal: bool
) -> tuple[str, list[Explained], Masker]:
    """The MTI, the fields in words as far as they decode, and what may be shown of them."""
    known: Message | DecodeError
    if each.error is not None:
        known = each.error
        masker = masker_for_refused(dialect, known, reveal=reveal, fits=fits(dialect, each.frame.payload))
    else:
        assert each.message is not None
        known = each.message
        masker = masker_for(dialect, known.mti, known.fields, reveal=reveal)
    return known.mti, Explainer(dialect, known.mti, known.fields, masker, now_ms).fields(), masker


def _missing(dialect: Dialect, each: Decoded) -> list[str]:
    """Fields that a whole message should have, in words."""
    if each.message is None:
        return []
    absent = dialect.missing(clear_repeat(each.message.mti), each.message.fields)
    return [f"DE{number} {dialect.spec[number]['desc']}" for number in absent]


# ---- JSON


def _document(found: Found, now_ms: int, *, reveal: bool) -> dict[str, Any]:
    return {
        "read_as": found.how,
        "dialect": found.dialect.name,
        "framing": found.framing,
        "keepalives": found.keepalives,
        "messages": [_message(found, each, now_ms, reveal=reveal) for each in found.decoded],
        "framing_errors": [str(lost) for lost in found.lost],
    }


def _message(found: Found, each: Decoded, now_ms: int, *, reveal: bool) -> dict[str, Any]:
    mti, fields, _ = explain(found.dialect, each, now_ms, reveal=reveal)
    return {
        "mti": mti,
        "meaning": words.mti_in_words(mti),
        "bytes": len(each.frame.payload),
        "missing_bytes": each.frame.missing_bytes,
        "stream": each.frame.label,
        "fields": [field_document(field) for field in fields],
        "missing": [name.split()[0].removeprefix("DE") for name in _missing(found.dialect, each)],
        "error": _error(each.error),
    }


def _error(error: DecodeError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "field": error.field,
        "offset": error.offset,
        "found": error.found,
        "expected": error.expected,
        "text": str(error),
    }


def field_document(field: Explained) -> dict[str, Any]:
    return {
        "field": field.number,
        "name": field.name,
        "value": field.value,
        "masked": field.masked,
        "meaning": field.meaning,
        "parts": [part_document(part) for part in field.parts],
    }


def part_document(part: Part) -> dict[str, Any]:
    return {
        "key": part.key,
        "name": part.name,
        "value": part.value,
        "masked": part.masked,
        "meaning": part.meaning,
    }
