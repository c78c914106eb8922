"""Where one message ends and the next begins on a TCP stream: length headers, envelopes, trailers.

Sans-I/O: bytes in, whole frames out. Owns the length header, the envelope between it and the message, keep-alives and
the maximum length; must not know what a message holds. `FRAMINGS` is the list of what a link may be configured with.
"""

import re
from abc import ABC, abstractmethod
from typing import Final, Self

from isowire.errors import EncodeError
from isowire.frame_reader import FrameReader, SealedReader

LONGEST_FRAME_BYTES: Final = 1 << 20
"""What a header of four bytes is let to say. Every field of 1987 or 1993 filled to its end makes some 100 kB, so more
is no message, and each connection may hold one frame in memory."""


class Framing(ABC):
    """One way to cut a stream. `header_bytes` is the length header alone; what a length counts is its own affair."""

    name: str
    header_bytes: int
    frame_length_max_bytes: int
    """The longest message that the header can announce; a link's own maximum may be lower, never higher."""
    overhead_bytes: int = 0
    """Of a frame, what is neither length header nor message: envelope and trailer."""
    length_form: str
    """What the header looks like, for the error that says it doesn't."""

    @abstractmethod
    def header(self, length: int) -> bytes:
        """The header before `length` bytes, which the caller has checked to fit."""

    @abstractmethod
    def length_at(self, data: bytes, offset: int) -> int:
        """How many bytes follow the whole header that stands at `offset`; -1 where it is no length."""

    def wrap(self, payload: bytes) -> bytes:
        """The frame of a message of our own. An empty payload makes a keep-alive. Raises EncodeError: too long."""
        self._require_room(payload)
        return self.header(len(payload)) + payload

    def answer(self, envelope: bytes, payload: bytes) -> bytes:  # noqa: ARG002 - most framings have none
        """The frame that answers what came in `envelope` (see `envelope_of`). Raises EncodeError: too long."""
        return self.wrap(payload)

    def reader(self, frame_length_max_bytes: int) -> FrameReader:
        """A reader for one connection. Raises ValueError where the header could not say that maximum."""
        return FrameReader(self, frame_length_max_bytes)

    def _require_room(self, payload: bytes) -> None:
        if len(payload) > self.frame_length_max_bytes:
            raise EncodeError(
                field=None,
                found=f"{len(payload)} bytes",
                expected=f"at most {self.frame_length_max_bytes} bytes in a frame of {self.name}",
            )


class _Bin2(Framing):
    """Two bytes, big-endian."""

    name = "bin2"
    header_bytes = 2
    frame_length_max_bytes = 0xFFFF
    length_form = "2 bytes"

    def header(self, length: int) -> bytes:
        return length.to_bytes(2, "big")

    def length_at(self, data: bytes, offset: int) -> int:
        return data[offset] << 8 | data[offset + 1]


class _Bin2Inclusive(_Bin2):
    """Two bytes, big-endian, that count themselves."""

    name = "bin2-inclusive"
    frame_length_max_bytes = 0xFFFF - 2
    length_form = "2 bytes, at least 2"

    def header(self, length: int) -> bytes:
        return (length + 2).to_bytes(2, "big")

    def length_at(self, data: bytes, offset: int) -> int:
        said = data[offset] << 8 | data[offset + 1]
        # Peers send two zero bytes to keep a line open whatever their lengths count.
        return said - 2 if said >= 2 else -said


class _Bcd2(Framing):
    """Four decimal digits in two bytes."""

    name = "bcd2"
    header_bytes = 2
    frame_length_max_bytes = 9999
    length_form = "4 BCD digits"

    def header(self, length: int) -> bytes:
        return bytes.fromhex(f"{length:04}")

    def length_at(self, data: bytes, offset: int) -> int:
        said = data[offset : offset + 2].hex()
        return int(said) if said.isdigit() else -1


class _Ascii4(Framing):
    """Four ASCII digits."""

    name = "ascii4"
    header_bytes = 4
    frame_length_max_bytes = 9999
    length_form = "4 ASCII digits"

    def header(self, length: int) -> bytes:
        return b"%04d" % length

    def length_at(self, data: bytes, offset: int) -> int:
        # bytes.isdigit is ASCII only; int() alone would take "+123", " 123" and "1_23" too.
        said = data[offset : offset + 4]
        return int(said) if said.isdigit() else -1


class _Hex4(Framing):
    """Four hexadecimal characters in ASCII; capitals are written, both are read."""

    name = "hex4"
    header_bytes = 4
    frame_length_max_bytes = 0xFFFF
    length_form = "4 hexadecimal characters"
    _FORM: Final = re.compile(rb"[0-9A-Fa-f]{4}")

    def header(self, length: int) -> bytes:
        return b"%04X" % length

    def length_at(self, data: bytes, offset: int) -> int:
        # int() alone would take "0x1F", and bytes.fromhex white space.
        found = self._FORM.match(data, offset)
        return int(found[0], 16) if found else -1


class _Bin4(Framing):
    """Four bytes, big-endian."""

    name = "bin4"
    header_bytes = 4
    frame_length_max_bytes = LONGEST_FRAME_BYTES
    length_form = "4 bytes"

    def header(self, length: int) -> bytes:
        return length.to_bytes(4, "big")

    def length_at(self, data: bytes, offset: int) -> int:
        return int.from_bytes(data[offset : offset + 4], "big")


class Frame(bytes):
    """A message that came in an envelope: still the message's bytes, and what its answer is to be built from."""

    envelope: bytes

    def __new__(cls, payload: bytes, envelope: bytes) -> Self:
        frame = super().__new__(cls, payload)
        frame.envelope = envelope
        return frame


def envelope_of(frame: bytes) -> bytes:
    """What `Framing.answer` needs of a frame that a reader gave; empty where the framing has no envelope."""
    return frame.envelope if isinstance(frame, Frame) else b""


class Sealed(_Bin2):
    """A length header that counts more than the message: `overhead_bytes` before or behind it."""

    @abstractmethod
    def open(self, body: bytes) -> bytes | None:
        """The message in what the length counted, at least `overhead_bytes`; None where it isn't sealed this way."""

    @abstractmethod
    def seal(self, payload: bytes, envelope: bytes) -> bytes:
        """What the length counts for `payload`, which answers what came in `envelope` (empty: ours to begin)."""

    def wrap(self, payload: bytes) -> bytes:
        return self.answer(b"", payload)

    def answer(self, envelope: bytes, payload: bytes) -> bytes:
        if not payload:
            return self.header(0)
        self._require_room(payload)
        body = self.seal(payload, envelope)
        return self.header(len(body)) + body

    def reader(self, frame_length_max_bytes: int) -> FrameReader:
        return SealedReader(self, frame_length_max_bytes)


class _Tpdu(Sealed):
    """bin2, then a transport header of five bytes: its kind, the destination, the source (two bytes each)."""

    name = "bin2-tpdu"
    overhead_bytes = 5
    frame_length_max_bytes = 0xFFFF - overhead_bytes
    _OWN: Final = bytes.fromhex("6000000000")
    """60 is the kind that terminals and concentrators use for transactions."""

    def open(self, body: bytes) -> bytes:
        return Frame(body[5:], body[:5])

    def seal(self, payload: bytes, envelope: bytes) -> bytes:
        came = envelope or self._OWN
        return came[:1] + came[3:5] + came[1:3] + payload


class _Base1(Sealed):
    """Two bytes of length, two reserved, then the BASE I header of 22 bytes.

    Of the header: byte 0 its own length, 3-4 that of header and message, 5-7 the destination station, 8-10 the source
    station. The rest goes back as it came. A header that says it is longer (that of a rejected message) is kept whole.
    """

    name = "visa-base1"
    header_bytes = 4
    overhead_bytes = 22
    frame_length_max_bytes = 0xFFFF - 0xFF
    """Beside the longest header that its own first byte can say."""
    _OWN: Final = bytes.fromhex("16 01 02") + bytes(19)
    """Header format 1, text format 2, and no station, as jPOS's BASE1Header has it unconfigured."""

    def header(self, length: int) -> bytes:
        return length.to_bytes(2, "big") + b"\0\0"

    def open(self, body: bytes) -> bytes | None:
        length = body[0]
        if not self.overhead_bytes <= length <= len(body):
            return None
        return Frame(body[length:], body[:length])

    def seal(self, payload: bytes, envelope: bytes) -> bytes:
        came = envelope or self._OWN
        length = (len(came) + len(payload)).to_bytes(2, "big")
        return came[:3] + length + came[8:11] + came[5:8] + came[11:] + payload


class _Etx(Sealed):
    """bin2, and a trailing ETX that the length counts."""

    name = "bin2-etx"
    overhead_bytes = 1
    frame_length_max_bytes = 0xFFFF - overhead_bytes
    _ETX: Final = b"\x03"

    def open(self, body: bytes) -> bytes | None:
        return body[:-1] if body[-1:] == self._ETX else None

    def seal(self, payload: bytes, envelope: bytes) -> bytes:  # noqa: ARG002 - it has none
        return payload + self._ETX


FRAMINGS: dict[str, Framing] = {
    framing.name: framing
    for framing in (
        _Bin2(),
        _Bin2Inclusive(),
        _Bcd2(),
        _Ascii4(),
        _Hex4(),
        _Bin4(),
        _Tpdu(),
        _Base1(),
        _Etx(),
    )
}
