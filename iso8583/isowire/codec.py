"""Payload bytes to `Message` and back, in one dialect.

Owns what a well-formed message is. pyiso8583 reads and writes the fields; this module refuses what it lets pass (wrong
characters, a length of "+5", white space in a bitmap, a third bitmap) and hides what it gives away (its errors hold the
raw message). Must not know what any field means. A message of 17 fields costs pyiso8583 some 20 us each way; the checks
here add 3.
"""

from typing import Final

import iso8583

from isowire.checks import CHECKS, form
from isowire.dialect import Dialect
from isowire.errors import EncodeError, picture
from isowire.refusals import Encoded, content_refused, layout_refused, require_mti_and_bitmaps

BITMAPS_MAX: Final = 1024
"""Bitmaps that are remembered as good, so that they are not read twice (which costs 5 us). Networks use a few
dozen. Only those of good messages get in; a peer that makes up new ones empties the memory, at that price."""

SHOWN_FIELDS: Final = frozenset(
    {"3", "4", "7", "11", "12", "13", "15", "18", "19", "22", "24", "25", "32", "33", "37", "38", "39", "41"}
    | {"49", "70"}
)
"""What `repr` of a message may show: short fields that no PAN belongs in. All others are masked, new ones too."""

_SHOWN_LENGTH_MAX: Final = 12


class Message:
    """One message: its MTI and its fields by number ("2" to "128"; no bitmaps), binary ones in hexadecimal.

    Mutable, so that a reply is built field by field. `repr` shows the values of `SHOWN_FIELDS` only.
    """

    __slots__ = ("fields", "mti")

    def __init__(self, mti: str, fields: dict[str, str]) -> None:
        self.mti = mti
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.mti == other.mti and self.fields == other.fields

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        shown = ", ".join([f"{number}={_shown(number, value)}" for number, value in self.fields.items()])
        return f"Message({self.mti}: {shown})"


def _shown(number: str, value: str) -> str:
    return repr(value) if number in SHOWN_FIELDS and len(value) <= _SHOWN_LENGTH_MAX else "***"


class Codec:
    """Decodes and encodes messages of one dialect. Keeps nothing of a message; one serves any number of links."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        # Plain dictionaries: pyiso8583 looks up some eight values a field, and a read-only view costs each time.
        self._spec = {number: dict(field) for number, field in dialect.spec.items()}
        self._checks = {number: CHECKS[kind] for number, kind in dialect.kinds.items()}
        self._good_bitmaps: set[bytes] = set()

    def decode(self, payload: bytes) -> Message:
        """The message in `payload`, which is a whole frame without its header.

        Raises DecodeError, and nothing else, for bytes that are no message of the dialect.
        """
        # Beyond "7" the first bit is set: a second bitmap follows.
        bitmaps = payload[4:36] if payload[4:5] > b"7" else payload[4:20]
        known = bitmaps in self._good_bitmaps
        if not known or not payload[:4].isdigit():
            require_mti_and_bitmaps(payload, bitmaps, self.dialect)
        try:
            fields, encoded = iso8583.decode(payload, self._spec)
        except Exception as error:  # noqa: BLE001  # whatever hostile bytes get out of it is a message refused
            # Without its traceback, which would keep this frame, and the payload in it, until the next collection.
            failure = error.with_traceback(None)
        else:
            mti = fields.pop("t")
            del fields["p"]
            fields.pop("1", None)
            self._require_content(payload, fields, encoded)
            if not known:
                if len(self._good_bitmaps) >= BITMAPS_MAX:
                    self._good_bitmaps.clear()
                self._good_bitmaps.add(bitmaps)
            return Message(mti, fields)
        # Outside the except block: there the new error would hold the old one, and with it the raw message.
        raise layout_refused(payload, failure, self.dialect)

    def encode(self, message: Message) -> bytes:
        """The payload of `message`, which is not changed. Raises EncodeError where it doesn't fit the dialect."""
        mti, checks = message.mti, self._checks
        if not (len(mti) == 4 and mti.isascii() and mti.isdigit()):
            raise EncodeError(field="t", found=picture(mti), expected="4 digits")
        for number, value in message.fields.items():
            if number not in checks:
                expected = f"fields of {self.dialect.name} only"
                raise EncodeError(
                    field=None, found="a field that the dialect doesn't have", expected=expected
                )
            if not checks[number](value):
                raise EncodeError(field=number, found=picture(value), expected=form(self.dialect, number))
        try:
            # A copy: pyiso8583 adds the bitmaps to the dictionary that it is given.
            payload, _ = iso8583.encode({"t": mti, **message.fields}, self._spec)
        except iso8583.EncodeError as error:
            wrong = error.field
        else:
            return bytes(payload)
        # Lengths are all that is left for pyiso8583 to refuse. Outside the except block, as above.
        length = len(message.fields[wrong])
        raise EncodeError(field=wrong, found=f"{length} characters", expected=form(self.dialect, wrong))

    def _require_content(self, payload: bytes, fields: dict[str, str], encoded: Encoded) -> None:
        """Refuse what pyiso8583 doesn't look at: characters, and lengths that int() takes, such as " 5" and "+5"."""
        checks = self._checks
        for number, value in fields.items():
            if not checks[number](value):
                raise content_refused(payload, fields, encoded, self.dialect)
        lengths = b"".join([field["len"] for field in encoded.values()])
        if lengths and not lengths.isdigit():
            raise content_refused(payload, fields, encoded, self.dialect)
