"""The errors of the wire layer, each of them safe to print.

Owns what may be said about a message that went wrong. A value that came off the wire is shown as its picture only
(see `picture`), so neither `str` nor `repr` of an error can carry a PAN, a track or a PIN block, whatever a hostile or
shifted message put into which field. Must not know pyiso8583: its errors hold the raw message and are never chained.
"""

from collections.abc import Sequence
from typing import Literal

PICTURE_LENGTH_MAX_CHARS = 48
"""Longer pictures are cut: a DE43 (40 characters) still shows whole, a DE48 of 999 does not flood a log."""


def picture(text: str) -> str:
    """The shape of `text` without its content: digits become 9, ASCII letters A, what can't be printed ?.

    Spaces and punctuation stay, since they are what usually explains an error: `00000000A100` -> `99999999A999`.
    """
    shown = "".join([_picture_character(character) for character in text[:PICTURE_LENGTH_MAX_CHARS]])
    cut = "..." if len(text) > PICTURE_LENGTH_MAX_CHARS else ""
    return f"'{shown}{cut}'"


def _picture_character(character: str) -> str:
    if not (character.isascii() and character.isprintable()):
        return "?"
    if character.isdigit():
        return "9"
    return "A" if character.isalpha() else character


LossReason = Literal["not_a_length", "over_maximum", "not_an_envelope"]
"""Why framing was lost."""


class WireError(Exception):
    """Whatever the wire layer refuses. `str` and `repr` are safe to log and to show."""


class FramingError(WireError):
    """Where the next frame begins is no longer known, so the connection can't go on.

    `frames` are the whole frames that came before the lost place, in order: they are good and must be served.
    """

    def __init__(
        self,
        reason: LossReason,
        *,
        found: str,
        expected: str,
        frames: Sequence[bytes] = (),
    ) -> None:
        super().__init__(f"framing lost ({reason}): found {found}, expected {expected}")
        self.reason: LossReason = reason
        self.found = found
        self.expected = expected
        self.frames = list(frames)

    def __repr__(self) -> str:
        return f"FramingError({self.args[0]!r})"


class DecodeError(WireError):
    """A frame, or one field of it, that is not what the dialect says.

    `field` is the data element ("4"), "t" for the MTI, "p" or "1" for a bitmap, None where no single one is at fault;
    `offset` counts bytes from the start of the payload, None where the text of a field was checked on its own.
    `mti` is "" and `fields` empty as far as they are not known. `fields` holds only what was decoded before the error
    and passed its checks, so that a reply can echo it; it is never part of the error's text.
    """

    def __init__(
        self,
        *,
        field: str | None,
        found: str,
        expected: str,
        offset: int | None = None,
        mti: str = "",
        fields: dict[str, str] | None = None,
    ) -> None:
        place = "message" if field is None else _PLACES.get(field, f"DE{field}")
        at = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{place}{at}: found {found}, expected {expected}")
        self.field = field
        self.found = found
        self.expected = expected
        self.offset = offset
        self.mti = mti
        self.fields: dict[str, str] = {} if fields is None else fields

    def __repr__(self) -> str:
        return f"DecodeError({self.args[0]!r})"


class EncodeError(WireError):
    """A message that the dialect can't put on the wire: a fault of ours, never of the peer."""

    def __init__(self, *, field: str | None, found: str, expected: str) -> None:
        place = "message" if field is None else _PLACES.get(field, f"DE{field}")
        super().__init__(f"{place}: found {found}, expected {expected}")
        self.field = field
        self.found = found
        self.expected = expected

    def __repr__(self) -> str:
        return f"EncodeError({self.args[0]!r})"


class DialectError(WireError):
    """A dialect file that can't be used; the text names the file, the key, what is wrong and what would be right."""


_PLACES = {"t": "MTI", "p": "primary bitmap", "1": "secondary bitmap"}
