"""What may stand in a field: the check of each class, gathered for the set of fields that a message has.

pyiso8583 checks lengths, never characters: it takes letters for an amount. Must not know where bytes stand; `codec`
does. A message of 17 fields costs some 2.5 us here when its set of fields has been seen before, 9 us field by field.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from isowire.dialect import Dialect, Kind


def _digits(text: str) -> bool:
    # str.isdigit alone takes the digits of every script, and superscripts. Empty: a variable field of length 0.
    return not text or (text.isascii() and text.isdigit())


def _letters(text: str) -> bool:
    return not text or (text.isascii() and (text.isalpha() or text.replace(" ", "a").isalpha()))


def _letters_digits(text: str) -> bool:
    return not text or (text.isascii() and (text.isalnum() or text.replace(" ", "0").isalnum()))


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


_SIGNED: Final = re.compile("[CD][0-9]+")
_TRACK: Final = re.compile("[0-9:;<=>?DF]*")
_HEX: Final = re.compile("[0-9A-Fa-f]*")


def _signed(text: str) -> bool:
    return _SIGNED.fullmatch(text) is not None


def _track(text: str) -> bool:
    return _TRACK.fullmatch(text) is not None


def _hex(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


CHECKS: Final[Mapping[Kind, Callable[[str], bool]]] = {
    "n": _digits,
    "a": _letters,
    "an": _letters_digits,
    "ans": _printable,
    "x+n": _signed,
    "z": _track,
    "b": _hex,
}

_WORDS: Final[Mapping[Kind, str]] = {
    "n": "digits",
    "a": "letters",
    "an": "letters and digits",
    "ans": "printable characters",
    "x+n": "characters: C or D, then digits",
    "z": "track characters (digits and = or D)",
    "b": "hexadecimal characters",
}

# Fields of these may be checked as one text. A sign can't: it would be taken in the wrong place.
_JOINED: Final[tuple[Kind, ...]] = ("n", "a", "an", "ans", "z", "b")


class Plan:
    """The checks for one set of fields of one dialect."""

    __slots__ = ("_groups", "_variable")

    def __init__(self, numbers: Iterable[str], dialect: Dialect) -> None:
        """`numbers` are fields that the dialect has."""
        numbers = tuple(numbers)
        kinds = dialect.kinds
        groups = [(CHECKS[kind], tuple(n for n in numbers if kinds[n] == kind)) for kind in _JOINED]
        groups += [(CHECKS["x+n"], (n,)) for n in numbers if kinds[n] == "x+n"]
        self._groups = tuple((check, group) for check, group in groups if group)
        self._variable = tuple(n for n in numbers if dialect.spec[n]["len_type"])

    def accepts(self, fields: Mapping[str, str]) -> bool:
        """Whether every field holds what its class allows. Raises TypeError where a value is no text."""
        return all(
            [check("".join([fields[number] for number in numbers])) for check, numbers in self._groups]
        )

    def accepts_lengths(self, encoded: Mapping[str, Mapping[str, bytes]]) -> bool:
        """Whether the length before each variable field is digits: pyiso8583 reads it with int(), so " 5" and "+5" too.

        `encoded` is the second value of `iso8583.decode`.
        """
        lengths = b"".join([encoded[number]["len"] for number in self._variable])
        return not lengths or lengths.isdigit()


def form(dialect: Dialect, number: str) -> str:
    """What would be right in a field, in words."""
    field = dialect.spec[number]
    up_to = "up to " if field["len_type"] else ""
    return f"{up_to}{field['max_len']} {_WORDS[dialect.kinds[number]]}"
