"""`isowire ...`: which commands there are, and their options.

What a command does is in a module of its name, imported when it is called, so that `--help` is quick. Messages come
from files and standard input only: what stands on a command line can be read by others with ps.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from isowire.cli.errors import OneLineErrors

app = typer.Typer(
    cls=OneLineErrors,
    help="ISO 8583 messages for people: read a dump, write a message, compare two, check a dialect.",
    epilog="At 3 a.m.: isowire decode dump.txt, or paste the dump into: isowire decode",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it would print the values of locals, card numbers among them
    rich_markup_mode="rich",
)

DIALECT_DEFAULT: Final = "iso87-ascii"
_STDIN_OR_FILE = "A file, or - for standard input."

DialectOption = Annotated[
    str,
    typer.Option(
        "--dialect", "-d", metavar="D", help="A name (see `isowire dialects`), or the path of a .toml file."
    ),
]
FoundDialectOption = Annotated[
    str,
    typer.Option(
        "--dialect",
        "-d",
        metavar="D",
        help="A name (see `isowire dialects`), or the path of a .toml file. Without it, the one that fits is found.",
        show_default=False,
    ),
]
FoundFramingOption = Annotated[
    str,
    typer.Option(
        "--framing",
        "-f",
        metavar="F",
        help="A name (see `isowire framings`), or none. Without it, the one that fits is found.",
        show_default=False,
    ),
]
RevealOption = Annotated[
    bool,
    typer.Option(
        "--reveal", help="Show sensitive values too, but for PIN, card verification codes and tracks."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(
    epilog="Examples: isowire decode dump.txt  |  tcpdump -r f.pcap -X port 8583 | isowire decode  |  "
    "isowire decode --dialect mine.toml --framing ascii4 frames.bin"
)
def decode(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help=_STDIN_OR_FILE, show_default=False)] = "-",
    *,
    dialect: FoundDialectOption = "",
    framing: FoundFramingOption = "",
    reveal: RevealOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Say what messages mean, field by field.

    Takes bytes, hexadecimal in most forms (0x, colons, commas, \x), and dumps: hexdump -C, xxd, tcpdump -X, Wireshark.
    Exit code 1: a message does not decode; what did is shown, and where it went wrong.
    """
    from isowire.cli.decode import decode as run

    raise typer.Exit(run(file, dialect, framing, reveal=reveal, as_json=as_json))


@app.command(
    epilog="Examples: isowire encode 0100.toml  |  isowire encode --framing bin2 --binary 0800.json | nc 127.0.0.1 8583"
)
def encode(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="TOML or JSON: mti, and fields by number.")],
    *,
    dialect: DialectOption = DIALECT_DEFAULT,
    framing: Annotated[
        str, typer.Option("--framing", "-f", metavar="F", help="Put this length header on it.")
    ] = "none",
    binary: Annotated[bool, typer.Option("--binary", help="Write the bytes instead of hexadecimal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a message's bytes from the text of its fields.

    The file says mti = "0800" and, under [fields], 7 = "1122103045" and so on, binary fields in hexadecimal. The bytes
    are the whole message, card number and all: mind where they go.
    """
    from isowire.cli.encode import encode as run

    raise typer.Exit(run(file, dialect, framing, binary=binary, as_json=as_json))


@app.command(epilog="Example: isowire diff sent.hex expected.toml")
def diff(
    left: Annotated[
        str, typer.Argument(metavar="A", help="As decode takes, or TOML or JSON as encode does.")
    ],
    right: Annotated[str, typer.Argument(metavar="B", help="Likewise. One of the two may be -.")],
    *,
    dialect: FoundDialectOption = "",
    framing: FoundFramingOption = "",
    show_all: Annotated[bool, typer.Option("--all", help="Show the fields that are the same too.")] = False,
    reveal: RevealOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two messages field by field. Exit code 1: they differ, or one does not decode."""
    from isowire.cli.diff import diff as run

    raise typer.Exit(run(left, right, dialect, framing, show_all=show_all, reveal=reveal, as_json=as_json))


@app.command(epilog="Example: isowire dialects --json | jq -r '.[].name'")
def dialects(*, as_json: JsonOption = False) -> None:
    """The dialects that come with the package."""
    from isowire.cli.listing import list_dialects

    list_dialects(as_json=as_json)


@app.command(epilog="Example: isowire framings")
def framings(*, as_json: JsonOption = False) -> None:
    """The ways to put a length before a message."""
    from isowire.cli.listing import list_framings

    list_framings(as_json=as_json)


@app.command(epilog="Example: isowire check my-network.toml")
def check(
    file: Annotated[
        str, typer.Argument(metavar="DIALECT.toml", help="A dialect's file, or the name of one.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with a dialect, or what it is. Exit code 1: something is wrong."""
    from isowire.cli.check import check as run

    raise typer.Exit(run(file, as_json=as_json))


@app.command(epilog="Example: isowire source 0100.hex | less")
def source(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A message, as decode or encode takes it.")],
    *,
    dialect: FoundDialectOption = "",
    framing: FoundFramingOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print the Python that is generated for messages of this MTI with these fields."""
    from isowire.cli.source import source as run

    raise typer.Exit(run(file, dialect, framing, as_json=as_json))


def main() -> None:
    """The entry point; ends the process with the command's exit code."""
    app()
