"""The options and arguments that commands share, and what they are made into.

A client, a card, words for the journal. A card's number comes from standard input only.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from authoriser.admin.client import AdminClient
from authoriser.cli.errors import bad_input
from authoriser.config import DATA_DIR_DEFAULT, default_admin_socket
from isowire.pan import luhn_valid

DATA_VARIABLE = "AUTHORISER_DATA"
DATA_DEFAULT = Path(DATA_DIR_DEFAULT)
PAN_LENGTH_MIN, PAN_LENGTH_MAX = 12, 19

DataOption = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", envvar=DATA_VARIABLE, help="The data directory of the authoriser."),
]
SocketOption = Annotated[
    Path | None,
    typer.Option(
        "--socket", metavar="PATH", help="The admin socket, where the configuration moved it from DIR."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal.")
]
ActorOption = Annotated[
    str | None,
    typer.Option("--actor", metavar="NAME", help="Who asks; kept in the journal. (default: your login name)"),
]
LookActorOption = Annotated[
    str | None,
    typer.Option("--actor", metavar="NAME", help="Who looks; kept in the journal. (default: your user name)"),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", help="The key of an earlier try whose answer was lost; it is done once only."
    ),
]
CardArgument = Annotated[
    str,
    typer.Argument(
        metavar="CARD",
        help="A card id (card_...), its last four digits where one card only has them, or - to give its number on "
        "standard input.",
        show_default=False,
    ),
]

_CARD_ID = re.compile(r"card_[A-Za-z0-9_-]{1,60}\Z")
_LAST_FOUR = re.compile(r"[0-9]{4}\Z")
_SEPARATORS = str.maketrans("", "", " -")


def open_client(data: Path, socket: Path | None) -> AdminClient:
    return AdminClient(socket if socket is not None else default_admin_socket(data), data_dir=data)


def words(reason: str | None, actor: str | None, key: str | None, *, default_reason: str) -> dict[str, str]:
    """The `reason`, `actor` and `key` that every change takes; without a key the client makes one."""
    given = {
        "reason": reason if reason is not None else default_reason,
        "actor": actor if actor is not None else login_name(),
    }
    return given if key is None else {**given, "key": key}


def looker(actor: str | None) -> dict[str, str]:
    """The `actor` of a look; without one the server takes the user that it sees."""
    return {} if actor is None else {"actor": actor}


def login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name; KeyError up to Python 3.12
        return f"uid {os.geteuid()}"


def card_ref(card: str) -> dict[str, str]:
    """CARD as a CardRef. The card's number is never taken from the command line, and never printed."""
    if card == "-":
        return {"pan": read_pan()}
    if _CARD_ID.match(card):
        return {"id": card}
    if _LAST_FOUR.match(card):
        return {"last_four": card}
    digits = card.translate(_SEPARATORS)
    if len(digits) >= PAN_LENGTH_MIN and digits.isdigit():
        refuse_pan()
    return bad_input(
        "CARD should be a card id (card_...), the last four digits, or - and the number on standard input"
    )


def refuse_pan() -> NoReturn:
    bad_input(
        "a card number on the command line can be read by others (ps, shell history); "
        "write - instead and give the number on standard input"
    )


def read_pan() -> str:
    """A card number from standard input: unseen on a terminal, else the first line. Exit code 2 if it is none."""
    if sys.stdin.isatty():
        try:
            text = getpass.getpass("Card number: ")
        except EOFError:
            text = ""
    else:
        text = sys.stdin.readline(200)
    pan = text.strip().translate(_SEPARATORS)
    if not pan:
        bad_input("no card number came on standard input")
    if not (pan.isascii() and pan.isdigit() and PAN_LENGTH_MIN <= len(pan) <= PAN_LENGTH_MAX):
        bad_input(
            f"what came on standard input is no card number: {PAN_LENGTH_MIN} to {PAN_LENGTH_MAX} digits"
        )
    if not luhn_valid(pan):
        bad_input("the card number on standard input is mistyped: its check digit does not fit")
    return pan
