"""`authoriser card issue|show|freeze|unfreeze|block`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from authoriser.cli.options import (
    DATA_DEFAULT,
    ActorOption,
    CardArgument,
    DataOption,
    JsonOption,
    KeyOption,
    ReasonOption,
    SocketOption,
    card_ref,
    open_client,
    read_pan,
    refuse_pan,
    words,
)
from authoriser.cli.show import print_account, print_card, print_json, print_line

app = typer.Typer(
    help="Issue cards, look at them, freeze and block them.",
    no_args_is_help=True,
    epilog="A card is named by its id, by its last four digits, or by its number on standard input (-): "
    "other users can read a command line with ps.",
)


@app.command("issue", epilog="Example: authoriser card issue alice --expiry 2912 < number.txt")
def issue(  # noqa: PLR0913 - each is an option of the command line
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="The account it draws on.", show_default=False)
    ],
    number: Annotated[
        str,
        typer.Argument(
            metavar="-", help="The card's number comes on standard input; this is all that may stand here."
        ),
    ] = "-",
    *,
    expiry: Annotated[
        str, typer.Option("--expiry", metavar="YYMM", help="Its last month.", show_default=False)
    ],
    inactive: Annotated[bool, typer.Option("--inactive", help="Issue it inactive.")] = False,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue a card; its number is asked for, or read from standard input."""
    if number != "-":
        refuse_pan()
    said = words(reason, actor, key, default_reason="card issued by an operator")
    pan = read_pan()
    state = "inactive" if inactive else "active"
    with open_client(data, socket) as client:
        result = client.call("card.issue", account=account, pan=pan, expiry=expiry, state=state, **said)
    _print_change(result, "issued", "was issued before", as_json=as_json)


@app.command("show", epilog="Example: authoriser card show 4821")
def show(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a card and its account."""
    ref = card_ref(card)
    with open_client(data, socket) as client:
        result = client.call("card.show", card=ref)
    if as_json:
        print_json(result)
        return
    print_card(result.card)
    print_account(result.account)


@app.command("freeze", epilog="Example: authoriser card freeze 4821 --reason 'lost in a taxi, customer rang'")
def freeze(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze a card: from the moment this returns it is declined, until it is unfrozen."""
    said = words(reason, actor, key, default_reason="frozen by an operator")
    _change("card.freeze", card, data, socket, said, as_json=as_json, done="frozen")


@app.command("unfreeze", epilog="Example: authoriser card unfreeze 4821 --reason 'found again'")
def unfreeze(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a frozen card active again."""
    said = words(reason, actor, key, default_reason="unfrozen by an operator")
    _change("card.unfreeze", card, data, socket, said, as_json=as_json, done="active again")


@app.command(
    "block",
    epilog="Example: authoriser card block - --reason 'found in a leak' (and type the number)",
)
def block(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Block a card: it is declined from now on, and unfreeze does not bring it back."""
    said = words(reason, actor, key, default_reason="blocked by an operator")
    _change("card.block", card, data, socket, said, as_json=as_json, done="blocked")


def _change(
    method: str, card: str, data: Path, socket: Path | None, said: dict[str, str], *, as_json: bool, done: str
) -> None:
    ref = card_ref(card)
    with open_client(data, socket) as client:
        result = client.call(method, card=ref, **said)
    _print_change(result, done, f"was {done} already", as_json=as_json)


def _print_change(result: Any, done: str, done_before: str, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    card = result.card
    print_line(f"card ****{card.last_four} {'is ' + done if result.changed else done_before}: {card.card_id}")
