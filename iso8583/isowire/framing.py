"""Length headers: where one message ends and the next begins on a TCP stream.

Sans-I/O: bytes in, whole frames out. Owns the length header, keep-alives and the maximum length; must not know what a
frame holds. `FRAMINGS` is the list of what a link may be configured with.
"""

from abc import ABC, abstractmethod

from isowire.errors import EncodeError, FramingError


class Framing(ABC):
    """One kind of length header. The length it says excludes the header itself."""

    name: str
    header_bytes: int
    frame_length_max_bytes: int
    """What the header can say; a link's own maximum may be lower, never higher."""

    @abstractmethod
    def header(self, length: int) -> bytes:
        """The header of a frame of `length` bytes, which the caller has checked to fit."""

    @abstractmethod
    def length_at(self, data: bytes, offset: int) -> int:
        """The length said by the whole header that stands at `offset`; -1 where it is no length."""

    def wrap(self, payload: bytes) -> bytes:
        """Header and payload. An empty payload makes a keep-alive. Raises EncodeError where it is too long."""
        length = len(payload)
        if length > self.frame_length_max_bytes:
            raise EncodeError(
                field=None,
                found=f"{length} bytes",
                expected=f"at most {self.frame_length_max_bytes} bytes in a frame of {self.name}",
            )
        return self.header(length) + payload

    def reader(self, frame_length_max_bytes: int) -> "FrameReader":
        """A reader for one connection. Raises ValueError where the header could not say that maximum."""
        return FrameReader(self, frame_length_max_bytes)


class _Bin2(Framing):
    """Two bytes, big-endian."""

    name = "bin2"
    header_bytes = 2
    frame_length_max_bytes = 0xFFFF

    def header(self, length: int) -> bytes:
        return length.to_bytes(2, "big")

    def length_at(self, data: bytes, offset: int) -> int:
        return data[offset] << 8 | data[offset + 1]


class _Ascii4(Framing):
    """Four ASCII digits."""

    name = "ascii4"
    header_bytes = 4
    frame_length_max_bytes = 9999

    def header(self, length: int) -> bytes:
        return b"%04d" % length

    def length_at(self, data: bytes, offset: int) -> int:
        # bytes.isdigit is ASCII only; int() alone would take "+123", " 123" and "1_23" too.
        said = data[offset : offset + 4]
        return int(said) if said.isdigit() else -1


FRAMINGS: dict[str, Framing] = {framing.name: framing for framing in (_Bin2(), _Ascii4())}


class FrameReader:
    """Cuts one connection's bytes into frames.

    Holds the incomplete frame only: at most header plus `frame_length_max_bytes`, because a length is checked as soon
    as its header is there, before any of the frame is kept. A frame of length zero is a keep-alive: skipped, counted.
    """

    __slots__ = ("_buffer", "_framing", "_lost", "_needed_bytes", "frame_length_max_bytes", "keepalives")

    def __init__(self, framing: Framing, frame_length_max_bytes: int) -> None:
        if not 1 <= frame_length_max_bytes <= framing.frame_length_max_bytes:
            raise ValueError(
                f"frame_length_max_bytes is {frame_length_max_bytes}; "
                f"{framing.name} takes 1 to {framing.frame_length_max_bytes}"
            )
        self.frame_length_max_bytes = frame_length_max_bytes
        self.keepalives = 0
        self._framing = framing
        self._buffer = bytearray()
        self._needed_bytes = framing.header_bytes
        self._lost = False

    @property
    def buffered_bytes(self) -> int:
        """Bytes held of the incomplete frame, its header included; 0 between frames."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Every frame that `data` completes, in order, without headers.

        Raises FramingError where a header is no length or says more than the maximum. The frames before it are in the
        error's `frames`; from then on every call raises, since nothing later can be trusted.
        """
        if self._lost:
            raise FramingError("not_a_length", found="bytes behind a lost frame", expected="no more of them")
        if self._buffer:
            self._buffer += data
            # Until the frame under way is whole a call costs an append, so byte by byte stays linear.
            if len(self._buffer) < self._needed_bytes:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        return self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        header_bytes = self._framing.header_bytes
        length_at = self._framing.length_at
        maximum = self.frame_length_max_bytes
        frames: list[bytes] = []
        start, end = 0, len(data)
        self._needed_bytes = header_bytes
        while end - start >= header_bytes:
            length = length_at(data, start)
            if not 0 <= length <= maximum:
                raise self._lose(data[start : start + header_bytes], length, frames)
            stop = start + header_bytes + length
            if stop > end:
                self._needed_bytes = header_bytes + length
                break
            if length:
                frames.append(data[start + header_bytes : stop])
            else:
                self.keepalives += 1
            start = stop
        if start < end:
            self._buffer += data[start:]
        return frames

    def _lose(self, header: bytes, length: int, frames: list[bytes]) -> FramingError:
        self._lost = True
        if length < 0:
            expected = f"a length of {len(header)} ASCII digits"
            return FramingError("not_a_length", found=_show_header(header), expected=expected, frames=frames)
        found, expected = f"a length of {length} bytes", f"at most {self.frame_length_max_bytes} bytes"
        return FramingError("over_maximum", found=found, expected=expected, frames=frames)


def _show_header(header: bytes) -> str:
    """What stands for a length, digits hidden: four letters tell an HTTP or TLS client, digits might be of a card."""
    shown = header.decode("latin-1").encode("unicode_escape").decode("ascii")
    return "'" + "".join(["#" if character.isdigit() else character for character in shown]) + "'"
