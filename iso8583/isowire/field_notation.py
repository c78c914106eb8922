"""One field's entry in a dialect file: from the classic notation to what pyiso8583 takes.

Owns the classes, the ways to write a field and its length, and their words. Must not know files or messages.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

FieldSpec = Mapping[str, Any]
Kind = Literal["n", "a", "an", "ans", "x+n", "z", "b"]
"""What may stand in a field: the letters of its class."""

TextCode = Literal["ascii", "cp500", "cp037"]
"""ASCII, and the two EBCDIC code pages that card networks use: international and US."""
LengthForm = Literal["text", "bcd", "binary"]
Writing = Literal["ascii", "cp500", "cp037", "bcd", "hex", "raw"]
Pad = Literal["left-0", "right-0", "left-F", "right-F"]

_CLASS: Final = re.compile(r"(n|a|an|ans|x\+n|z|b)(\.{0,4})([1-9][0-9]{0,3})")
_CLASS_EXPECTED: Final = 'a class like "n6", "n..19", "an12", "ans...999", "x+n8", "z..37" or "b8"'
_DOTS_EXPECTED: Final = "a dot for each digit of the length, two or more"
_HEX_CHARACTERS_A_BYTE: Final = 2
_BINARY_LENGTH_ONE_BYTE_MAX: Final = 255
BITMAP_BYTES: Final = 8


class NotationError(ValueError):
    """A field's entry that can't be used: what was found, what would be right."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected


class Encoding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [encoding]: how a dialect writes what is not said field by field."""

    text: TextCode
    """MTI, lengths and text fields, as far as the others don't say otherwise."""
    binary: Literal["hex", "raw"]
    """Bitmaps and class b: characters of `text`, two a byte, and a length counts characters; or the bytes."""
    numeric: Literal["text", "bcd"] = "text"
    """The MTI and class n: characters of `text`, or two digits a byte, an odd number padded with a 0 on the left."""
    track: Literal["text", "bcd"] = "text"
    """Class z. With "bcd" its separator is D, and an odd number of characters is padded with an F on the right."""
    length: LengthForm = "text"
    """A variable field's length: characters of `text`, two digits a byte, or a number in as few bytes as hold it."""


class FieldEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"kind": "class"}):
    """A field in full. `["n6", "Name"]` is short for class and name alone."""

    kind: str
    name: str
    encoding: Writing | None = None
    length: LengthForm | None = None
    length_bytes: int | None = None
    """How many bytes a "bcd" or "binary" length takes."""
    pad: Pad | None = None
    """What fills the half byte that an odd number of "bcd" digits leaves."""


def envelope_specs(encoding: Encoding) -> dict[str, FieldSpec]:
    """pyiso8583's "h", "t", "p" and "1": no header, the MTI, the bitmaps."""
    text = encoding.text
    packed = encoding.numeric == "bcd"
    raw = encoding.binary == "raw"
    bitmap = ("b", BITMAP_BYTES) if raw else (text, BITMAP_BYTES * _HEX_CHARACTERS_A_BYTE)
    return {
        "h": _fixed(text, 0, text, "Message Header"),
        "t": _fixed("b", 2, text, "Message Type") if packed else _fixed(text, 4, text, "Message Type"),
        "p": _fixed(*bitmap, text, "Bitmap, Primary"),
        "1": _fixed(*bitmap, text, "Bitmap, Secondary"),
    }


def field_spec(entry: FieldEntry, encoding: Encoding) -> tuple[FieldSpec, Kind]:
    """pyiso8583's spec of one field, and what may stand in it. Raises NotationError."""
    found = _CLASS.fullmatch(entry.kind)
    if found is None:
        raise NotationError(repr(entry.kind), _CLASS_EXPECTED)
    kind: Kind = found[1]  # type: ignore[assignment]  # _CLASS matches no other letters
    length_digits, count = len(found[2]), int(found[3])
    if length_digits == 1 or (length_digits and count >= 10**length_digits):
        raise NotationError(repr(entry.kind), _DOTS_EXPECTED)
    writing = _writing(entry, kind, encoding)
    most = {"b": count * (_HEX_CHARACTERS_A_BYTE if writing == "hex" else 1), "x+n": count + 1}.get(
        kind, count
    )
    length_form: LengthForm = entry.length or encoding.length
    if length_form != "binary" and length_digits and most >= 10**length_digits:
        raise NotationError(
            f"{entry.kind!r}, {most} characters", f"what {length_digits} digits of length can say"
        )
    text = writing if writing in get_args(TextCode) else encoding.text
    spec: dict[str, Any] = {
        "data_enc": "b" if writing in ("bcd", "raw") else text,
        "len_enc": {"text": encoding.text, "bcd": "bcd", "binary": "b"}[length_form],
        "len_type": _length_bytes(entry, length_form, length_digits, most),
        "max_len": most,
        "desc": entry.name,
    }
    if writing == "bcd":
        side, _, filler = (entry.pad or ("right-F" if kind == "z" else "left-0")).partition("-")
        spec |= {"len_count": "nibbles", f"{side}_pad": filler}
    elif entry.pad is not None:
        raise NotationError(f"pad = {entry.pad!r}", 'a pad where encoding = "bcd" only')
    return spec, kind


def _writing(entry: FieldEntry, kind: Kind, encoding: Encoding) -> Writing:
    usual: dict[Kind, Writing] = {
        "n": "bcd" if encoding.numeric == "bcd" else encoding.text,
        "z": "bcd" if encoding.track == "bcd" else encoding.text,
        "b": encoding.binary,
    }
    writing = entry.encoding or usual.get(kind, encoding.text)
    allowed: tuple[str, ...] = get_args(TextCode)
    if kind == "b":
        allowed = ("hex", "raw")
    elif kind in ("n", "z"):
        allowed = (*allowed, "bcd")
    if writing not in allowed:
        raise NotationError(f"encoding = {writing!r}", f"{' or '.join(allowed)} for class {kind}")
    return writing


def _length_bytes(entry: FieldEntry, form: LengthForm, digits: int, most: int) -> int:
    """pyiso8583's len_type: bytes of the length."""
    said = entry.length_bytes
    if digits == 0:
        if said is not None or entry.length is not None:
            raise NotationError("a length", "none: the field has a fixed length")
        return 0
    if form == "text":
        if said is not None:
            raise NotationError(
                f"length_bytes = {said}", "none: the dots say how many digits a length of text has"
            )
        return digits
    needed = (digits + 1) // 2
    if form == "binary":
        needed = 1 if most <= _BINARY_LENGTH_ONE_BYTE_MAX else 2
    if said is None:
        return needed
    if not needed <= said <= 4:
        raise NotationError(f"length_bytes = {said}", f"{needed} to 4, which hold {most}")
    return said


def _fixed(data_encoding: str, length: int, text: str, description: str) -> FieldSpec:
    return {
        "data_enc": data_encoding,
        "len_enc": text,
        "len_type": 0,
        "max_len": length,
        "desc": description,
    }
