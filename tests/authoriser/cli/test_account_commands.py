"""authoriser account ...: amounts, and what is printed in 80 columns."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from authoriser.admin.protocol import Account, AccountOpen, Card, Hold
from authoriser.admin.testing import AdminServerDouble

OPENED_AT = "2026-01-02T03:04:05.678Z"
HOLD = Hold(
    "4711", "card_0123456789abcdef", 123456, "[red]CAFE\x1b[2J DU NORD", "BRUSSELS",
    OPENED_AT, "2026-01-09T03:04:05.678Z", "A1B2C3", "123456789012", answer_unknown=True,
)  # fmt: skip
ALICE = Account(
    "alice", "EUR", 2, 10_000, 123456, 500_000, 386_544, "Europe/Brussels", OPENED_AT,
    (Card("card_0123456789abcdef", "alice", "0002", "2912", "active"),), (HOLD,),
)  # fmt: skip


def test_open(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """The credit line is read in the currency's decimals; numeric codes are understood."""
    ran = run(
        "account", "open", "bob", "--currency", "392", "--credit-line", "500", "--time-zone", "Asia/Tokyo"
    )
    (_, asked) = double.issuer.requests[-1]
    expected = AccountOpen(
        account="bob", currency="JPY", credit_line_minor=500, time_zone="Asia/Tokyo", key=asked.key,
        reason="account opened by an operator", actor="ann",
    )  # fmt: skip
    assert (ran.code, asked, ran.out.splitlines()[0]) == (0, expected, "account bob is open")


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("open", "a", "--currency", "eur"), "--currency should be an ISO 4217 currency, as EUR or 978"),
        (("open", "a", "--currency", "EUR", "--credit-line", "5"),
         "--credit-line: an amount in EUR is written with all its 2 decimals, as 1234.00"),
        (("open", "a b", "--currency", "EUR"), "account should be 1 to 64 letters, digits, '_', '.' or '-'"),
        (("credit", "alice", "25"), "AMOUNT: an amount in EUR is written with all its 2 decimals, as 1234.00"),
        (("credit", "alice", "0.00"), "AMOUNT should be more than nothing"),
        (("credit", "alice", "1.00", "--reason", ""),
         "reason should be 1 to 500 characters without control characters"),
    ],
)  # fmt: skip
def test_wrong_input(
    run: Callable[..., Any], double: AdminServerDouble, args: tuple[str, ...], problem: str
) -> None:
    """Exit code 2 and what would be right; nothing is changed."""
    double.issuer.accounts["alice"] = ALICE
    assert run("account", *args) == (2, "", f"authoriser: {problem}\n")
    assert double.issuer.accounts == {"alice": ALICE}


def test_credit(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """The amount is added, and what is available is said."""
    double.issuer.accounts["alice"] = ALICE
    assert run("account", "credit", "alice", "25.05") == (
        0,
        "25.05 EUR added; available now 3890.49 EUR\n",
        "",
    )


def test_show_fits_80_columns_and_shows_text_as_text(
    run: Callable[..., Any], double: AdminServerDouble
) -> None:
    """Amounts have their currency; a merchant's markup and control characters are only characters."""
    double.issuer.accounts["alice"] = ALICE
    lines = run("account", "show", "alice").out.splitlines()
    expected = [
        "account      alice",
        "available    3865.44 EUR",
        "balance      100.00 EUR",
        "held         1234.56 EUR",
        "credit line  5000.00 EUR",
        "time zone    Europe/Brussels",
        "opened       2026-01-02 03:04:05",
    ]
    assert [line.rstrip() for line in lines[:7]] == expected
    assert max(map(len, lines)) <= 80
    assert "[red]CAFE?[2J DU" in " ".join(lines)


def test_show_as_json(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """One document with minor units, as the protocol has it."""
    double.issuer.accounts["alice"] = ALICE
    shown = json.loads(run("account", "show", "alice", "--json").out)
    assert shown == {"account": json.loads(msgspec.json.encode(ALICE))}


def test_an_account_that_is_not_there(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """The server's words, exit code 1."""
    assert run("account", "show", "nobody") == (1, "", "authoriser: there is no account nobody\n")
