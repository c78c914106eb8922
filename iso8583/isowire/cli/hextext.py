"""From what people paste to bytes: hexadecimal in its many forms, dumps with offsets and characters, or bytes.

Gives every way in which an input can be read, the likeliest first; which one it is, `finding` says by decoding. Must
not know messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from isowire.cli.packets import tcp_streams

INPUT_BYTES_MAX: Final = 16 << 20
"""Of dump or bytes: some 100,000 messages. More is a job for a program, not for a person's eyes."""

_DUMP_LINE: Final = re.compile(r"([ \t]*)(?:0x)?([0-9A-Fa-f]{4,16})(?::[ \t]*|[ \t]+|$)(.*)")
_DUMP_LINE_BYTES_MAX: Final = 64
_REPEATED: Final = "*"
"""What hexdump and xxd print for lines like the one before."""
_COLUMNS_APART: Final = re.compile(r" {2,}|\t")
_NOISE: Final = re.compile(r"0[xX](?=[0-9A-Fa-f]{2})|\\x|[\s:,;{}\[\]\"'<>|-]")
_NOT_HEX: Final = re.compile(r"[^0-9A-Fa-f]")
_NEARLY_HEX: Final = 0.9
_PCAP_MAGICS: Final = frozenset(
    map(bytes.fromhex, ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a"))
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that belong together: a message, or a stream of frames. `label` says whose ("" where there is one only)."""

    data: bytes
    label: str = ""

    def __repr__(self) -> str:
        return f"Chunk({len(self.data)} bytes, {self.label!r})"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read an input."""

    how: str
    chunks: tuple[Chunk, ...]


def is_capture(data: bytes) -> bool:
    """Whether this is a packet capture's file, pcap or pcapng."""
    return data[:4] in _PCAP_MAGICS


def readings(data: bytes) -> list[Reading]:
    """Every way in which `data` may be meant, the likeliest first; one at least unless it is empty."""
    text = _text(data)
    found: list[Reading] = []
    if text is None:
        found.append(Reading("bytes", (Chunk(data),)))
        if data[-1:] == b"\n":
            found.append(Reading("bytes and a line feed", (Chunk(data[:-1]),)))
        return found
    dump = _dump(text)
    if dump:
        streams = tcp_streams(dump)
        if streams:
            found.append(Reading("a dump of packets", tuple(Chunk(data, label) for label, data in streams)))
        found.append(Reading("a dump", _chunks(dump)))
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found += _plain_hex(lines)
    stripped = data.strip(b"\r\n")
    if stripped:
        found.append(Reading("text", (Chunk(stripped),)))
    if b"\n" in stripped:
        each = [line.rstrip(b"\r") for line in stripped.split(b"\n")]
        found.append(Reading("lines of text", _chunks(line for line in each if line)))
    return found


def why_not_hex(data: bytes) -> str:
    """What keeps an input that is nearly hexadecimal from being it; "" for others."""
    text = _text(data)
    if text is None:
        return ""
    bare = _NOISE.sub("", text)
    wrong = _NOT_HEX.findall(bare)
    if not bare or len(wrong) > len(bare) * (1 - _NEARLY_HEX):
        return ""
    if not wrong:
        return f"{len(bare)} hexadecimal digits, which is odd: is one missing?" if len(bare) % 2 else ""
    for number, line in enumerate(text.splitlines(), 1):
        blank = _NOISE.sub(lambda noise: " " * len(noise[0]), line)
        column = next((at for at, character in enumerate(blank, 1) if character not in _HEX_AND_BLANK), 0)
        if column:
            return f"line {number}, column {column}: {line[column - 1]!r} is no hexadecimal digit"
    return ""


_HEX_AND_BLANK: Final = frozenset("0123456789abcdefABCDEF ")


def _text(data: bytes) -> str | None:
    """The input as text, None where it is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text if all(character.isprintable() or character in "\t\r\n" for character in text) else None


def _chunks(pieces: Iterable[bytes]) -> tuple[Chunk, ...]:
    every = list(pieces)
    return tuple(
        Chunk(data, f"part {number}" if len(every) > 1 else "") for number, data in enumerate(every, 1)
    )


def _plain_hex(lines: list[str]) -> list[Reading]:
    """As one run of bytes; as one a paragraph; as one a line."""
    paragraphs = [""]
    for line in lines:
        if line.strip():
            paragraphs[-1] += line + "\n"
        elif paragraphs[-1]:
            paragraphs.append("")
    ways = (
        ("hexadecimal", ["\n".join(lines)]),
        ("paragraphs of hexadecimal", [part for part in paragraphs if part]),
        ("lines of hexadecimal", [line for line in lines if line.strip()]),
    )
    found: list[Reading] = []
    for how, pieces in ways:
        bare = [_NOISE.sub("", piece) for piece in pieces]
        if any(_NOT_HEX.search(piece) or len(piece) % 2 for piece in bare):
            continue
        parts = [bytes.fromhex(piece) for piece in bare if piece]
        if parts and not any(len(parts) == len(other.chunks) for other in found):
            found.append(Reading(how, _chunks(parts)))
    return found


@dataclass(slots=True)
class _Line:
    offset: int
    rest: str
    count: int | None = None
    """Bytes, where the next line's offset says so."""
    repeats: int = 0
    """Bytes that the lines left out behind this one stand for."""


def _dump(text: str) -> list[bytes]:
    """The blocks of a dump, in order; empty where the text is none. A block begins at offset 0.

    Lines that are no dump's (the heads that tcpdump prints) are passed over. Lines of another indentation are another
    block's: so Wireshark shows the two directions of a stream.
    """
    blocks: list[list[_Line]] = []
    current: dict[str, list[_Line]] = {}
    last: list[_Line] = []
    repeated: list[_Line] = []
    for raw in text.splitlines():
        if raw.strip() == _REPEATED:
            repeated = last
            continue
        found = _DUMP_LINE.fullmatch(raw.rstrip())
        if found is None:
            continue
        indent, offset = found[1], int(found[2], 16)
        block = current.get(indent)
        if offset == 0 and found[3]:
            block = current[indent] = []
            blocks.append(block)
        if block is None or not _follows(block, offset, squeezed=bool(repeated) and repeated is block):
            continue
        repeated = []
        block.append(_Line(offset, found[3]))
        last = block
    return [_bytes_of(block) for block in blocks if _has_bytes(block)]


def _follows(block: list[_Line], offset: int, *, squeezed: bool) -> bool:
    """Whether a line of this offset can stand next in the block; says how many bytes the one before it has."""
    if not block:
        return offset == 0
    before = block[-1]
    step = offset - before.offset
    width = block[0].count
    if width is None:
        width = len(_hex_of(block[0], None)) // 2 if squeezed else step
    if squeezed and step > width:
        before.count, before.repeats = width, step - width
        return True
    if not 0 < step <= min(width, _DUMP_LINE_BYTES_MAX):
        return False
    before.count = step
    return True


def _has_bytes(block: list[_Line]) -> bool:
    return bool(_hex_of(block[0], None))


def _bytes_of(block: list[_Line]) -> bytes:
    # Where the column of characters begins is known from lines whose length is known.
    edge = max((_edge(line) for line in block if line.count is not None), default=None)
    data = bytearray()
    for line in block:
        piece = bytes.fromhex(_hex_of(line, edge))
        data += piece
        if piece and line.repeats:
            data += (piece * (line.repeats // len(piece) + 1))[: line.repeats]
    return bytes(data)


def _edge(line: _Line) -> int:
    """The column behind the last digit of the line's bytes."""
    digits = 0
    for column, character in enumerate(line.rest, 1):
        digits += not character.isspace()
        if digits == 2 * (line.count or 0):
            return column
    return len(line.rest)


def _hex_of(line: _Line, edge: int | None) -> str:
    """The hexadecimal digits of a line, without the characters beside them."""
    if edge is not None:
        return _whole_bytes(line.rest[:edge])
    bare = line.rest.split("|")[0]
    # A lone line: the characters begin behind a gap and are as many as the bytes before it.
    for gap in _COLUMNS_APART.finditer(bare):
        left, right = bare[: gap.start()], line.rest[gap.end() :].strip("|><")
        digits = _whole_bytes(left)
        if digits and len(right) == len(digits) // 2 and not re.fullmatch(r"[0-9A-Fa-f]{2}( .*)?", right):
            return digits
    return _whole_bytes(bare)


def _whole_bytes(text: str) -> str:
    """The digits of leading groups that are nothing but whole bytes in hexadecimal."""
    digits = ""
    for group in text.split():
        if _NOT_HEX.search(group) or len(group) % 2:
            break
        digits += group
    return digits
