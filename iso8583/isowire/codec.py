"""Payload bytes to `Message` and back, in one dialect.

Owns what a well-formed message is. pyiso8583 reads and writes the fields; this module refuses what it lets pass (wrong
characters, a length of "+5", white space in a bitmap, a third bitmap) and hides what it gives away (its errors hold the
raw message). Must not know what any field means.
"""

from typing import Final, TypeVar

import iso8583
from isowire.checks import CHECKS, Plan, form
from isowire.dialect import Dialect
from isowire.errors import EncodeError, picture
from isowire.refusals import content_refused, layout_refused, numbers_of

PLANS_MAX: Final = 1024
"""Sets of fields whose checks are remembered, each about 1 kB. Networks use a few dozen. Only good messages are
remembered; a peer that makes up new sets empties the memory, which costs the others 30 us a set."""

SHOWN_FIELDS: Final = frozenset(
    [
        "3",
        "4",
        "7",
        "11",
        "12",
        "13",
        "15",
        "18",
        "19",
        "22",
        "24",
        "25",
        "32",
        "33",
        "37",
        "38",
        "39",
        "41",
        "49",
        "70",
    ]
)
"""What `repr` of a message may show: short fields that no PAN belongs in. All others are masked, new ones too."""

_SHOWN_LENGTH_MAX: Final = 12
_Key = TypeVar("_Key", bytes, tuple[str, ...])


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
        self._decode_plans: dict[bytes, Plan] = {}
        self._encode_plans: dict[tuple[str, ...], Plan] = {}

    def decode(self, payload: bytes) -> Message:
        """The message in `payload`, which is a whole frame without its header.

        Raises DecodeError, and nothing else, for bytes that are no message of the dialect.
        """
        # Beyond "7" the first bit is set: a second bitmap follows.
        bitmaps = payload[4:36] if payload[4:5] > b"7" else payload[4:20]
        plan = self._decode_plans.get(bitmaps)
        new = plan is None
        if plan is None:
            plan = Plan(numbers_of(payload, bitmaps, self.dialect), self.dialect)
        try:
            fields, encoded = iso8583.decode(payload, self._spec)
        except Exception as error:  # noqa: BLE001  # whatever hostile bytes get out of it is a message refused
            failure = error
        else:
            mti = fields.pop("t")
            del fields["p"]
            fields.pop("1", None)
            if not (mti.isdigit() and plan.accepts(fields) and plan.accepts_lengths(encoded)):
                raise content_refused(payload, fields, encoded, self.dialect)
            if new:
                _remember(self._decode_plans, bitmaps, plan)
            return Message(mti, fields)
        # Outside the except block: there the new error would hold the old one, and with it the raw message.
        raise layout_refused(payload, failure, self.dialect)

    def encode(self, message: Message) -> bytes:
        """The payload of `message`, which is not changed. Raises EncodeError where it doesn't fit the dialect."""
        numbers = tuple(message.fields)
        plan = self._encode_plans.get(numbers)
        new = plan is None
        if plan is None:
            plan = self._plan_of_numbers(numbers)
        self._require_content(message, plan)
        try:
            # A copy: pyiso8583 adds the bitmaps to the dictionary that it is given.
            payload, _ = iso8583.encode({"t": message.mti, **message.fields}, self._spec)
        except iso8583.EncodeError as error:
            number = error.field
        else:
            if new:
                _remember(self._encode_plans, numbers, plan)
            return bytes(payload)
        length = len(message.fields[number])
        raise EncodeError(field=number, found=f"{length} characters", expected=form(self.dialect, number))

    def _plan_of_numbers(self, numbers: tuple[str, ...]) -> Plan:
        if any(number not in self.dialect.kinds for number in numbers):
            raise EncodeError(
                field=None,
                found="a field that the dialect doesn't have",
                expected=f"fields of {self.dialect.name} only",
            )
        return Plan(numbers, self.dialect)

    def _require_content(self, message: Message, plan: Plan) -> None:
        mti = message.mti
        if not (len(mti) == 4 and mti.isascii() and mti.isdigit()):
            raise EncodeError(field="t", found=picture(mti), expected="4 digits")
        if not plan.accepts(message.fields):
            for number, value in message.fields.items():
                if not CHECKS[self.dialect.kinds[number]](value):
                    raise EncodeError(field=number, found=picture(value), expected=form(self.dialect, number))


def _remember(plans: dict[_Key, Plan], key: _Key, plan: Plan) -> None:
    if len(plans) >= PLANS_MAX:
        plans.clear()
    plans[key] = plan
