"""One field's table under [subfields]: its keys, and the form they make. Must not know what a message is."""

import re
from typing import Final, Literal

import msgspec

from isowire.checks import CHECKS
from isowire.field_notation import Encoding, Kind, NotationError
from isowire.subfields import BerTlv, Bitmapped, Form, Part, Positional, Tlv, Units

_PART: Final = re.compile(r"(n|a|an|ans|x\+n|z|b)(\.{2,3})?([1-9][0-9]{0,2})")
_PART_EXPECTED: Final = 'a class like "n6", "an2" or "b8", and for the last part of all "ans..20" too'
_BITMAP_BYTES_MAX: Final = 16
_TAG_UNITS_MAX: Final = 8
_LENGTH_UNITS_MAX: Final = 4


class FormEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What [subfields.N] may say."""

    form: Literal["positional", "tlv", "ber-tlv", "bitmap"]
    parts: list[list[str]] | dict[str, list[str]] | None = None
    """Positional: a list of [class, key, name]. Bitmap: bit -> [class, key, name]. The name may be left out."""
    tag: int | None = None
    """Tlv: how many characters (class b: bytes) a tag has."""
    length: int | None = None
    tags: dict[str, str] = {}
    """Tlv, ber-tlv: tag -> name."""
    bitmap_bytes: int | None = None
    text: Literal["ascii", "cp500", "cp037"] | None = None
    """In a field of class b: how parts of text are written. The dialect's text if it isn't said."""
    numeric: Literal["text", "bcd"] | None = None
    """In a field of class b: how parts of digits are written. The dialect's numeric if it isn't said."""


_KEYS: Final[dict[str, frozenset[str]]] = {
    "positional": frozenset({"parts", "text", "numeric"}),
    "bitmap": frozenset({"parts", "bitmap_bytes", "text", "numeric"}),
    "tlv": frozenset({"tag", "length", "tags"}),
    "ber-tlv": frozenset({"tags"}),
}


def make_form(number: str, entry: FormEntry, kind: Kind, encoding: Encoding) -> Form:
    """The form of field `number`, whose class is `kind`. Raises NotationError."""
    for key in FormEntry.__struct_fields__:
        if key != "form" and getattr(entry, key) and key not in _KEYS[entry.form]:
            raise NotationError(f"{key} in form {entry.form}", " or ".join(sorted(_KEYS[entry.form])))
    packed = kind == "b"
    if (entry.form == "ber-tlv" or entry.text or entry.numeric) and not packed:
        key = "ber-tlv" if entry.form == "ber-tlv" else "text or numeric"
        raise NotationError(f"{key} in a field of class {kind}", "a field of class b")
    if entry.form == "ber-tlv":
        return BerTlv(number, dict(entry.tags))
    if entry.form == "tlv":
        tag = _between("tag", entry.tag, _TAG_UNITS_MAX)
        length = _between("length", entry.length, _LENGTH_UNITS_MAX)
        return Tlv(number, tag, length, dict(entry.tags), packed)
    units = Units(packed, (entry.numeric or encoding.numeric) == "bcd", entry.text or encoding.text)
    if entry.form == "positional":
        return Positional(number, _parts_in_a_row(entry.parts), units, CHECKS)
    bitmap_bytes = _between("bitmap_bytes", entry.bitmap_bytes, _BITMAP_BYTES_MAX)
    return Bitmapped(number, bitmap_bytes, _parts_by_bit(entry.parts, 8 * bitmap_bytes), units, CHECKS)


def _parts_in_a_row(rows: object) -> tuple[Part, ...]:
    if not isinstance(rows, list) or not rows:
        raise NotationError("no list of parts", 'parts = [["n2", "key", "name"], ...]')
    last = len(rows) - 1
    parts = tuple(_part(row, last=place == last) for place, row in enumerate(rows))
    _require_once(parts)
    return parts


def _parts_by_bit(rows: object, bits: int) -> dict[int, Part]:
    if not isinstance(rows, dict) or not rows:
        raise NotationError("no table of parts", 'parts = { 1 = ["n2", "key", "name"], ... }')
    parts: dict[int, Part] = {}
    for bit, row in rows.items():
        if not (bit.isascii() and bit.isdigit() and 1 <= int(bit) <= bits):
            raise NotationError(f"bit {bit!r}", f"1 to {bits}")
        parts[int(bit)] = _part(row, last=False)
    _require_once(tuple(parts.values()))
    return parts


def _part(row: list[str], *, last: bool) -> Part:
    if len(row) not in (2, 3):
        raise NotationError(f"a part of {len(row)} entries", '["n2", "key", "name"], the name if need be')
    found = _PART.fullmatch(row[0])
    if found is None or (found[2] and not last):
        raise NotationError(repr(row[0]), _PART_EXPECTED)
    kind: Kind = found[1]  # type: ignore[assignment]  # _PART matches no other letters
    count = int(found[3]) + (kind == "x+n")
    return Part(row[1], row[2] if len(row) == 3 else row[1], kind, count, variable=bool(found[2]))


def _require_once(parts: tuple[Part, ...]) -> None:
    keys = [part.key for part in parts]
    for key in keys:
        if keys.count(key) > 1:
            raise NotationError(f"the key {key!r} twice", "each key once")


def _between(key: str, value: int | None, most: int) -> int:
    if value is None or not 1 <= value <= most:
        raise NotationError(f"{key} = {value}" if value is not None else f"no {key}", f"{key} of 1 to {most}")
    return value
