"""Layouts: which fields a message has, how each is written, and where it starts and ends.

Owns the reading of pyiso8583's spec into plain facts for the compiler, and the arithmetic of places. Must not generate
code (`compiler` does) and sees no message: all it knows is a dialect, an MTI and field numbers.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from isowire.dialect import Dialect, Kind

BINARY: Final = "b"
BCD: Final = "bcd"
ASCII: Final = "ascii"
_NIBBLES: Final = "0123456789ABCDEF"
_MTI_DIGITS: Final = 4
_BITMAP_BITS: Final = 64
_BITMAP_BYTES: Final = 8
_MAX_LENGTH_VALUES: Final = 10_000
"""A length of four digits. The table of lengths of a field has an entry for each, so more would cost megabytes."""


class NotCompilable(Exception):  # noqa: N818 - no error: the general path serves the layout
    """The spec of a field asks for what only the general path does."""


@dataclass(frozen=True, slots=True)
class Place:
    """An offset into the payload: `constant`, counted from the end of the variable field `base` ("" is the start)."""

    base: str
    constant: int

    def plus(self, count: int) -> "Place":
        return Place(self.base, self.constant + count)

    def __str__(self) -> str:
        if not self.base:
            return str(self.constant)
        return f"{self.base} + {self.constant}" if self.constant else self.base


@dataclass(frozen=True, slots=True)
class Form:
    """How one field is written. Units of `most`: nibbles, where `nibbles` is set, else bytes of the wire."""

    number: str
    kind: Kind
    encoding: str
    """"b" for binary and BCD, else a codec of one byte a character."""
    most: int
    """The length of a fixed field, the maximum of a variable one."""
    nibbles: bool
    length_bytes: int
    """Of the length in front; 0 for a fixed field."""
    length_encoding: str
    left_pad: str
    right_pad: str

    @property
    def fixed_bytes(self) -> int:
        return (self.most + 1) // 2 if self.nibbles else self.most

    @property
    def binary(self) -> bool:
        return self.encoding == BINARY

    @property
    def pads_in_class(self) -> bool:
        """Whether every nibble on the wire is a digit, the pad too, so that bytes can be checked as they stand."""
        return (
            self.binary
            and self.nibbles
            and self.kind == "n"
            and (self.left_pad or "0") == "0"
            and not self.right_pad
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """A field in its place: `start` is behind its length, `prefix` before it."""

    form: Form
    prefix: Place
    start: Place
    end: Place


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one (MTI, bitmaps), in order, each in its place."""

    mti: str
    bitmaps: str
    """Hexadecimal, in capitals, 16 or 32 characters."""
    header: tuple[tuple[str, str], ...]
    """MTI and bitmaps: the encoding of each and its text, digits or hexadecimal."""
    slots: tuple[Slot, ...]
    end: Place


def layout_of(dialect: Dialect, mti: str, bitmaps: str) -> Layout:
    """The layout that `bitmaps` (16 or 32 hexadecimal characters) call for. Raises NotCompilable."""
    dialect = dialect.for_mti(mti)
    spec = dialect.spec
    bits = int(bitmaps, 16)
    size = 4 * len(bitmaps)
    numbers = [number for number in range(2, size + 1) if bits >> (size - number) & 1]
    if spec["h"]["max_len"] or not all(str(number) in dialect.kinds for number in numbers):
        raise NotCompilable("a header, or a field that the dialect doesn't have")
    header = [(_encoding(spec["t"]["data_enc"]), f"{int(mti):0{_MTI_DIGITS}}")]
    for first, field in zip(range(0, size, _BITMAP_BITS), ("p", "1"), strict=False):
        part = bits >> (size - _BITMAP_BITS - first) & ((1 << _BITMAP_BITS) - 1)
        header.append((_encoding(spec[field]["data_enc"]), f"{part:0{2 * _BITMAP_BYTES}X}"))
    at = Place("", sum(len(text) // 2 if encoding == BINARY else len(text) for encoding, text in header))
    slots = []
    for number in numbers:
        form = form_of(dialect, str(number))
        start = at.plus(form.length_bytes)
        end = Place(f"end_{number}", 0) if form.length_bytes else start.plus(form.fixed_bytes)
        slots.append(Slot(form, at, start, end))
        at = end
    return Layout(mti, f"{bits:0{len(bitmaps)}X}", tuple(header), tuple(slots), at)


def bitmaps_of(numbers: Iterable[int]) -> str:
    """The bitmaps that name `numbers`, as a codec writes them: the second one only where it is needed."""
    fields = set(numbers)
    size = 2 * _BITMAP_BITS if max(fields, default=0) > _BITMAP_BITS else _BITMAP_BITS
    if size > _BITMAP_BITS:
        fields.add(1)
    bits = sum(1 << (size - number) for number in fields)
    return f"{bits:0{size // 4}X}"


def form_of(dialect: Dialect, number: str) -> Form:
    """The facts of one field. Raises NotCompilable."""
    spec = dialect.spec[number]
    counts = spec.get("len_count", "bytes")
    left, right = spec.get("left_pad", "")[:1], spec.get("right_pad", "")[:1]
    nibbles = counts == "nibbles"
    odd_is_possible = nibbles and (spec["len_type"] or spec["max_len"] % 2)
    padded = left or right
    form = Form(
        number=number,
        kind=dialect.kinds[number],
        encoding=_encoding(spec["data_enc"]),
        most=spec["max_len"],
        nibbles=nibbles,
        length_bytes=spec["len_type"],
        length_encoding=_encoding(spec["len_enc"]),
        left_pad=left if odd_is_possible else "",
        right_pad=right if odd_is_possible else "",
    )
    if nibbles and not form.binary:
        raise NotCompilable("nibbles of text")
    # pyiso8583 compares pads with capitals, and takes either of two.
    if odd_is_possible and ((left and right) or not padded or (left or right) not in _NIBBLES):
        raise NotCompilable("a pad that is none, or two")
    if form.length_bytes and form.most >= _MAX_LENGTH_VALUES:
        raise NotCompilable("a length of more than four digits")
    return form


def _encoding(name: str) -> str:
    if name in (BINARY, BCD):
        return name
    try:
        name = codecs.lookup(name).name
    except LookupError:
        raise NotCompilable(f"text in {name}") from None
    if name != ASCII:
        to_ascii(name)
    return name


@lru_cache(maxsize=32)
def to_ascii(encoding: str) -> bytes:
    """The table that makes ASCII of bytes in `encoding`, for `bytes.translate`. Raises NotCompilable.

    It must be one to one on all 256 bytes, as the EBCDIC code pages are, or a value would not survive both ways.
    """
    try:
        table = bytes(range(256)).decode(encoding).encode("latin-1")
    except (UnicodeError, LookupError):
        raise NotCompilable(f"text in {encoding}") from None
    if len(set(table)) != len(table):
        raise NotCompilable(f"text in {encoding}")
    return table


@lru_cache(maxsize=32)
def from_ascii(encoding: str) -> bytes:
    """The inverse of `to_ascii`."""
    table = bytearray(256)
    for wire, character in enumerate(to_ascii(encoding)):
        table[character] = wire
    return bytes(table)


@lru_cache(maxsize=256)
def lengths(encoding: str, size: int, most: int) -> dict[bytes, int]:
    """What may stand in a length of `size` bytes -> what it says. Raises NotCompilable where `most` doesn't fit."""
    return {wire: length for length, wire in enumerate(_lengths_written(encoding, size, most))}


@lru_cache(maxsize=256)
def prefixes(encoding: str, size: int, most: int) -> tuple[str, ...]:
    """How the lengths 0 to `most` are written: as text for a text encoding, else in hexadecimal."""
    written = _lengths_written(encoding, size, most)
    return tuple(wire.hex() if encoding in (BINARY, BCD) else wire.decode(encoding) for wire in written)


def _lengths_written(encoding: str, size: int, most: int) -> list[bytes]:
    digits = 2 * size if encoding == BCD else size
    if most >= (256**size if encoding == BINARY else 10**digits):
        raise NotCompilable("a maximum that its length can't say")
    if encoding == BINARY:
        return [length.to_bytes(size, "big") for length in range(most + 1)]
    if encoding == BCD:
        return [bytes.fromhex(f"{length:0{digits}}") for length in range(most + 1)]
    return [f"{length:0{digits}}".encode(encoding) for length in range(most + 1)]
