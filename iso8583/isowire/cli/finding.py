"""Which dialect and framing an input is in: those in which most of it decodes.

Reads files, cuts frames, decodes, and keeps what came of each message. Must not know how it is shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final, NoReturn

from isowire.cli.errors import bad_input, mask_digits
from isowire.cli.hextext import INPUT_BYTES_MAX, Chunk, Reading, is_capture, readings, why_not_hex
from isowire.codec import Codec, Message
from isowire.dialect import Dialect, dialect_names, load_dialect
from isowire.errors import DecodeError, FramingError
from isowire.framing import FRAMINGS, Framing
from isowire.mti import is_known

NO_FRAMING: Final = "none"
_PROBED: Final = 8
"""Messages by which an input is judged, so that a long one is not decoded once for every guess."""


_WHOLLY: Final = (1,)
"""The least score of a guess that needs no other beside it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message's bytes, and whose they are. `missing_bytes` is what its header says and the input hasn't."""

    payload: bytes
    label: str
    missing_bytes: int = 0

    def __repr__(self) -> str:
        return f"Frame({len(self.payload)} bytes)"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame and what came of it: a message, or the error that has what did decode."""

    frame: Frame
    message: Message | None
    error: DecodeError | None


@dataclass(frozen=True, slots=True)
class Cut:
    """The frames of an input. `lost` says where framing was lost, once for each chunk that it was lost in."""

    frames: tuple[Frame, ...]
    keepalives: int
    lost: tuple[FramingError, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """How an input reads."""

    how: str
    dialect: Dialect
    framing: str
    keepalives: int
    lost: tuple[FramingError, ...]
    decoded: tuple[Decoded, ...]

    @property
    def clean(self) -> bool:
        return not self.lost and all(each.error is None for each in self.decoded)


def read_input(name: str) -> bytes:
    """The bytes of a file, or of standard input for "-". Exit code 2 where there are none, or too many."""
    if name == "-":
        if sys.stdin.isatty():
            print("Paste a message, then press Enter and Ctrl-D.", file=sys.stderr)  # noqa: T201
        data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    else:
        path = Path(name)
        if not path.exists():
            bad_input(
                f"{mask_digits(name)}: no such file (messages are read from files or standard input: what "
                "stands on a command line can be seen with ps)"
            )
        with path.open("rb") as file:
            data = file.read(INPUT_BYTES_MAX + 1)
    what = "standard input" if name == "-" else mask_digits(name)
    if len(data) > INPUT_BYTES_MAX:
        bad_input(f"{what}: found more than {INPUT_BYTES_MAX} bytes, expected some messages")
    if not data.strip():
        bad_input(f"{what}: found nothing, expected a message")
    if is_capture(data):
        bad_input(
            f"{what}: is a packet capture; give me its text: tcpdump -r FILE -X port PORT | isowire decode"
        )
    return data


def find(data: bytes, dialect: str, framing: str) -> Found:
    """How `data` reads best, with the dialect and framing that are given, or ("") those that fit best.

    Exit code 2 where nothing in it is like a message. Raises DialectError.
    """
    ways = readings(data)
    best: tuple[Reading, Dialect, str] | None = None
    best_score: tuple[int, ...] = ()
    for reading, candidate in product(ways, [dialect] if dialect else dialect_names()):
        codec = _codec(candidate)
        for name in _framings(framing, codec.dialect):
            score = _score(reading, codec, name)
            if score > best_score:
                best, best_score = (reading, codec.dialect, name), score
            if score >= _WHOLLY:
                break
        if best_score >= _WHOLLY:
            break
    if best is None or (not any(best_score[:-1]) and not (dialect and framing)):
        _refuse(data, ways[-1], dialect)
    reading, chosen, name = best
    cut = _cut(reading.chunks, name)
    codec = Codec(chosen)
    decoded = tuple(_decode(codec, frame) for frame in cut.frames)
    return Found(reading.how, chosen, name, cut.keepalives, cut.lost, decoded)


@cache
def _codec(dialect: str) -> Codec:
    return Codec(load_dialect(dialect))


def _refuse(data: bytes, reading: Reading, dialect: str) -> NoReturn:
    wrong = why_not_hex(data)
    if wrong:
        bad_input(f"this is nearly hexadecimal: {wrong}")
    first = reading.chunks[0].data[:4] if reading.chunks else b""
    named = f"of {dialect}" if dialect else f"of {', '.join(dialect_names())} in any framing"
    shown = " ".join("3*" if byte in b"0123456789" else f"{byte:02X}" for byte in first)
    bad_input(f"found no message {named}: it begins with {shown}, read as {reading.how}")


def _framings(said: str, dialect: Dialect) -> list[str]:
    if said == NO_FRAMING or said in FRAMINGS:
        return [said]
    if said:
        bad_input(f"found framing {said!r}, expected {NO_FRAMING} or one of {', '.join(FRAMINGS)}")
    return list(dict.fromkeys((NO_FRAMING, dialect.default_framing, *FRAMINGS)))


def _score(reading: Reading, codec: Codec, framing: str) -> tuple[int, ...]:
    """How well this fits: 1 for wholly, percent of good messages, and so on. All 0: not at all."""
    cut = _cut(reading.chunks, framing)
    probed = [_decode(codec, frame) for frame in cut.frames[:_PROBED]]
    version = codec.dialect.version
    good = sum(each.message is not None and is_known(each.message.mti, version) for each in probed)
    errors = [each.error for each in probed if each.error is not None]
    known = [error for error in errors if is_known(error.mti, version)]
    clean = good > 0 and good == len(probed) and not cut.lost
    # Of pieces that an input was cut into, most may be good by chance; of the whole, not so.
    share = good * 100 // len(probed) if probed else 0
    fields = sum(len(error.fields) for error in known)
    # The two zero bytes before each short frame of bin4 are keep-alives to bin2: the fewer, the likelier.
    return int(clean and not cut.keepalives), int(clean), share, fields, len(known), good, -cut.keepalives


def _cut(chunks: Iterable[Chunk], framing: str) -> Cut:
    if framing == NO_FRAMING:
        return Cut(tuple(Frame(chunk.data, chunk.label) for chunk in chunks), 0, ())
    way = FRAMINGS[framing]
    frames: list[Frame] = []
    lost: list[FramingError] = []
    keepalives = 0
    for chunk in chunks:
        reader = way.reader(way.frame_length_max_bytes)
        try:
            payloads = reader.feed(chunk.data)
        except FramingError as error:
            payloads = error.frames
            lost.append(error)
        frames += [Frame(payload, chunk.label) for payload in payloads]
        keepalives += reader.keepalives
        if reader.buffered_bytes:
            frames += _incomplete(chunk, reader.buffered_bytes, way)
    return Cut(tuple(frames), keepalives, tuple(lost))


def _incomplete(chunk: Chunk, held: int, framing: Framing) -> Iterator[Frame]:
    """What is there of a last frame that the input ends in."""
    rest = chunk.data[-held:]
    header = framing.header_bytes
    said = framing.length_at(rest, 0) if held >= header else 0
    yield Frame(rest[header + framing.overhead_bytes :], chunk.label, max(header + said - held, 1))


def _decode(codec: Codec, frame: Frame) -> Decoded:
    try:
        return Decoded(frame, codec.decode(frame.payload), None)
    except DecodeError as error:
        return Decoded(frame, None, error)
