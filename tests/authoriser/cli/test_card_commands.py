"""authoriser card ...: how a card is named, what is asked of the server, what is printed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from authoriser.admin.protocol import CardFreeze, CardIssue
from authoriser.admin.testing import AdminServerDouble

PAN = "4000000000000002"


@pytest.fixture
def card_id(run: Callable[..., Any], double: AdminServerDouble) -> str:
    """Alice's card, which ends in 0002."""
    run("account", "open", "alice", "--currency", "EUR")
    run("card", "issue", "alice", "--expiry", "2912", stdin=PAN + "\n")
    return next(iter(double.issuer.cards))


def last(double: AdminServerDouble) -> Any:
    return double.issuer.requests[-1][1]


def test_issue_reads_the_number_from_standard_input(
    run: Callable[..., Any], double: AdminServerDouble, card_id: str
) -> None:
    """The number, with spaces or without, goes to the server with a reason and the login name."""
    ran = run("card", "issue", "alice", "-", "--expiry", "3001", "--inactive", stdin="4000 0000 0000 0010\n")
    asked = last(double)
    expected = CardIssue(
        account="alice", pan="4000000000000010", expiry="3001", state="inactive", key=asked.key,
        reason="card issued by an operator", actor="ann",
    )  # fmt: skip
    assert (ran.code, asked, ran.err) == (0, expected, "")
    assert ran.out.startswith("card ****0010 is issued: card_")


def test_a_card_by_its_last_four(run: Callable[..., Any], double: AdminServerDouble, card_id: str) -> None:
    """Four digits are looked up by the server."""
    ran = run("card", "freeze", "0002", "--reason", "lost", "--actor", "bo")
    asked = last(double)
    expected = (asked.card.last_four, asked.reason, asked.actor)
    assert ran == (0, f"card ****0002 is frozen: {card_id}\n", "")
    assert expected == ("0002", "lost", "bo")


def test_a_card_by_its_id_and_by_its_number(
    run: Callable[..., Any], double: AdminServerDouble, card_id: str
) -> None:
    """An id is taken as it is; - reads the number."""
    by_id = run("card", "freeze", card_id)
    by_number = run("card", "unfreeze", "-", stdin=PAN)
    assert (by_id.out, by_number.out) == (
        f"card ****0002 is frozen: {card_id}\n",
        f"card ****0002 is active again: {card_id}\n",
    )


def test_a_change_that_is_there_already(run: Callable[..., Any], card_id: str) -> None:
    """Freezing twice is no error, and said."""
    run("card", "block", "0002")
    assert run("card", "block", "0002") == (0, f"card ****0002 was blocked already: {card_id}\n", "")


def test_json_is_one_document(run: Callable[..., Any], card_id: str) -> None:
    """The result of the protocol as it is."""
    ran = run("card", "freeze", "0002", "--json")
    card = {
        "card_id": card_id,
        "account_id": "alice",
        "last_four": "0002",
        "expiry": "2912",
        "state": "frozen",
        "family": "",
        "closes_at": None,
    }
    assert json.loads(ran.out) == {"card": card, "changed": True}


def test_show_prints_the_card_and_its_account(run: Callable[..., Any], card_id: str) -> None:
    """The card first, then what is available."""
    lines = [line.rstrip() for line in run("card", "show", "0002").out.splitlines()]
    assert lines[:3] == [
        f"{card_id}  ****0002  2029-12  active  account alice",
        "account      alice",
        "available    0.00 EUR",
    ]


@pytest.mark.parametrize(
    "args",
    [
        ("freeze", PAN),
        ("freeze", "4000 0000 0000 0002"),
        ("show", "4000-0000-0000-0002"),
        ("block", PAN[:-1] + "9"),
    ],
)
def test_a_number_on_the_command_line_is_refused(
    run: Callable[..., Any], double: AdminServerDouble, args: tuple[str, ...]
) -> None:
    """Right or mistyped: exit code 2, the reason, and not a digit of it printed back."""
    expected = (
        "authoriser: a card number on the command line can be read by others (ps, shell history); "
        "write - instead and give the number on standard input\n"
    )
    assert run("card", *args) == (2, "", expected)
    assert double.issuer.requests == []


def test_issue_refuses_a_number_on_the_command_line(run: Callable[..., Any]) -> None:
    """Where others would write it first."""
    ran = run("card", "issue", "alice", PAN, "--expiry", "2912")
    assert (ran.code, PAN in ran.err, "write - instead" in ran.err) == (2, False, True)


def test_a_number_in_pieces_is_not_printed_back(run: Callable[..., Any]) -> None:
    """A shell splits it into words, and the words stay unsaid."""
    ran = run("card", "freeze", "4000", "0000", "0000", "0002")
    expected = (
        "authoriser: Got unexpected extra argument(s) ([digits]) (authoriser card freeze --help tells more)\n"
    )
    assert ran == (2, "", expected)


def test_a_number_in_the_reason_is_refused(
    run: Callable[..., Any], double: AdminServerDouble, card_id: str
) -> None:
    """Reasons are kept in the journal."""
    ran = run("card", "freeze", "0002", "--reason", f"{PAN} is lost")
    expected = "reason and actor go into the journal and must hold no card number; use the last four digits"
    assert ran == (2, "", f"authoriser: {expected}\n")


@pytest.mark.parametrize(
    ("stdin", "problem"),
    [
        ("", "no card number came on standard input"),
        ("\n", "no card number came on standard input"),
        ("4000", "what came on standard input is no card number: 12 to 19 digits"),
        ("a" * 500, "what came on standard input is no card number: 12 to 19 digits"),
        ("4000000000000003", "the card number on standard input is mistyped: its check digit does not fit"),
    ],
)
def test_what_comes_instead_of_a_number(run: Callable[..., Any], stdin: str, problem: str) -> None:
    """Nothing, too little, or mistyped: exit code 2, and it is not printed back."""
    assert run("card", "freeze", "-", stdin=stdin) == (2, "", f"authoriser: {problem}\n")


def test_a_card_named_wrongly(run: Callable[..., Any]) -> None:
    """What would be right is said."""
    expected = (
        "CARD should be a card id (card_...), the last four digits, or - and the number on standard input"
    )
    assert run("card", "freeze", "alice") == (2, "", f"authoriser: {expected}\n")


def test_a_card_that_is_not_there(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """The server's words, exit code 1."""
    assert run("card", "freeze", "9999") == (1, "", "authoriser: there is no such card\n")


def test_a_retry_by_hand_changes_nothing_twice(
    run: Callable[..., Any], double: AdminServerDouble, card_id: str
) -> None:
    """--key goes to the server as it is."""
    run("card", "freeze", "0002", "--key", "mine-1")
    ran = run("card", "freeze", "0002", "--key", "mine-1", "--json")
    asked = last(double)
    assert isinstance(asked, CardFreeze)
    assert (asked.key, json.loads(ran.out)["changed"]) == ("mine-1", False)
