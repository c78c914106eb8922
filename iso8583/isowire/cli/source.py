"""`isowire source`: the Python that is generated for a message's layout."""

from __future__ import annotations

import sys

from isowire import compiler
from isowire.cli import show
from isowire.cli.errors import FINE, NOT_RIGHT, CommandError, bad_input
from isowire.cli.finding import find, read_input
from isowire.cli.pages import is_page, parse_page
from isowire.cli.spans import mti_and_bitmaps
from isowire.codec import Codec
from isowire.dialect import Dialect, load_dialect
from isowire.errors import DialectError, EncodeError
from isowire.layout import NotCompilable

DIALECT_OF_PAGES = "iso87-ascii"


def source(file: str, dialect: str, framing: str, *, as_json: bool) -> int:
    """Print the source for the first message of a file; the exit code."""
    data = read_input(file)
    try:
        chosen, payload = (
            _of_page(file, data, dialect) if is_page(file, data) else _of_message(data, dialect, framing)
        )
    except (DialectError, EncodeError) as error:
        bad_input(str(error))
    layout = mti_and_bitmaps(chosen, payload)
    if layout is None:
        raise CommandError("the message ends before its bitmaps do", exit_code=NOT_RIGHT)
    mti, bitmaps = layout
    try:
        text = compiler.source(chosen, mti, bitmaps)
    except (NotCompilable, ValueError) as error:
        raise CommandError(
            f"nothing is generated for {mti} {bitmaps}: {error}; pyiso8583 decodes it", exit_code=NOT_RIGHT
        ) from None
    if as_json:
        show.print_json({"dialect": chosen.name, "mti": mti, "bitmaps": bitmaps, "source": text})
    elif sys.stdout.isatty():
        from rich.syntax import Syntax

        show.console().print(
            Syntax(text, "python", theme="ansi_dark", background_color="default", word_wrap=True)
        )
    else:
        sys.stdout.write(text)
    return FINE


def _of_page(file: str, data: bytes, dialect: str) -> tuple[Dialect, bytes]:
    chosen = load_dialect(dialect or DIALECT_OF_PAGES)
    return chosen, Codec(chosen).encode(parse_page(file, data))


def _of_message(data: bytes, dialect: str, framing: str) -> tuple[Dialect, bytes]:
    found = find(data, dialect, framing)
    if not found.decoded:
        bad_input("found keep-alives only, expected a message")
    return found.dialect, found.decoded[0].frame.payload
