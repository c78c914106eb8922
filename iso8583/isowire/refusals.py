"""The slow path of decoding: why a payload was refused, said safely, and what of it is still good.

Owns the exact DecodeError: field, byte, what was found, what would be right, and the fields that a reply may echo; and
the reading of MTI and bitmaps, which come before everything. Must not raise anything else, whatever the bytes are.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import iso8583

from isowire.checks import CHECKS, form
from isowire.dialect import Dialect
from isowire.errors import DecodeError, picture

Encoded = Mapping[str, Mapping[str, bytes]]
"""The second value of `iso8583.decode`: field -> {"len": ..., "data": ...} as they stood on the wire."""

ENVELOPE_FIELDS: Final = ("h", "t", "p", "1")
"""Keys of pyiso8583's that are no fields."""

_BITMAP: Final = re.compile(r"[0-9A-Fa-f]{16}")
_BITMAP_BITS: Final = 64
_MTI: Final = re.compile(r"[0-9]{4}")
_THIRD_BITMAP: Final = 65
_BINARY: Final = ("b", "bcd")


class Written:
    """How a dialect writes messages: what is around the values, and what pyiso8583 takes."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        spec = dialect.spec
        # Plain dictionaries: pyiso8583 looks up some eight values a field, and a read-only view costs each time.
        self.spec = {number: dict(field) for number, field in spec.items()}
        self.checks = {number: CHECKS[kind] for number, kind in dialect.kinds.items()}
        self._mti_encoding: str = spec["t"]["data_enc"]
        self._bitmap_encodings: tuple[str, str] = (spec["p"]["data_enc"], spec["1"]["data_enc"])
        self.mti_bytes = 2 if self._mti_encoding == "b" else 4
        first, second = (8 if encoding == "b" else 16 for encoding in self._bitmap_encodings)
        self.one_bitmap_bytes = self.mti_bytes + first
        self.two_bitmaps_bytes = self.one_bitmap_bytes + second
        self._unknown_bits = {
            size: sum(
                1 << (size - number) for number in range(2, size + 1) if str(number) not in dialect.kinds
            )
            for size in (_BITMAP_BITS, 2 * _BITMAP_BITS)
        }
        # Of lengths in text only: others can't be anything but a number.
        self._length_encodings = {
            number: spec[number]["len_enc"]
            for number in dialect.kinds
            if spec[number]["len_type"] and spec[number]["len_enc"] not in _BINARY
        }

    def mti_of(self, payload: bytes) -> str:
        """The MTI where the payload begins with four digits, else ""."""
        text = _text(payload[: self.mti_bytes], self._mti_encoding)
        return text if _MTI.fullmatch(text) else ""

    def read(self, payload: bytes) -> tuple[str, str, int]:
        """MTI, bitmaps as 16 or 32 hexadecimal characters, and how many bytes they take.

        Raises DecodeError where one of them can't be read, or names fields that the dialect doesn't have.
        """
        mti = self.mti_of(payload)
        if not mti:
            found = _picture(payload[: self.mti_bytes], self._mti_encoding)
            raise DecodeError(field="t", offset=0, found=found, expected="4 digits")
        bitmaps = self._bitmap(payload, "p", self.mti_bytes, self.one_bitmap_bytes, mti)
        end = self.one_bitmap_bytes
        if bitmaps[0] > "7":  # the first bit is set: there is a second bitmap
            bitmaps += self._bitmap(payload, "1", end, self.two_bitmaps_bytes, mti)
            end = self.two_bitmaps_bytes
        size = 4 * len(bitmaps)
        unknown = int(bitmaps, 16) & self._unknown_bits[size]
        if unknown:
            raise self._unknown(size + 1 - unknown.bit_length(), mti)
        return mti, bitmaps, end

    def _bitmap(self, payload: bytes, field: str, start: int, end: int, mti: str) -> str:
        encoding = self._bitmap_encodings[field == "1"]
        bitmap = payload[start:end]
        text = _text(bitmap, encoding)
        if _BITMAP.fullmatch(text):
            return text
        expected = "8 bytes" if encoding == "b" else "16 hexadecimal characters"
        found = f"{len(bitmap)} bytes" if encoding == "b" else _picture(bitmap, encoding)
        raise DecodeError(field=field, offset=start, found=found, expected=expected, mti=mti)

    def _unknown(self, position: int, mti: str) -> DecodeError:
        # pyiso8583 would take a third bitmap, drop DE65 in silence and trip over fields past 128. Nothing behind it is
        # echoed: where it stands differs from network to network.
        third = ", a third bitmap" if position == _THIRD_BITMAP else ""
        return DecodeError(
            field=str(position),
            offset=self.one_bitmap_bytes if position > _BITMAP_BITS else self.mti_bytes,
            found=f"a bit for DE{position}{third}",
            expected=f"bits for the fields of {self.dialect.name} only",
            mti=mti,
        )

    def length_is_digits(self, number: str, length: bytes) -> bool:
        """Whether a length in text is nothing but digits. Others, and none at all, are right as they are."""
        encoding = self._length_encodings.get(number)
        if encoding is None:
            return True
        text = _text(length, encoding)
        return text.isascii() and text.isdigit()


def layout_refused(payload: bytes, failure: Exception, written: Written) -> DecodeError:
    """The error for bytes that pyiso8583 could not follow to their end. Its own error is not kept."""
    dialect = written.dialect
    mti = written.mti_of(payload)
    if not isinstance(failure, iso8583.DecodeError):
        found = f"what pyiso8583 fails on ({type(failure).__name__})"
        return DecodeError(field=None, found=found, expected=f"a message of {dialect.name}", mti=mti)
    at_end = failure.msg.startswith("Extra data")
    whole = {number: value for number, value in failure.doc_dec.items() if at_end or number != failure.field}
    good, error, offset = _inspect(payload, whole, failure.doc_enc, written)
    if error is not None:
        # The first fault is the one to name: what comes after it may only be its consequence.
        return error
    field = None if at_end or failure.field not in dialect.kinds else failure.field
    if field is None:
        found, expected = f"{len(payload) - offset} bytes after the last field", "the end"
    else:
        at, found, expected = _explain(payload, offset, field, failure.doc_enc[field], written)
        offset += at
    return DecodeError(field=field, offset=offset, found=found, expected=expected, mti=mti, fields=good)


def content_refused(
    payload: bytes, fields: Mapping[str, str], encoded: Encoded, written: Written
) -> DecodeError:
    """The error for a payload that pyiso8583 took and the checks did not."""
    _, error, _ = _inspect(payload, fields, encoded, written)
    # The checks of `_inspect` are those that refused, field by field, so it finds one. Were it ever not so, the answer
    # is still a refusal: nothing that arrives may crash the caller.
    return error or DecodeError(
        field=None, found="a field of the wrong class", expected=f"a message of {written.dialect.name}"
    )


def _explain(
    payload: bytes, offset: int, number: str, encoded: Mapping[str, bytes], written: Written
) -> tuple[int, str, str]:
    """For the field that starts at `offset`: how many bytes into it, what stands there, what would be right."""
    field = written.dialect.spec[number]
    length_bytes, wanted = field["len_type"], field["max_len"]
    length, data = encoded["len"], encoded["data"]
    units = field.get("len_count", "bytes")
    if length_bytes:
        said = _said(length, field) if len(length) == length_bytes else None
        if said is None or not written.length_is_digits(number, length):
            expected = f"a length of {_length_form(field)}"
            return 0, _picture(length, field["len_enc"]), expected
        if said > wanted:
            of = " nibbles" if units == "nibbles" else ""
            return 0, f"a length of {said}{of}", f"a length of at most {wanted}"
        wanted = said
    left = len(payload) - offset - len(length)
    wanted_bytes = (wanted + 1) // 2 if units == "nibbles" else wanted
    if left < wanted_bytes:
        return len(length), f"{left} bytes to the end of the message", f"{wanted_bytes} bytes"
    expected = form(written.dialect, number)
    if units == "nibbles" and wanted % 2:
        # What is left for pyiso8583 to refuse in a field of half bytes is the one that fills it up.
        pads = [field[pad][:1] for pad in ("left_pad", "right_pad") if field.get(pad)]
        expected += f", filled up with {' or '.join(map(repr, pads)) or 'nothing'}"
    return len(length), _picture(data, field["data_enc"]), expected


def _said(length: bytes, field: Mapping[str, Any]) -> int | None:
    """The number that a length says; None where it says none."""
    if field["len_enc"] == "b":
        return int.from_bytes(length, "big")
    text = _text(length, field["len_enc"])
    return int(text) if text.isascii() and text.isdigit() else None


def _length_form(field: Mapping[str, Any]) -> str:
    """What a length looks like, in words."""
    if field["len_enc"] == "b":
        return f"{field['len_type']} bytes"
    digits = field["len_type"] * 2 if field["len_enc"] == "bcd" else field["len_type"]
    return f"{digits} digits"


def _inspect(
    payload: bytes, fields: Mapping[str, str], encoded: Encoded, written: Written
) -> tuple[dict[str, str], DecodeError | None, int]:
    """The fields that passed their checks, the error of the first that did not, the offset behind the last one.

    Fields behind a length that is not digits don't count as good: their place hangs on it. The error shares the
    fields, so it has those behind its own too.
    """
    dialect = written.dialect
    mti = written.mti_of(payload)
    good: dict[str, str] = {}
    error: DecodeError | None = None
    offset = written.two_bitmaps_bytes if "1" in encoded else written.one_bitmap_bytes
    for number, value in fields.items():
        if number in ENVELOPE_FIELDS:
            continue
        length, data = encoded[number]["len"], encoded[number]["data"]
        lost = not written.length_is_digits(number, length)
        found, at, expected = "", offset, ""
        if lost:
            found = _picture(length, dialect.spec[number]["len_enc"])
            expected = f"a length of {_length_form(dialect.spec[number])}"
        elif not CHECKS[dialect.kinds[number]](value):
            found, at, expected = picture(value), offset + len(length), form(dialect, number)
        else:
            good[number] = value
        if found and error is None:
            error = DecodeError(field=number, offset=at, found=found, expected=expected, mti=mti, fields=good)
        if lost:
            break
        offset += len(length) + len(data)
    return good, error, offset


def _text(data: bytes, encoding: str) -> str:
    """Text as it reads, binary in hexadecimal capitals; what can't be read shows as what is no digit and no letter."""
    if encoding in _BINARY:
        return data.hex().upper()
    return data.decode(encoding, "replace")


def _picture(data: bytes, encoding: str) -> str:
    return picture(_text(data, encoding))
