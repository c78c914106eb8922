"""Cuts the bytes of one connection into frames, whatever the framing.

Sans-I/O. Owns the incomplete frame, keep-alives and what is done where the place is lost; what headers and envelopes
look like is in `framing`.
"""

from typing import TYPE_CHECKING

from isowire.errors import FramingError, LossReason

if TYPE_CHECKING:
    from isowire.framing import Framing, Sealed


class FrameReader:
    """Cuts one connection's bytes into frames.

    Holds the incomplete frame only: at most header, overhead and `frame_length_max_bytes`, because a length is checked
    as soon as its header is there, before any of the frame is kept. A frame without a message in it is a keep-alive:
    skipped, counted.
    """

    __slots__ = ("_buffer", "_framing", "_lost", "_needed_bytes", "frame_length_max_bytes", "keepalives")

    def __init__(self, framing: "Framing", frame_length_max_bytes: int) -> None:
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
        """Every message that `data` completes, in order; one that came in an envelope is a `Frame`.

        Raises FramingError where a header is no length or says more than the maximum, or an envelope is not what the
        framing says. The messages before it are in the error's `frames`; from then on every call raises, since nothing
        later can be trusted.
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
            expected = f"a length of {self._framing.length_form}"
            return FramingError("not_a_length", found=_show_header(header), expected=expected, frames=frames)
        most = self.frame_length_max_bytes + self._framing.overhead_bytes
        found, expected = f"a length of {length} bytes", f"at most {most} bytes"
        return FramingError("over_maximum", found=found, expected=expected, frames=frames)


class SealedReader(FrameReader):
    """The reader of framings that put more than a length around a message.

    Apart from `FrameReader`, whose loop is the hot one, though the two are alike.
    """

    __slots__ = ("_sealed",)

    def __init__(self, framing: "Sealed", frame_length_max_bytes: int) -> None:
        super().__init__(framing, frame_length_max_bytes)
        self._sealed = framing

    def _cut(self, data: bytes) -> list[bytes]:
        framing = self._sealed
        header_bytes, overhead = framing.header_bytes, framing.overhead_bytes
        frames: list[bytes] = []
        start, end = 0, len(data)
        self._needed_bytes = header_bytes
        while end - start >= header_bytes:
            length = framing.length_at(data, start)
            if length > self.frame_length_max_bytes + overhead:
                raise self._lose(data[start : start + header_bytes], length, frames)
            if 0 < length < overhead:
                found = f"a length of {length} bytes"
                raise self._give_up("not_a_length", found, f"0, or at least {overhead} bytes", frames)
            stop = start + header_bytes + length
            if stop > end:
                self._needed_bytes = header_bytes + length
                break
            message = framing.open(data[start + header_bytes : stop]) if length else b""
            if message is None:
                found = "a frame that begins or ends otherwise"
                raise self._give_up("not_an_envelope", found, f"a frame of {framing.name}", frames)
            if message:
                frames.append(message)
            else:
                self.keepalives += 1
            start = stop
        if start < end:
            self._buffer += data[start:]
        return frames

    def _give_up(self, reason: LossReason, found: str, expected: str, frames: list[bytes]) -> FramingError:
        self._lost = True
        return FramingError(reason, found=found, expected=expected, frames=frames)


def _show_header(header: bytes) -> str:
    """What stands for a length, digits hidden: four letters tell an HTTP or TLS client, digits might be of a card."""
    shown = header.decode("latin-1").encode("unicode_escape").decode("ascii")
    return "'" + "".join(["#" if character.isdigit() else character for character in shown]) + "'"
