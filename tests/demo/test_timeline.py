"""A customer's rows, sums and short form, from events alone."""

from typing import Any

import pytest

from demo.checks import CheckFailed
from demo.timeline import Row, Timeline, agrees_with_the_server, shortened, timeline_of


def event(kind: str, **details: Any) -> dict[str, Any]:
    return {"time": "2026-11-23T01:27:45.190Z", "type": kind, "account": "A1"} | details


SHOP = {"merchant": "CAFE", "city": "LISBOA"}
STORY = [
    event("epoch.started", account=None, previous_ended_clean=True),
    event("account.opened", credit_line_minor=1000),
    event("card.issued", last_four="0315"),
    event("account.credited", amount_minor=5000, audit_reason="import of cards.csv"),
    event("account.credited", amount_minor=99, audit_reason="another's", account="A2"),
    event("card.authorisation.approved", amount_minor=2000, reason="approved", response_code="00", **SHOP),
    event("card.authorisation.verified", amount_minor=0, reason="verified", response_code="85", **SHOP),
    event("card.state_changed", after="frozen", audit_reason="left in a taxi"),
    event("card.authorisation.declined", amount_minor=300, reason="card_frozen", response_code="62", **SHOP),
    event("card.reversal.accepted", released_minor=500, response_code="00", amount_minor=500, **SHOP),
    event("epoch.started", account=None, previous_ended_clean=False),
    event("hold.answer_unknown"),
    event(
        "clearing.posted",
        amount_minor=400,
        entries=[{"kind": "presentment", "amount_minor": -400}],
        moved=[{"hold_id": "8", "held_minor": -300}],
        **SHOP,
    ),
    event("hold.expired", released_minor=1200),
    event(
        "clearing.posted",
        amount_minor=700,
        entries=[{"kind": "presentment", "amount_minor": -700}],
        moved=[],
        **SHOP,
    ),
]


def row(what: str, where: str, amount_minor: int | None, held_minor: int, available_minor: int) -> Row:
    return Row("01:27:45", what, where, amount_minor, held_minor, available_minor)


def test_events_become_rows_with_sums() -> None:
    """What is held and available after each; a clean start and other accounts are left out."""
    expected = [
        row("opened", "account A1", None, 0, 1000),
        row("issued", "card ****0315", None, 0, 1000),
        row("funded", "import of cards.csv", 5000, 0, 6000),
        row("approved", "CAFE, LISBOA", 2000, 2000, 4000),
        row("verified", "CAFE, LISBOA", None, 2000, 4000),
        row("frozen", "the card: left in a taxi", None, 2000, 4000),
        row("62 frozen", "CAFE, LISBOA", 300, 2000, 4000),
        row("reversed", "CAFE, LISBOA", -500, 1500, 4500),
        row("restart", "of the server, after SIGKILL", None, 1500, 4500),
        row("unsure", "", None, 1500, 4500),
        row("paid", "CAFE, LISBOA", -400, 1200, 4400),
        row("expired", "a hold", -1200, 0, 5600),
        row("paid", "CAFE, LISBOA", -700, 0, 4900),
    ]
    assert Timeline(expected, 0, 4900) == timeline_of("A1", STORY)


def test_sums_that_differ_from_the_servers_fail() -> None:
    """The events and the server must say the same of what is held and available."""
    story = Timeline([], 1500, 4500)
    account = {"account_id": "A1", "held_minor": 1500, "available_minor": 4500}
    agrees_with_the_server(story, account)
    with pytest.raises(CheckFailed):
        agrees_with_the_server(story, account | {"held_minor": 1499})


def test_long_runs_are_cut_down_to_their_ends() -> None:
    """Of nine alike, two and the last are left and six counted; four are shown whole."""
    approved = [row("approved", f"shop {number}", 1, number, 0) for number in range(9)]
    declined = [row("62 frozen", f"shop {number}", 1, 0, 0) for number in range(4)]
    more = Row("", "approved", "", None, 0, 0, more=6)
    assert [*approved[:2], more, approved[8], *declined] == list(shortened([*approved, *declined]))


def test_holds_in_doubt_are_one_row() -> None:
    """A crash marks several at once."""
    unsure = [row("unsure", "", None, 10, 0)] * 3
    assert [row("unsure", "3 holds: answers heard?", None, 10, 0)] == list(shortened(unsure))
