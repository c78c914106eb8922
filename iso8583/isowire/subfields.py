"""What is inside a field: parts at fixed places, tag-length-value, or a bitmap and the parts it announces.

Owns taking a field's text apart and putting it together again, as a dialect declares it under [subfields]. Must not
know messages or files; a declared form is checked by `dialect_file`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from isowire.errors import DecodeError, EncodeError, picture
from isowire.field_notation import Kind
from isowire.tlv import TAG_NAMES, BerTlvError, parse_ber_tlv, tag_name

SUBFIELDS_MAX: Final = 500
"""Of one field: 999 characters hold no more with a tag and a length each."""


@dataclass(frozen=True, slots=True)
class Subfield:
    """One part as it stood: its key (position, tag or bit), its name ("" where unknown), its text."""

    key: str
    name: str
    value: str

    def __repr__(self) -> str:
        return f"Subfield({self.key!r}, {self.name!r}, {len(self.value)} characters)"


@dataclass(frozen=True, slots=True)
class Part:
    """A declared part: what may stand in it and how long it is, in characters (class b: bytes)."""

    key: str
    name: str
    kind: Kind
    count: int
    variable: bool = False
    """Takes whatever is left, up to `count`: the last part of a positional field only."""


@dataclass(frozen=True, slots=True)
class Units:
    """How parts stand in the field's text.

    `packed` is False for text fields: a character is a character. In a field of class b, whose text is hexadecimal,
    it is True, and a part is digits packed two a byte (`bcd`), text in the code page `text`, or bytes.
    """

    packed: bool = False
    bcd: bool = True
    text: str = "ascii"

    def width(self, part: Part, count: int) -> int:
        """Characters of the field's text that `count` characters of the part take."""
        if part.kind == "b":
            return 2 * count
        if not self.packed:
            return count
        if part.kind == "n" and self.bcd:
            return count + count % 2
        return 2 * count

    def read(self, part: Part, text: str, count: int) -> str:
        """The part's value. Raises ValueError where the bytes are not of the code page or a pad is not 0."""
        if part.kind == "b" or not self.packed:
            return text
        if part.kind == "n" and self.bcd:
            if count % 2 and not text.startswith("0"):
                raise ValueError("an odd number of digits has a 0 before it")
            return text[count % 2 :]
        return bytes.fromhex(text).decode(self.text)

    def write(self, part: Part, value: str) -> str:
        if part.kind == "b" or not self.packed:
            return value
        if part.kind == "n" and self.bcd:
            return "0" * (len(value) % 2) + value
        return value.encode(self.text).hex().upper()


Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Positional:
    """Parts one after the other, each of a fixed length; the last may take what is left."""

    number: str
    parts: tuple[Part, ...]
    units: Units
    checks: Mapping[Kind, Check] = field(repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(part.key for part in self.parts)

    def parse(self, value: str) -> tuple[Subfield, ...]:
        """Raises DecodeError naming the field and the part."""
        found, at = _take(self.number, self.parts, value, 0, self.units, self.checks)
        if at != len(value):
            raise _wrong(self.number, f"{len(value) - at} characters after the last part", "the end")
        return tuple(found)

    def format(self, values: Mapping[str, str]) -> str:
        """The field's text. Raises EncodeError where a part is missing or does not fit."""
        _no_others(self.number, values, self.keys)
        return "".join(
            [
                _put(self.number, part, values.get(part.key, ""), self.units, self.checks)
                for part in self.parts
            ]
        )


@dataclass(frozen=True, slots=True)
class Tlv:
    """Tags and lengths of so many characters (class b: bytes); a length counts what follows it in the same unit."""

    number: str
    tag_units: int
    length_units: int
    names: Mapping[str, str]
    packed: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The tags that have a name; others are taken too."""
        return tuple(self.names)

    def parse(self, value: str) -> tuple[Subfield, ...]:
        """In order; a tag that comes twice stands twice. Raises DecodeError."""
        return tuple(Subfield(tag, self.names.get(tag, ""), text) for tag, text in self._items(value))

    def first_values(self, value: str) -> dict[str, str]:
        """Tag -> its value; of a tag that comes twice, the first. Raises DecodeError."""
        return dict(reversed(self._items(value)))

    def _items(self, value: str) -> list[tuple[str, str]]:
        unit = 2 if self.packed else 1
        tag_end, head = self.tag_units * unit, (self.tag_units + self.length_units) * unit
        found: list[tuple[str, str]] = []
        at = 0
        while at < len(value):
            tag, said = value[at : at + tag_end], value[at + tag_end : at + head]
            if len(said) < head - tag_end:
                raise _wrong(self.number, f"{len(value) - at} characters at {at}", "a tag and a length")
            if not self.packed and not _digits(said):
                raise _wrong(
                    self.number, f"a length of {picture(said)} at {at}", f"{self.length_units} digits"
                )
            length = int(said, 16 if self.packed else 10) * unit
            if length > len(value) - at - head:
                raise _wrong(self.number, f"a length of {length // unit} at {at}", "no more than is left")
            found.append((tag, value[at + head : at + head + length]))
            if len(found) > SUBFIELDS_MAX:
                raise _wrong(self.number, f"more than {SUBFIELDS_MAX} parts", "fewer")
            at += head + length
        return found

    def format(self, values: Iterable[tuple[str, str]]) -> str:
        """The field's text, in the order given. Raises EncodeError."""
        unit = 2 if self.packed else 1
        text = ""
        for tag, value in values:
            if len(tag) != self.tag_units * unit or len(value) % unit:
                raise EncodeError(field=self.number, found=f"a tag {picture(tag)}", expected=self._form())
            length = len(value) // unit
            said = f"{length:0{self.length_units * 2}X}" if self.packed else f"{length:0{self.length_units}}"
            if len(said) > self.length_units * unit:
                raise EncodeError(field=self.number, found=f"a length of {length}", expected=self._form())
            text += tag + said + value
        return text

    def _form(self) -> str:
        what = "bytes" if self.packed else "characters"
        return f"tags of {self.tag_units} {what}, lengths of {self.length_units}"


@dataclass(frozen=True, slots=True)
class BerTlv:
    """BER-TLV, as in DE55. The field is of class b."""

    number: str
    names: Mapping[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The tags that have a name; others are taken too."""
        return (*self.names, *TAG_NAMES)

    def parse(self, value: str) -> tuple[Subfield, ...]:
        """In order, unknown tags too. Raises DecodeError."""
        try:
            found = parse_ber_tlv(bytes.fromhex(value))
        except BerTlvError as error:
            raise _wrong(self.number, f"{error.found} at byte {error.offset}", error.expected) from None
        except ValueError:
            raise _wrong(self.number, picture(value), "hexadecimal characters") from None
        return tuple(
            Subfield(item.tag, self.names.get(item.tag) or tag_name(item.tag), item.value.hex().upper())
            for item in found
        )


@dataclass(frozen=True, slots=True)
class Bitmapped:
    """A bitmap in hexadecimal, then the parts whose bits are set, in order."""

    number: str
    bitmap_bytes: int
    parts: Mapping[int, Part]
    units: Units
    checks: Mapping[Kind, Check] = field(repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(part.key for part in self.parts.values())

    def parse(self, value: str) -> tuple[Subfield, ...]:
        """Raises DecodeError, also for a bit that no part is declared for: what follows it can't be found."""
        width = 2 * self.bitmap_bytes
        bitmap = value[:width]
        if len(bitmap) < width or not self.checks["b"](bitmap):
            raise _wrong(self.number, picture(bitmap), f"a bitmap of {width} hexadecimal characters")
        bits = f"{int(bitmap, 16):0{8 * self.bitmap_bytes}b}"
        chosen = [bit for bit, on in enumerate(bits, 1) if on == "1"]
        for bit in chosen:
            if bit not in self.parts:
                raise _wrong(self.number, f"bit {bit}", f"bits of {_list(self.parts)} only")
        parts = [self.parts[bit] for bit in chosen]
        found, at = _take(self.number, parts, value, width, self.units, self.checks)
        if at != len(value):
            raise _wrong(self.number, f"{len(value) - at} characters after the last part", "the end")
        return tuple(found)

    def format(self, values: Mapping[str, str]) -> str:
        """The field's text. Raises EncodeError."""
        _no_others(self.number, values, self.keys)
        bitmap, text = 0, ""
        for bit, part in sorted(self.parts.items()):
            if part.key in values:
                bitmap |= 1 << (8 * self.bitmap_bytes - bit)
                text += _put(self.number, part, values[part.key], self.units, self.checks)
        return f"{bitmap:0{2 * self.bitmap_bytes}X}{text}"


Form = Positional | Tlv | BerTlv | Bitmapped


def _take(
    number: str,
    parts: Sequence[Part],
    value: str,
    at: int,
    units: Units,
    checks: Mapping[Kind, Check],
) -> tuple[list[Subfield], int]:
    found: list[Subfield] = []
    for part in parts:
        count, width = part.count, units.width(part, part.count)
        if part.variable:
            width = min(width, len(value) - at)
            count = width // (units.width(part, 2) // 2)
        text = value[at : at + width]
        if len(text) < width:
            raise _wrong(
                number, f"{len(text)} characters left for {part.key} ({part.name})", f"{width} characters"
            )
        try:
            content = units.read(part, text, count)
        except ValueError:
            content = None
        if content is None or not checks[part.kind](content):
            shown = picture(text if content is None else content)
            raise _wrong(number, f"{shown} in {part.key} ({part.name})", f"class {part.kind}")
        found.append(Subfield(part.key, part.name, content))
        at += width
    return found, at


def _put(number: str, part: Part, value: str, units: Units, checks: Mapping[Kind, Check]) -> str:
    characters = len(value) // 2 if part.kind == "b" else len(value)
    fits = characters <= part.count if part.variable else characters == part.count
    if not fits or not checks[part.kind](value):
        most = "up to " if part.variable else ""
        expected = f"{most}{part.count} of class {part.kind} in {part.key} ({part.name})"
        raise EncodeError(field=number, found=picture(value), expected=expected)
    return units.write(part, value)


def _no_others(number: str, values: Mapping[str, str], known: Sequence[str]) -> None:
    for key in values:
        if key not in known:
            raise EncodeError(
                field=number, found=f"a part {picture(key)}", expected=f"parts of {_list(known)} only"
            )


def _list(keys: Iterable[object]) -> str:
    return ", ".join(map(str, keys))


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _wrong(number: str, found: str, expected: str) -> DecodeError:
    return DecodeError(field=number, found=found, expected=expected)
