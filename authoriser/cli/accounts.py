"""`authoriser account open|show|credit|adjust`."""

from __future__ import annotations

from typing import Annotated

import typer

from authoriser.admin.protocol import Account, AccountChanged
from authoriser.cli.errors import bad_input
from authoriser.cli.history_command import history
from authoriser.cli.money import currencies, format_amount, parse_amount
from authoriser.cli.options import (
    DATA_DEFAULT,
    ActorOption,
    DataOption,
    JsonOption,
    KeyOption,
    LookActorOption,
    ReasonOption,
    SocketOption,
    looker,
    open_client,
    words,
)
from authoriser.cli.show import print_account, print_json, print_line
from authoriser.cli.show_operations import print_waiting

app = typer.Typer(help="Open accounts, look at them, fund them.", no_args_is_help=True)
app.command("history", epilog="Example: authoriser account history alice --limit 20")(history)

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
    actor: LookActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account: what is available, its cards, its holds."""
    with open_client(data, socket) as client:
        result = client.call("account.show", account=account, **looker(actor))
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
        before = client.call("account.show", account=account, actor=said["actor"]).account
        amount_minor = _amount(amount, before)
        if amount_minor == 0:
            bad_input("AMOUNT should be more than nothing")
        result = client.call("account.credit", account=account, amount_minor=amount_minor, **said)
    added = format_amount(amount_minor, before.currency, before.currency_exponent)
    print_money(result, f"{added} added", f"{added} had been added already", as_json=as_json)


@app.command(
    "adjust",
    epilog="Examples: authoriser account adjust alice 12.50 --reason 'fee taken twice'  |  "
    "authoriser account adjust alice --take 12.50 --reason 'paid out twice'",
)
def adjust(
    account: AccountArgument,
    amount: Annotated[
        str | None,
        typer.Argument(
            metavar="[AMOUNT]", help="What is added, with all decimals: 12.50", show_default=False
        ),
    ] = None,
    *,
    take: Annotated[
        str | None,
        typer.Option("--take", metavar="AMOUNT", help="What is taken instead, below zero if need be."),
    ] = None,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct a balance, up or down, against the book of adjustments."""
    if (amount is None) == (take is None):
        bad_input("give either AMOUNT, which is added, or --take AMOUNT")
    said = words(reason, actor, key, default_reason="adjusted by an operator")
    with open_client(data, socket) as client:
        before = client.call("account.show", account=account, actor=said["actor"]).account
        amount_minor = _amount(amount, before) if amount is not None else -_amount(str(take), before)
        if amount_minor == 0:
            bad_input("AMOUNT should be more than nothing")
        result = client.call("account.adjust", account=account, amount_minor=amount_minor, **said)
    moved = format_amount(abs(amount_minor), before.currency, before.currency_exponent)
    done = f"{moved} {'added' if amount_minor > 0 else 'taken'}"
    print_money(result, done, f"{done} already", as_json=as_json)


def _amount(text: str, account: Account) -> int:
    try:
        return parse_amount(text, account.currency, account.currency_exponent)
    except ValueError as error:
        bad_input(f"AMOUNT: {error}")


def print_money(result: AccountChanged, done: str, done_before: str, *, as_json: bool) -> None:
    """What became of a change to money: done, done before, or waiting for a second person."""
    if as_json:
        print_json(result)
        return
    if result.proposal is not None:
        print_waiting(result)
        return
    after = result.account
    available = format_amount(after.available_minor, after.currency, after.currency_exponent)
    print_line(f"{done if result.changed else done_before}; available now {available}")
