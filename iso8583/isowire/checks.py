"""What may stand in a field: the check of each class.

pyiso8583 checks lengths, never characters: it takes letters for an amount. Must not know where bytes stand; `codec`
does. Every check takes the empty text, which a variable field of length 0 holds.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from isowire.dialect import Dialect, Kind


def _digits(text: str) -> bool:
    # str.isdigit alone takes the digits of every script, and superscripts.
    return not text or (text.isascii() and text.isdigit())


def _letters(text: str) -> bool:
    return not text or (text.isascii() and (text.isalpha() or text.replace(" ", "a").isalpha()))


def _letters_digits(text: str) -> bool:
    return not text or (text.isascii() and (text.isalnum() or text.replace(" ", "0").isalnum()))


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


_SIGNED: Final = re.compile("([CD][0-9]+)?")
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


def form(dialect: Dialect, number: str) -> str:
    """What would be right in a field, in words."""
    field = dialect.spec[number]
    up_to = "up to " if field["len_type"] else ""
    return f"{up_to}{field['max_len']} {_WORDS[dialect.kinds[number]]}"
