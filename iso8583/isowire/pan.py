"""The primary account number: a type that does not show it, its check digit, and where a message carries it.

Must not know what card it names. A PAN leaves `Pan` only through `reveal`, a word that a review can search for.
"""

import re
from typing import TYPE_CHECKING, Final, NoReturn

from isowire.errors import DecodeError, picture

if TYPE_CHECKING:
    from isowire.codec import Message

PAN_DIGITS_MIN: Final = 12
"""ISO/IEC 7812 lets issuers go down to 10; ISO 8583 networks route nothing shorter than 12."""
PAN_DIGITS_MAX: Final = 19
"""ISO/IEC 7812-1, and the maximum of DE2."""

_TRACK_2_SEPARATOR = re.compile("[=D]")
_DOUBLED = tuple(sum(divmod(2 * digit, 10)) for digit in range(10))


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1 annex B. False for what is not all ASCII digits."""
    if not _is_digits(digits):
        return False
    total = sum(map(int, digits[-1::-2])) + sum([_DOUBLED[int(digit)] for digit in digits[-2::-2]])
    return total % 10 == 0


class Pan:
    """A PAN that shows its last four digits only, whichever way it is printed.

    Equality and hash are those of the digits, so it can key a dictionary. It does not pickle: no file shall hold one.
    Raises ValueError, without the digits, where they are not 12 to 19 ASCII digits.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        if not _is_pan(digits):
            raise ValueError(f"a PAN is {PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits")
        self._digits = digits

    def reveal(self) -> str:
        """The digits."""
        return self._digits

    @property
    def last_four(self) -> str:
        return self._digits[-4:]

    def __str__(self) -> str:
        return "*" * (len(self._digits) - 4) + self.last_four

    def __repr__(self) -> str:
        return f"Pan('{self}')"

    def __format__(self, format_spec: str) -> str:
        return format(str(self), format_spec)

    def __len__(self) -> int:
        return len(self._digits)

    def __eq__(self, other: object) -> bool:
        return self._digits == other._digits if isinstance(other, Pan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._digits)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Pan is not pickled: no file or pipe shall hold one")


def pan_of(message: "Message") -> str | None:
    """The PAN of `message`: DE2, else DE35 up to its separator; None where it has neither.

    Raises DecodeError for a PAN that is not 12 to 19 digits, for a track without separator, and (field "35") where
    DE2 and DE35 name different cards. The check digit is not looked at: a wrong one is an unknown card, not an error.
    """
    fields = message.fields
    pan = fields.get("2")
    track_2 = fields.get("35")
    if pan is not None and not _is_pan(pan):
        raise _refusal(message, "2", picture(pan), f"{PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits")
    if track_2 is None:
        return pan
    separator = _TRACK_2_SEPARATOR.search(track_2)
    if separator is None or not _is_pan(track_2[: separator.start()]):
        raise _refusal(
            message,
            "35",
            picture(track_2),
            f"a PAN of {PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits, then = or D",
        )
    track_pan = track_2[: separator.start()]
    if pan is not None and pan != track_pan:
        raise _refusal(message, "35", "another PAN than DE2 has", "the PAN of DE2")
    return track_pan


def _refusal(message: "Message", field: str, found: str, expected: str) -> DecodeError:
    good = {number: value for number, value in message.fields.items() if number != field}
    return DecodeError(field=field, found=found, expected=expected, mti=message.mti, fields=good)


def _is_digits(text: str) -> bool:
    # str.isdigit alone takes the digits of every script, and superscripts.
    return text.isascii() and text.isdigit()


def _is_pan(text: str) -> bool:
    return PAN_DIGITS_MIN <= len(text) <= PAN_DIGITS_MAX and _is_digits(text)
