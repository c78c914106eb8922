"""`authoriser card issue|show|replace` and the changes of a card's state. Its controls are in controls.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from authoriser.cli import controls
from authoriser.cli.errors import bad_input
from authoriser.cli.options import (
    DATA_DEFAULT,
    ActorOption,
    CardArgument,
    DataOption,
    JsonOption,
    KeyOption,
    LookActorOption,
    ReasonOption,
    SocketOption,
    card_ref,
    looker,
    open_client,
    read_pan,
    refuse_pan,
    words,
)
from authoriser.cli.show import print_account, print_card, print_json, print_line, short_time
from authoriser.limits import OVERLAP_MAX_DAYS

app = typer.Typer(
    help="Issue cards, look at them, change their states, limits and switches.",
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
    actor: LookActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a card and its account."""
    ref = card_ref(card)
    with open_client(data, socket) as client:
        result = client.call("card.show", card=ref, **looker(actor))
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


@app.command("activate", epilog="Example: authoriser card activate 4821")
def activate(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an inactive card active: it has reached its owner."""
    said = words(reason, actor, key, default_reason="activated by an operator")
    _change("card.activate", card, data, socket, said, as_json=as_json, done="active")


@app.command("close", epilog="Example: authoriser card close 4821 --reason 'the customer leaves'")
def close(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a card for good."""
    said = words(reason, actor, key, default_reason="closed by an operator")
    _change("card.close", card, data, socket, said, as_json=as_json, done="closed")


@app.command("lost", epilog="Example: authoriser card lost 4821 --reason 'customer rang'")
def lost(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a card lost: it is declined from now on, for good."""
    said = words(reason, actor, key, default_reason="reported lost")
    _change("card.lost", card, data, socket, said, as_json=as_json, done="lost")


@app.command("stolen", epilog="Example: authoriser card stolen 4821 --reason 'police report 17'")
def stolen(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a card stolen: it is declined from now on, for good."""
    said = words(reason, actor, key, default_reason="reported stolen")
    _change("card.stolen", card, data, socket, said, as_json=as_json, done="stolen")


@app.command(
    "replace", epilog="Example: authoriser card replace 4821 --expiry 3105 --overlap-days 30 < new-number.txt"
)
def replace(  # noqa: PLR0913 - each is an option of the command line
    card: CardArgument,
    *,
    expiry: Annotated[
        str, typer.Option("--expiry", metavar="YYMM", help="The new card's last month.", show_default=False)
    ],
    overlap_days: Annotated[
        int,
        typer.Option(
            "--overlap-days",
            metavar="N",
            min=0,
            max=OVERLAP_MAX_DAYS,
            help="How long the old card stays good beside the new one.",
        ),
    ] = 0,
    inactive: Annotated[bool, typer.Option("--inactive", help="Issue the new card inactive.")] = False,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a card a new number on the same account; it is asked for, or read from standard input.

    Limits, switches and what was used of them go on. CARD is an id or the last four digits: standard input has the new
    number.
    """
    if card == "-":
        bad_input(
            "CARD should be a card id or the last four digits: standard input has the new card's number"
        )
    ref = card_ref(card)
    said = words(reason, actor, key, default_reason="replaced by an operator")
    pan = read_pan()
    state = "inactive" if inactive else "active"
    with open_client(data, socket) as client:
        result = client.call(
            "card.replace", card=ref, pan=pan, expiry=expiry, state=state, overlap_days=overlap_days, **said
        )
    if as_json:
        print_json(result)
        return
    new, old = result.card, result.old
    done = "replaces" if result.changed else "replaced already"
    print_line(f"card ****{new.last_four} {done} ****{old.last_four}: {new.card_id}")
    print_line(f"the old one ends at {short_time(old.closes_at or '')} UTC")


controls.add_to(app)


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
