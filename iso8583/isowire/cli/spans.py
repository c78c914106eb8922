"""Where each field of a payload stands, as far as it can be followed. A plain walk over the dialect's spec.

For showing bytes beside their fields. It decides nothing: whether a message is good, `codec` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from isowire.dialect import Dialect

What = Literal["mti", "bitmap", "length", "value"]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` (exclusive) of the payload. `field` is "" for MTI and bitmaps."""

    what: What
    field: str
    start: int
    end: int


def spans(dialect: Dialect, payload: bytes) -> list[Span]:
    """MTI, bitmaps, then length and value of each field, up to the first that is not all there."""
    found: list[Span] = []
    for span in _walk(dialect, payload):
        if span.end > len(payload):
            break
        found.append(span)
    return found


def fits(dialect: Dialect, payload: bytes) -> bool:
    """Whether the fields that the bitmaps announce end where the payload does."""
    found = spans(dialect, payload)
    return bool(found) and found[-1].end == len(payload)


def mti_and_bitmaps(dialect: Dialect, payload: bytes) -> tuple[str, str] | None:
    """The MTI and the bitmaps in hexadecimal, None where they are not all there."""
    heads = [span for span in spans(dialect, payload) if span.what in ("mti", "bitmap")]
    if len(heads) < 2:
        return None
    encodings = [dialect.spec[key]["data_enc"] for key in ("t", "p", "1")]
    texts = [
        _text(payload[span.start : span.end], encoding)
        for span, encoding in zip(heads, encodings, strict=False)
    ]
    return texts[0], "".join(texts[1:])


def _walk(dialect: Dialect, payload: bytes) -> Iterator[Span]:
    at = 0
    texts: list[str] = []
    for what, key in (("mti", "t"), ("bitmap", "p"), ("bitmap", "1")):
        spec = dialect.spec[key]
        end = at + spec["max_len"]
        yield Span(what, "", at, end)  # type: ignore[arg-type]  # the tuple's first entries are of `What`
        texts.append(_text(payload[at:end], spec["data_enc"]))
        at = end
        if key == "p" and not texts[1][:1] > "7":
            break
    bits = _bits("".join(texts[1:]))
    dialect = dialect.for_mti(texts[0])
    for number in bits:
        field = dialect.spec.get(str(number))
        if field is None:
            return
        if field["len_type"]:
            start, at = at, at + field["len_type"]
            yield Span("length", str(number), start, at)
            count = _length(payload[start:at], field)
        else:
            count = field["max_len"]
        if not 0 <= count <= field["max_len"]:
            return
        nibbles = field.get("len_count", "bytes") == "nibbles"
        start, at = at, at + ((count + 1) // 2 if nibbles else count)
        yield Span("value", str(number), start, at)


def _bits(bitmaps: str) -> list[int]:
    """The numbers of the fields that are there; none where the bitmap can't be read."""
    try:
        value = int(bitmaps, 16)
    except ValueError:
        return []
    size = 4 * len(bitmaps)
    return [number for number in range(2, size + 1) if value >> (size - number) & 1]


def _length(data: bytes, field: Mapping[str, Any]) -> int:
    """What a length says; -1 where it is none."""
    if field["len_enc"] == "b":
        return int.from_bytes(data, "big")
    text = _text(data, field["len_enc"])
    return int(text) if text.isascii() and text.isdigit() else -1


def _text(data: bytes, encoding: str) -> str:
    return data.hex().upper() if encoding in ("b", "bcd") else data.decode(encoding, "replace")
