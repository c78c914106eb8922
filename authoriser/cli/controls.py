"""`authoriser card controls|limit|switch|lists|reset-controls`: what one card has otherwise than its programme."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from authoriser.cli.errors import bad_input
from authoriser.cli.money import parse_amount
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
    words,
)
from authoriser.cli.show import print_json, print_line
from authoriser.cli.show_operations import print_controls

Window = Literal["transaction", "day", "week", "month"]
Switch = Literal["on", "off", "default"]
_SWITCHED: dict[str, bool | None] = {"on": True, "off": False, "default": None}

SwitchOption = Switch | None


def add_to(app: typer.Typer) -> None:
    """Put the commands into `authoriser card`."""
    app.command("controls", epilog="Example: authoriser card controls 4821")(controls)
    app.command(
        "limit",
        epilog="Examples: authoriser card limit 4821 --class cash --window day --amount 200.00 "
        "--until 2026-12-01T00:00  |  authoriser card limit 4821 --window week --count 20  |  "
        "authoriser card limit 4821 --class cash --window day --remove",
    )(limit)
    app.command("switch", epilog="Example: authoriser card switch 4821 --ecommerce off --cash default")(
        switch
    )
    app.command(
        "lists", epilog="Example: authoriser card lists 4821 --mcc-block 7995,7801 --country-allow PT,ES"
    )(lists)
    app.command("reset-controls", epilog="Example: authoriser card reset-controls 4821")(reset_controls)


def controls(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    actor: LookActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a card's own limits, switches and lists."""
    ref = card_ref(card)
    with open_client(data, socket) as client:
        result = client.call("card.controls.show", card=ref, **looker(actor))
    if as_json:
        print_json(result)
        return
    print_controls(result)


def limit(  # noqa: PLR0913 - each is an option of the command line
    card: CardArgument,
    *,
    window: Annotated[
        Window,
        typer.Option(
            "--window",
            metavar="WINDOW",
            help="transaction, day, week or month; the last three in the account's time zone.",
            show_default=False,
        ),
    ],
    spending: Annotated[
        str,
        typer.Option(
            "--class", metavar="CLASS", help="A class of the policy, as cash. (default: all spending)"
        ),
    ] = "",
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="AMOUNT", help="At most so much, as 200.00")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=0, max=999_999, help="At most so many payments.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="ISO 8601; in the account's time zone where it names none."
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take this limit off the card.")] = False,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a card a limit of its own, in the place of its programme's."""
    if remove and (amount is not None or count is not None or until is not None):
        bad_input("--remove takes the limit away, so it stands without --amount, --count and --until")
    if not remove and amount is None and count is None:
        bad_input("give --amount or --count, or --remove to take the limit away")
    asked: dict[str, Any] = {"window": window, "spending": spending}
    said = words(reason, actor, key, default_reason="limit set by an operator")
    ref = card_ref(card)
    with open_client(data, socket) as client:
        if count is not None:
            asked["count"] = count
        if until is not None:
            asked["until"] = until
        if amount is not None:
            money = client.call("card.controls.show", card=ref, actor=said["actor"])
            try:
                asked["amount_minor"] = parse_amount(amount, money.currency, money.currency_exponent)
            except ValueError as error:
                bad_input(f"--amount: {error}")
        result = client.call("card.controls.set", card=ref, limits=[asked], **said)
    _print_changed(result, as_json=as_json)


def switch(  # noqa: PLR0913 - likewise
    card: CardArgument,
    *,
    ecommerce: Annotated[SwitchOption, typer.Option("--ecommerce", help="Payments on the web.")] = None,
    contactless: Annotated[SwitchOption, typer.Option("--contactless", help="Contactless payments.")] = None,
    cash: Annotated[SwitchOption, typer.Option("--cash", help="Notes, also as cashback.")] = None,
    magstripe: Annotated[SwitchOption, typer.Option("--magstripe", help="The magnetic stripe.")] = None,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switch ways of paying on or off; default is the programme's word again."""
    given = {"ecommerce": ecommerce, "contactless": contactless, "cash": cash, "magstripe": magstripe}
    asked = {name: _SWITCHED[value] for name, value in given.items() if value is not None}
    if not asked:
        bad_input("give at least one of --ecommerce, --contactless, --cash and --magstripe")
    said = words(reason, actor, key, default_reason="switched by an operator")
    _set(card, data, socket, said, asked, as_json=as_json)


def lists(  # noqa: PLR0913 - likewise
    card: CardArgument,
    *,
    mcc_allow: Annotated[
        str | None, typer.Option("--mcc-allow", metavar="LIST", help="Only these categories of shops.")
    ] = None,
    mcc_block: Annotated[
        str | None, typer.Option("--mcc-block", metavar="LIST", help="None of these categories.")
    ] = None,
    merchant_allow: Annotated[
        str | None, typer.Option("--merchant-allow", metavar="LIST", help="Only these shops (DE42).")
    ] = None,
    merchant_block: Annotated[
        str | None, typer.Option("--merchant-block", metavar="LIST", help="None of these shops (DE42).")
    ] = None,
    country_allow: Annotated[
        str | None, typer.Option("--country-allow", metavar="LIST", help="Only these countries (ISO 3166).")
    ] = None,
    country_block: Annotated[
        str | None, typer.Option("--country-block", metavar="LIST", help="None of these countries.")
    ] = None,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a card may be used.

    A LIST is written with commas. default is the programme's word again; none is no list, whatever the programme has.
    """
    given = {
        "mcc_allow": mcc_allow,
        "mcc_block": mcc_block,
        "merchant_allow": merchant_allow,
        "merchant_block": merchant_block,
        "country_allow": country_allow,
        "country_block": country_block,
    }
    asked = {name: _list(value) for name, value in given.items() if value is not None}
    if not asked:
        bad_input("give at least one list; --help names them")
    said = words(reason, actor, key, default_reason="lists set by an operator")
    _set(card, data, socket, said, asked, as_json=as_json)


def _list(text: str) -> list[str] | None:
    if text == "default":
        return None
    return [] if text == "none" else [item.strip() for item in text.split(",") if item.strip()]


def reset_controls(
    card: CardArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take off everything a card has of its own: its programme's word again."""
    said = words(reason, actor, key, default_reason="controls reset by an operator")
    _set(card, data, socket, said, {"reset": True}, as_json=as_json)


def _set(
    card: str,
    data: Path,
    socket: Path | None,
    said: dict[str, str],
    asked: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    ref = card_ref(card)
    with open_client(data, socket) as client:
        result = client.call("card.controls.set", card=ref, **asked, **said)
    _print_changed(result, as_json=as_json)


def _print_changed(result: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    done = "are changed" if result.changed else "were so already"
    print_line(f"the controls of card ****{result.card.last_four} {done}")
    print_controls(result)
