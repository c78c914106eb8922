"""`authoriser account open|show|credit`."""

from __future__ import annotations

from typing import Annotated

import typer

from authoriser.cli.errors import bad_input
from authoriser.cli.money import currencies, format_amount, parse_amount
from authoriser.cli.options import (
    DATA_DEFAULT,
    ActorOption,
    DataOption,
    JsonOption,
    KeyOption,
    ReasonOption,
    SocketOption,
    open_client,
    words,
)
from authoriser.cli.show import print_account, print_json, print_line

app = typer.Typer(help="Open accounts, look at them, fund them.", no_args_is_help=True)

AccountArgument = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT",
        help="1 to 64 letters, digits, '_', '.' or '-'; no card number.",
        show_default=False,
    ),
]


@app.command("open", epilog="Example: authoriser account open alice --currency EUR --credit-line 500.00")
def open_account(  # noqa: PLR0913 - each is an option of the command line
    account: AccountArgument,
    *,
    currency: Annotated[
        str, typer.Option("--currency", metavar="CUR", help="ISO 4217, as EUR or 978.", show_default=False)
    ],
    credit_line: Annotated[
        str | None, typer.Option("--credit-line", metavar="AMOUNT", help="How far below zero it may go.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="ZONE", help="IANA name (default: the issuer's).")
    ] = None,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open an account."""
    known = currencies().get(currency)
    if known is None:
        bad_input("--currency should be an ISO 4217 currency, as EUR or 978")
    credit_line_minor = 0
    if credit_line is not None:
        try:
            credit_line_minor = parse_amount(credit_line, known.code, known.exponent)
        except ValueError as error:
            bad_input(f"--credit-line: {error}")
    params = {"account": account, "currency": known.code, "credit_line_minor": credit_line_minor}
    if time_zone is not None:
        params["time_zone"] = time_zone
    said = words(reason, actor, key, default_reason="account opened by an operator")
    with open_client(data, socket) as client:
        result = client.call("account.open", **params, **said)
    if as_json:
        print_json(result)
        return
    print_line(f"account {result.account.account_id} {'is open' if result.changed else 'was open already'}")
    print_account(result.account)


@app.command("show", epilog="Example: authoriser account show alice --json")
def show(
    account: AccountArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account: what is available, its cards, its holds."""
    with open_client(data, socket) as client:
        result = client.call("account.show", account=account)
    if as_json:
        print_json(result)
        return
    print_account(result.account)


@app.command("credit", epilog="Example: authoriser account credit alice 25.00 --reason 'refund of a fee'")
def credit(
    account: AccountArgument,
    amount: Annotated[
        str,
        typer.Argument(metavar="AMOUNT", help="With all decimals of the currency: 25.00", show_default=False),
    ],
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add money to an account."""
    said = words(reason, actor, key, default_reason="credited by an operator")
    with open_client(data, socket) as client:
        before = client.call("account.show", account=account).account
        try:
            amount_minor = parse_amount(amount, before.currency, before.currency_exponent)
        except ValueError as error:
            bad_input(f"AMOUNT: {error}")
        if amount_minor == 0:
            bad_input("AMOUNT should be more than nothing")
        result = client.call("account.credit", account=account, amount_minor=amount_minor, **said)
    if as_json:
        print_json(result)
        return
    after = result.account
    available = format_amount(after.available_minor, after.currency, after.currency_exponent)
    added = format_amount(amount_minor, after.currency, after.currency_exponent)
    print_line(
        f"{added} {'added' if result.changed else 'had been added already'}; available now {available}"
    )
