"""Payload bytes to `Message` and back, in one dialect.

Owns what a well-formed message is, on two paths. The general one is pyiso8583, which reads and writes the fields; here
is refused what it lets pass (see `checks.STRICTER`) and hidden what it gives away (its errors hold the raw message).
The other is `compiler`'s code for the layouts in use, ten to twenty times as fast. It never refuses: what it doesn't
take, the general path decides. Must not know what any field means.
"""

from typing import Final

import iso8583

from isowire.admission import LAYOUTS_MAX, SEEN_FIRST, Admission
from isowire.checks import CHECKS, form
from isowire.compiler import Decode, Encode, compile_decode, compile_encode
from isowire.dialect import Dialect
from isowire.errors import EncodeError, picture
from isowire.layout import NotCompilable
from isowire.refusals import ENVELOPE_FIELDS, Encoded, Written, content_refused, layout_refused

COMPILING_FAILED: Final = (NotCompilable, SyntaxError, ValueError, MemoryError, RecursionError)
"""A layout that is not for compiling, and whatever `compile` says of one that it can't: the general path takes both."""

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
    """Decodes and encodes messages of one dialect. Keeps nothing of a message; one serves any number of links.

    `layouts_max` and `seen_first` bound what is compiled (see `admission`); with `layouts_max=0` nothing is, and
    everything takes the general path.
    """

    def __init__(
        self, dialect: Dialect, *, layouts_max: int = LAYOUTS_MAX, seen_first: int = SEEN_FIRST
    ) -> None:
        self.dialect = dialect
        self._written = Written(dialect)
        self._variants = {mti: Written(variant) for mti, variant in dialect.variants.items()}
        self._one_bitmap = slice(self._written.one_bitmap_bytes)
        self._two_bitmaps = slice(self._written.two_bitmaps_bytes)
        self._decoders: dict[bytes, Decode] = {}
        self._encoders: dict[tuple[str, ...], Encode] = {}
        self._decode_admission = Admission(layouts_max=layouts_max, seen_first=seen_first)
        self._encode_admission = Admission(layouts_max=layouts_max, seen_first=seen_first)

    @property
    def compiled_layouts(self) -> int:
        """How many layouts have been compiled, both directions together."""
        return len(self._decoders) + len(self._encoders)

    def decode(self, payload: bytes) -> Message:
        """The message in `payload`, which is a whole frame without its header.

        Raises DecodeError, and nothing else, for bytes that are no message of the dialect.
        """
        # A payload with two bitmaps is not under the shorter key: that bitmap's first bit says that there is another.
        decoders = self._decoders
        compiled = decoders.get(payload[self._one_bitmap]) or decoders.get(payload[self._two_bitmaps])
        if compiled is not None:
            message: Message | None = compiled(payload)
            if message is not None:
                return message
        return self._decode_in_general(payload)

    def encode(self, message: Message) -> bytes:
        """The payload of `message`, which is not changed. Raises EncodeError where it doesn't fit the dialect."""
        fields = message.fields
        compiled = self._encoders.get((message.mti, *fields))
        if compiled is not None:
            payload = compiled(fields)
            if payload is not None:
                return payload
        return self._encode_in_general(message)

    def _decode_in_general(self, payload: bytes) -> Message:
        mti, bitmaps, header_bytes = self._written.read(payload)
        written = self._variants.get(mti, self._written)
        try:
            fields, encoded = iso8583.decode(payload, written.spec)
        except Exception as error:  # noqa: BLE001  # whatever hostile bytes get out of it is a message refused
            # Without its traceback, which would keep this frame, and the payload in it, until the next collection.
            failure = error.with_traceback(None)
        else:
            for number in ENVELOPE_FIELDS:
                fields.pop(number, None)
            _require_content(payload, fields, encoded, written)
            header = payload[:header_bytes]
            if header not in self._decoders and self._decode_admission.admit(header):
                self._decoders[header] = self._compiled_decode(mti, bitmaps)
            return Message(mti, fields)
        # Outside the except block: there the new error would hold the old one, and with it the raw message.
        raise layout_refused(payload, failure, written)

    def _compiled_decode(self, mti: str, bitmaps: str) -> Decode:
        try:
            return compile_decode(self.dialect, mti, bitmaps, Message)
        except COMPILING_FAILED:
            return _ask_the_general_path

    def _encode_in_general(self, message: Message) -> bytes:
        mti = message.mti
        written = self._variants.get(mti, self._written)
        if not (len(mti) == 4 and mti.isascii() and mti.isdigit()):
            raise EncodeError(field="t", found=picture(mti), expected="4 digits")
        for number, value in message.fields.items():
            if number not in written.checks:
                expected = f"fields of {self.dialect.name} only"
                raise EncodeError(
                    field=None, found="a field that the dialect doesn't have", expected=expected
                )
            if not written.checks[number](value):
                raise EncodeError(field=number, found=picture(value), expected=form(written.dialect, number))
        try:
            # A copy: pyiso8583 adds the bitmaps to the dictionary that it is given.
            payload, _ = iso8583.encode({"t": mti, **message.fields}, written.spec)
        except iso8583.EncodeError as error:
            wrong = error.field
        else:
            key = (mti, *message.fields)
            if key not in self._encoders and self._encode_admission.admit(key):
                self._encoders[key] = self._compiled_encode(key)
            return bytes(payload)
        # Lengths are all that is left for pyiso8583 to refuse, and a track's = in BCD, which has D for it. Outside the
        # except block, as above.
        value, expected = message.fields[wrong], form(written.dialect, wrong)
        half_bytes = written.dialect.kinds[wrong] == "z" and written.spec[wrong]["data_enc"] == "b"
        if half_bytes and not CHECKS["b"](value):
            raise EncodeError(field=wrong, found=picture(value), expected=f"{expected}, D for =")
        raise EncodeError(field=wrong, found=f"{len(value)} characters", expected=expected)

    def _compiled_encode(self, key: tuple[str, ...]) -> Encode:
        try:
            return compile_encode(self.dialect, key[0], key[1:])
        except COMPILING_FAILED:
            return _ask_the_general_path


def _require_content(payload: bytes, fields: dict[str, str], encoded: Encoded, written: Written) -> None:
    """Refuse what pyiso8583 doesn't look at: characters, and lengths that int() takes, such as " 5" and "+5"."""
    checks, length_is_digits = written.checks, written.length_is_digits
    for number, value in fields.items():
        if not (checks[number](value) and length_is_digits(number, encoded[number]["len"])):
            raise content_refused(payload, fields, encoded, written)


def _ask_the_general_path(_: object, /) -> None:
    """Stands in for what can't be compiled, so that it is not tried again."""
