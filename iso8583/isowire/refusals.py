"""The slow path of decoding: why a payload was refused, said safely, and what of it is still good.

Owns the exact DecodeError: field, byte, what was found, what would be right, and the fields that a reply may echo. Runs
only for messages that `codec` has refused already. Must not raise, whatever the bytes are.
"""

import re
from collections.abc import Mapping
from typing import Final

import iso8583
from isowire.checks import CHECKS, form
from isowire.dialect import Dialect
from isowire.errors import DecodeError, picture

Encoded = Mapping[str, Mapping[str, bytes]]
"""The second value of `iso8583.decode`: field -> {"len": ..., "data": ...} as they stood on the wire."""

_BITMAP_BYTES: Final = 16
_BITMAP: Final = re.compile(rb"[0-9A-Fa-f]{16}")
_BITMAP_PLACES: Final = {"p": 4, "1": 20}
_THIRD_BITMAP: Final = "65"
_ENVELOPE: Final = ("t", "p", "1")


def mti_of(payload: bytes) -> str:
    """The MTI where the payload begins with four digits, else ""."""
    mti = payload[:4]
    return mti.decode("ascii") if len(mti) == 4 and mti.isdigit() else ""


def numbers_of(payload: bytes, bitmaps: bytes, dialect: Dialect) -> tuple[str, ...]:
    """The fields that the bitmaps (16 or 32 hexadecimal characters) name, in order.

    Raises DecodeError where the MTI or a bitmap can't be read, and for fields that the dialect doesn't have.
    """
    mti = mti_of(payload)
    if not mti:
        raise DecodeError(field="t", offset=0, found=_picture(payload[:4]), expected="4 digits")
    for field, offset in _BITMAP_PLACES.items():
        bitmap = payload[offset : offset + _BITMAP_BYTES]
        if _BITMAP.fullmatch(bitmap) is None:
            expected = f"{_BITMAP_BYTES} hexadecimal characters"
            raise DecodeError(field=field, offset=offset, found=_picture(bitmap), expected=expected, mti=mti)
        if len(bitmaps) <= _BITMAP_BYTES:
            break
    bits = f"{int(bitmaps, 16):0{4 * len(bitmaps)}b}"
    numbers = tuple(str(number) for number, bit in enumerate(bits, 1) if bit == "1" and number != 1)
    for number in numbers:
        if number not in dialect.kinds:
            # pyiso8583 would take a third bitmap, drop DE65 in silence and trip over fields past 128. Nothing behind
            # it is echoed: where it stands differs from network to network.
            third = number == _THIRD_BITMAP
            raise DecodeError(
                field=number,
                offset=_BITMAP_PLACES["1" if int(number) > 64 else "p"],
                found=f"a bit for DE{number}" + (", a third bitmap" if third else ""),
                expected=f"bits for the fields of {dialect.name} only",
                mti=mti,
            )
    return numbers


def layout_refused(payload: bytes, failure: Exception, dialect: Dialect) -> DecodeError:
    """The error for bytes that pyiso8583 could not follow to their end. Its own error is not kept."""
    mti = mti_of(payload)
    if not isinstance(failure, iso8583.DecodeError):
        found = f"what pyiso8583 fails on ({type(failure).__name__})"
        return DecodeError(field=None, found=found, expected=f"a message of {dialect.name}", mti=mti)
    at_end = failure.msg.startswith("Extra data")
    whole = {number: value for number, value in failure.doc_dec.items() if at_end or number != failure.field}
    good, error = inspect(payload, whole, failure.doc_enc, dialect)
    if error is not None:
        # The first fault is the one to name: what comes after it may only be its consequence.
        return error
    if at_end:
        found = f"{len(payload) - failure.pos} bytes after the last field"
        return DecodeError(
            field=None, offset=failure.pos, found=found, expected="the end", mti=mti, fields=good
        )
    offset, found, expected = _explain(payload, failure, dialect)
    return DecodeError(
        field=failure.field, offset=offset, found=found, expected=expected, mti=mti, fields=good
    )


def content_refused(
    payload: bytes, fields: Mapping[str, str], encoded: Encoded, dialect: Dialect
) -> DecodeError:
    """The error for a payload that pyiso8583 took and the checks did not."""
    _, error = inspect(payload, fields, encoded, dialect)
    # The checks of `inspect` are those that refused, field by field, so it finds one. Were it ever not so, the answer
    # is still a refusal: nothing that arrives may crash the caller.
    return error or DecodeError(
        field=None, found="a field of the wrong class", expected=f"a message of {dialect.name}"
    )


def _explain(payload: bytes, failure: iso8583.DecodeError, dialect: Dialect) -> tuple[int, str, str]:
    """Where in the failing field, what stands there, and what would be right."""
    number, offset = failure.field, failure.pos
    field = dialect.spec[number]
    if number == "t":
        return offset, _picture(payload[:4]), "4 digits"
    left = f"{len(payload) - offset} bytes to the end of the message"
    length_digits, length_max = field["len_type"], field["max_len"]
    length = failure.doc_enc[number]["len"]
    if length_digits and not (len(length) == length_digits and length.isdigit()):
        # pyiso8583 has gone past a length like "-1", which int() takes.
        if failure.msg.startswith("Field data"):
            offset -= length_digits
        return offset, _picture(length), f"a length of {length_digits} digits"
    if length_digits and int(length) > length_max:
        return offset, f"a length of {int(length)}", f"a length of at most {length_max}"
    data = failure.doc_enc[number]["data"]
    wanted = int(length) if length_digits else length_max
    if len(data) < wanted:
        return offset, left, f"{wanted} more"
    return offset, _picture(data), form(dialect, number)


def inspect(
    payload: bytes, fields: Mapping[str, str], encoded: Encoded, dialect: Dialect
) -> tuple[dict[str, str], DecodeError | None]:
    """The fields that passed their checks, and the error of the first that did not.

    Fields behind a length that is not digits don't count as good: their place hangs on it.
    """
    mti = mti_of(payload)
    good: dict[str, str] = {}
    error: DecodeError | None = None
    offset = 4 + sum(len(encoded[bitmap]["data"]) for bitmap in ("p", "1") if bitmap in encoded)
    if not mti:
        error = DecodeError(
            field="t", offset=0, found=_picture(payload[:4]), expected="4 digits", fields=good
        )
    for number, value in fields.items():
        if number in _ENVELOPE:
            continue
        length, data = encoded[number]["len"], encoded[number]["data"]
        if length and not length.isdigit():
            expected = f"a length of {len(length)} digits"
            return good, error or DecodeError(
                field=number, offset=offset, found=_picture(length), expected=expected, mti=mti, fields=good
            )
        offset += len(length)
        # Fixed fields and the text between are as long as the dialect says: pyiso8583 has seen to it.
        if not value or CHECKS[dialect.kinds[number]](value):
            good[number] = value
        elif error is None:
            expected = form(dialect, number)
            error = DecodeError(
                field=number, offset=offset, found=picture(value), expected=expected, mti=mti, fields=good
            )
        offset += len(data)
    return good, error


def _picture(found: bytes) -> str:
    # latin-1 gives every byte a character; beyond ASCII the picture shows a question mark.
    return picture(found.decode("latin-1"))
