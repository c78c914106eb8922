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


def require_mti_and_bitmaps(payload: bytes, bitmaps: bytes, dialect: Dialect) -> None:
    """Raise DecodeError where the MTI or a bitmap can't be read, or names fields that the dialect doesn't have.

    `bitmaps` is the part of the payload that holds them, 16 or 32 hexadecimal characters.
    """
    mti = mti_of(payload)
    if not mti:
        raise DecodeError(field="t", offset=0, found=_picture(payload[:4]), expected="4 digits")
    for field, offset in _BITMAP_PLACES.items():
        bitmap = payload[offset : offset + _BITMAP_BYTES]
        if _BITMAP.fullmatch(bitmap) is None:
            expected = f"{_BITMAP_BYTES} hexadecimal characters"
            raise DecodeError(field=field, offset=offset, found=_picture(bitmap), expected=expected, mti=mti)
        if payload[4:5] <= b"7":
            break  # the first bit is not set: there is no second bitmap
    bits = f"{int(bitmaps, 16):0{4 * len(bitmaps)}b}"
    for position, bit in enumerate(bits, 1):
        number = str(position)
        if bit == "1" and position != 1 and number not in dialect.kinds:
            # pyiso8583 would take a third bitmap, drop DE65 in silence and trip over fields past 128. Nothing behind
            # it is echoed: where it stands differs from network to network.
            third = number == _THIRD_BITMAP
            raise DecodeError(
                field=number,
                offset=_BITMAP_PLACES["1" if position > 64 else "p"],
                found=f"a bit for DE{number}" + (", a third bitmap" if third else ""),
                expected=f"bits for the fields of {dialect.name} only",
                mti=mti,
            )


def layout_refused(payload: bytes, failure: Exception, dialect: Dialect) -> DecodeError:
    """The error for bytes that pyiso8583 could not follow to their end. Its own error is not kept."""
    if not isinstance(failure, iso8583.DecodeError):
        found = f"what pyiso8583 fails on ({type(failure).__name__})"
        return DecodeError(
            field=None, found=found, expected=f"a message of {dialect.name}", mti=mti_of(payload)
        )
    at_end = failure.msg.startswith("Extra data")
    whole = {number: value for number, value in failure.doc_dec.items() if at_end or number != failure.field}
    good, error, offset = _inspect(payload, whole, failure.doc_enc, dialect)
    if error is not None:
        # The first fault is the one to name: what comes after it may only be its consequence.
        return error
    field = None if at_end or failure.field not in dialect.kinds else failure.field
    if field is None:
        found, expected = f"{len(payload) - offset} bytes after the last field", "the end"
    else:
        at, found, expected = _explain(payload, offset, field, failure.doc_enc[field], dialect)
        offset += at
    return DecodeError(
        field=field, offset=offset, found=found, expected=expected, mti=mti_of(payload), fields=good
    )


def content_refused(
    payload: bytes, fields: Mapping[str, str], encoded: Encoded, dialect: Dialect
) -> DecodeError:
    """The error for a payload that pyiso8583 took and the checks did not."""
    _, error, _ = _inspect(payload, fields, encoded, dialect)
    # The checks of `_inspect` are those that refused, field by field, so it finds one. Were it ever not so, the answer
    # is still a refusal: nothing that arrives may crash the caller.
    return error or DecodeError(
        field=None, found="a field of the wrong class", expected=f"a message of {dialect.name}"
    )


def _explain(
    payload: bytes, offset: int, number: str, encoded: Mapping[str, bytes], dialect: Dialect
) -> tuple[int, str, str]:
    """For the field that starts at `offset`: how many bytes into it, what stands there, what would be right."""
    field = dialect.spec[number]
    length_digits, wanted = field["len_type"], field["max_len"]
    length, data = encoded["len"], encoded["data"]
    if length_digits:
        if len(length) < length_digits or not length.isdigit():
            return 0, _picture(length), f"a length of {length_digits} digits"
        if int(length) > wanted:
            return 0, f"a length of {int(length)}", f"a length of at most {wanted}"
        wanted = int(length)
    left = len(payload) - offset - len(length)
    if left < wanted:
        return len(length), f"{left} bytes to the end of the message", f"{wanted} bytes"
    return len(length), _picture(data), form(dialect, number)


def _inspect(
    payload: bytes, fields: Mapping[str, str], encoded: Encoded, dialect: Dialect
) -> tuple[dict[str, str], DecodeError | None, int]:
    """The fields that passed their checks, the error of the first that did not, the offset behind the last one.

    Fields behind a length that is not digits don't count as good: their place hangs on it. The error shares the
    fields, so it has those behind its own too.
    """
    mti = mti_of(payload)
    good: dict[str, str] = {}
    error: DecodeError | None = None
    offset = _BITMAP_PLACES["p"] + sum(
        len(encoded[field]["data"]) for field in ("p", "1") if field in encoded
    )
    for number, value in fields.items():
        if number in _ENVELOPE:
            continue
        length, data = encoded[number]["len"], encoded[number]["data"]
        found, at, expected = "", offset, ""
        if length and not length.isdigit():
            found, expected = _picture(length), f"a length of {len(length)} digits"
        elif not CHECKS[dialect.kinds[number]](value):
            found, at, expected = picture(value), offset + len(length), form(dialect, number)
        else:
            good[number] = value
        if found and error is None:
            error = DecodeError(field=number, offset=at, found=found, expected=expected, mti=mti, fields=good)
        if length and not length.isdigit():
            break
        offset += len(length) + len(data)
    return good, error, offset


def _picture(found: bytes) -> str:
    # latin-1 gives every byte a character; beyond ASCII the picture shows a question mark.
    return picture(found.decode("latin-1"))
