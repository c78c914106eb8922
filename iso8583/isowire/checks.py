"""What may stand in a field: the check of each class.

pyiso8583 checks lengths, never characters: it takes letters for an amount. Must not know where bytes stand; `codec`
does. Every check takes the empty text, which a variable field of length 0 holds.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
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


HEX_CHARACTERS_A_BYTE: Final = 2

STRICTER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mti": "the MTI is four digits; pyiso8583 takes any four characters",
        "bitmap": "a bitmap is hexadecimal characters only; pyiso8583 skips white space in it",
        "third bitmap": "a bit for DE65 is refused; pyiso8583 reads a third bitmap, and drops DE65 when it encodes",
        "unknown field": "a field that the dialect doesn't have is refused; pyiso8583 fails with a KeyError",
        "length": "a length in text is digits only; pyiso8583 takes what int() does, such as ' 5', '+5' and '-1'",
        "class": "the characters of a value are those of its class; pyiso8583 takes any, and A to F in BCD digits",
    }
)
"""Every way in which a codec refuses what pyiso8583 lets pass, or fails on. Nothing else differs: `fuzz.differential`
holds both sides to this list."""


def form(dialect: Dialect, number: str) -> str:
    """What would be right in a field, in words."""
    field = dialect.spec[number]
    up_to = "up to " if field["len_type"] else ""
    characters = field["max_len"]
    if field["data_enc"] == "b" and field.get("len_count", "bytes") == "bytes":
        characters *= HEX_CHARACTERS_A_BYTE
    return f"{up_to}{characters} {_WORDS[dialect.kinds[number]]}"
