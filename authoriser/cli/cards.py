"""`authoriser card issue|show|replace` and the changes of a card's state. Its controls are in controls.py."""

from __future__ import annotations

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


def _state_command(name: str, what: str, *, example: str, default_reason: str, done: str) -> None:
    """`card NAME`, which gives a card another state. `done` is what the card is then."""

    def change(
        card: CardArgument,
        *,
        data: DataOption = DATA_DEFAULT,
        socket: SocketOption = None,
        reason: ReasonOption = None,
        actor: ActorOption = None,
        key: KeyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        said = words(reason, actor, key, default_reason=default_reason)
        ref = card_ref(card)
        with open_client(data, socket) as client:
            result = client.call(f"card.{name}", card=ref, **said)
        _print_change(result, done, f"was {done} already", as_json=as_json)

    app.command(name, help=what, epilog=f"Example: authoriser card {name} {example}")(change)


_state_command(
    "freeze",
    "Freeze a card: from the moment this returns it is declined, until it is unfrozen.",
    example="4821 --reason 'lost in a taxi, customer rang'",
    default_reason="frozen by an operator",
    done="frozen",
)
_state_command(
    "unfreeze",
    "Make a frozen card active again.",
    example="4821 --reason 'found again'",
    default_reason="unfrozen by an operator",
    done="active again",
)
_state_command(
    "block",
    "Block a card: it is declined from now on, and unfreeze does not bring it back.",
    example="- --reason 'found in a leak' (and type the number)",
    default_reason="blocked by an operator",
    done="blocked",
)
_state_command(
    "activate",
    "Make an inactive card active: it has reached its owner.",
    example="4821",
    default_reason="activated by an operator",
    done="active",
)
_state_command(
    "close",
    "Close a card for good.",
    example="4821 --reason 'the customer leaves'",
    default_reason="closed by an operator",
    done="closed",
)
_state_command(
    "lost",
    "Call a card lost: it is declined from now on, for good.",
    example="4821 --reason 'customer rang'",
    default_reason="reported lost",
    done="lost",
)
_state_command(
    "stolen",
    "Call a card stolen: it is declined from now on, for good.",
    example="4821 --reason 'police report 17'",
    default_reason="reported stolen",
    done="stolen",
)


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


def _print_change(result: Any, done: str, done_before: str, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    card = result.card
    print_line(f"card ****{card.last_four} {'is ' + done if result.changed else done_before}: {card.card_id}")
