"""What of a message may be shown. Owns the difference between "sensitive", which --reveal shows, and "never".

PIN, card verification codes and tracks are never shown: no one who reads a dump needs them, and card schemes forbid to
keep them (PCI DSS 3.3), as a terminal's scrollback or a ticket would.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from isowire.codec import Message
from isowire.dialect import Dialect
from isowire.errors import DecodeError
from isowire.pan import PAN_DIGITS_MAX, PAN_DIGITS_MIN, luhn_valid, pan_of

ALWAYS_SENSITIVE: Final = frozenset({"2", "14", "34", "35", "36", "45", "52", "53"})
"""Whatever a dialect says: its author may have forgotten one."""
FIRST_FIELD: Final = 2
NEVER_SHOWN: Final = frozenset({"35", "36", "45", "52", "53"})
"""Tracks; PIN and what goes with it (in DE53 some networks put the code that is printed on the card)."""
NEVER_SHOWN_WHOLE: Final = frozenset({"48", "55", "126"})
"""Networks put CVV2 into 48 and 126, track 2 and PIN data into 55: shown part by part, or not at all."""
TAGS_NEVER_SHOWN: Final = frozenset({"56", "57", "99", "9F1F", "9F20", "9F6B"})
"""Of DE55: track 1 and 2, and what is in them; PIN data."""

_SECRET_PART: Final = re.compile(
    r"\b(cvv|cvc|csc|cid|cav|pin|track)(\b|[0-9])|verification (code|value)|security code", re.IGNORECASE
)
_HIDES: Final = re.compile(r"[^\s=^/:;,.|+-]")
_SHAPE_CHARACTERS_MAX: Final = 40
_PAN_SHOWN_DIGITS: Final = 4


def counted(number: int, what: str) -> str:
    """As "1 byte", "2 bytes"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def masked(number: str, kind: str, value: str) -> str:
    """What stands for a value: of a PAN the last four digits, of others the shape."""
    if kind == "b":
        return f"({counted(len(value) // 2, 'byte')})" if value else ""
    if number == "2" and PAN_DIGITS_MIN <= len(value) <= PAN_DIGITS_MAX:
        return "*" * (len(value) - _PAN_SHOWN_DIGITS) + value[-_PAN_SHOWN_DIGITS:]
    if len(value) > _SHAPE_CHARACTERS_MAX:
        return f"({len(value)} characters)"
    return _HIDES.sub("*", value)


@dataclass(frozen=True, slots=True)
class Masker:
    """What may be shown of one message. `doubted_from`: where fields of this number and up stand is in doubt, so
    they may hold pieces of any other, and nothing of them is shown.
    """

    dialect: Dialect
    reveal: bool
    doubted_from: int | None = None
    pans: frozenset[str] = field(default=frozenset(), repr=False)

    def sensitive(self, number: str) -> bool:
        return number in ALWAYS_SENSITIVE or number in self.dialect.sensitive

    def doubts(self, number: str) -> bool:
        return self.doubted_from is not None and int(number) >= self.doubted_from

    def hides(self, number: str) -> bool:
        """Whether the whole value is masked."""
        if self.doubts(number) or number in NEVER_SHOWN:
            return True
        if not self.reveal:
            return self.sensitive(number)
        return number in NEVER_SHOWN_WHOLE and self.sensitive(number)

    def hides_part(self, number: str, key: str, name: str, value: str) -> bool:
        """Whether one part of a field with a declared form is masked."""
        if self.doubts(number) or number in NEVER_SHOWN:
            return True
        if not self.sensitive(number):
            return False
        if not self.reveal:
            return True
        secret = key in TAGS_NEVER_SHOWN or _SECRET_PART.search(f"{key} {name}") is not None
        return secret or not value

    def text(self, value: str) -> str:
        """A value that is shown, without the card's number should it stand in there."""
        if not self.reveal:
            for pan in self.pans:
                value = value.replace(pan, masked("2", "n", pan))
        return value


def masker_for(dialect: Dialect, mti: str, fields: Mapping[str, str], *, reveal: bool) -> Masker:
    """The masker of a message that decodes."""
    return Masker(dialect.for_mti(mti), reveal, pans=_pans(fields))


def masker_for_refused(dialect: Dialect, error: DecodeError, *, reveal: bool, fits: bool) -> Masker:
    """The masker of what is known of one that does not. `fits`: its fields end where it does.

    A card number that is not right says that the fields behind it may be shifted, and hold pieces of it; a message
    that doesn't fit says so of those behind the error.
    """
    doubted_from = None
    if not fits and error.field is not None and error.field.isdigit():
        doubted_from = int(error.field)
    try:
        pan = pan_of(Message(error.mti, dict(error.fields)))
        right = pan is None or luhn_valid(pan)
    except DecodeError:
        right = False
    if not right:
        doubted_from = FIRST_FIELD
    return Masker(dialect.for_mti(error.mti), reveal, doubted_from, _pans(error.fields))


def _pans(fields: Mapping[str, str]) -> frozenset[str]:
    """The card numbers that a message holds: in DE2, DE34 (behind 59 and a country), and at the head of the tracks."""
    found = {fields.get("2", "")}
    for number in ("34", "35", "36", "45"):
        found |= set(re.findall(rf"[0-9]{{{PAN_DIGITS_MIN},{PAN_DIGITS_MAX}}}", fields.get(number, "")))
    return frozenset(pan for pan in found if len(pan) >= PAN_DIGITS_MIN)
