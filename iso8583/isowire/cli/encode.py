"""`isowire encode`: a page to bytes."""

from __future__ import annotations

import sys
from typing import Final

from isowire.cli import show
from isowire.cli.errors import FINE, bad_input
from isowire.cli.finding import NO_FRAMING, read_input
from isowire.cli.pages import parse_page
from isowire.codec import Codec
from isowire.dialect import load_dialect
from isowire.errors import DialectError, EncodeError
from isowire.framing import FRAMINGS

_LINE_BYTES: Final = 32
"""As the samples have it: 64 characters."""


def encode(file: str, dialect: str, framing: str, *, binary: bool, as_json: bool) -> int:
    """Print the bytes of a page; the exit code."""
    if binary and as_json:
        bad_input("found --binary and --json, expected one of the two")
    if binary and sys.stdout.isatty():
        bad_input("found a terminal, expected a file or a pipe for --binary")
    if framing != NO_FRAMING and framing not in FRAMINGS:
        bad_input(f"found framing {framing!r}, expected {NO_FRAMING} or one of {', '.join(FRAMINGS)}")
    message = parse_page(file, read_input(file))
    try:
        codec = Codec(load_dialect(dialect))
        data = codec.encode(message)
        if framing != NO_FRAMING:
            data = FRAMINGS[framing].wrap(data)
    except (DialectError, EncodeError) as error:
        bad_input(str(error))
    if binary:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif as_json:
        document = {"mti": message.mti, "dialect": codec.dialect.name, "framing": framing}
        show.print_json({**document, "bytes": len(data), "hex": data.hex().upper()})
    else:
        for start in range(0, len(data), _LINE_BYTES):
            sys.stdout.write(data[start : start + _LINE_BYTES].hex().upper() + "\n")
    return FINE
