"""authoriser.audit: every change and every look, from the journal, with filters; and operators' records as events."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authoriser.admin.testing_issuer import Issuer, issuing
from authoriser.audit import AuditFilter, AuditPage, read_audit
from authoriser.events import read_events
from authoriser.journal.sqlite import SqliteJournal
from authoriser.opening import NoJournalError, embedded_journal
from authoriser.places import SHARD, shard_directory

PAN, ANOTHER_PAN = "4000000000001232", "4000000000000002"
CARD = {"last_four": "1232"}
FIRST, SECOND = 1000, 2000


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    """On a journal of its own; more than 100.00 wants a second person."""
    journal = SqliteJournal(shard_directory(tmp_path, SHARD))
    with issuing(tmp_path / "admin.sock", journal=journal, second_person_over_minor=10_000) as issuer:
        yield issuer


@pytest.fixture
def data(tmp_path: Path, issuer: Issuer) -> Path:
    """A day at the desk: two people, one card, and its replacement."""
    ask = issuer.ask
    ask("account.open", account="alice", currency="EUR", actor="mara")
    ask("account.open", account="bob", currency="JPY", actor="mara")
    ask("account.credit", account="alice", amount_minor=10_000, actor="mara", reason="first funding")
    ask("card.issue", account="alice", pan=PAN, expiry="4912", actor="mara")
    issuer.pay(PAN, 1_500)
    ask("card.show", card=CARD, actor="joao")
    ask("card.controls.set", card=CARD, cash=False, limits=[{"window": "day", "count": 3}], actor="joao")
    (hold,) = ask("account.show", account="alice", actor="joao").account.holds
    ask("hold.release", account="alice", hold=hold.hold_id, actor="joao", reason="shop rang")
    ask("card.lost", card=CARD, actor="mara", reason="customer rang")
    ask("card.replace", card=CARD, pan=ANOTHER_PAN, expiry="5001", actor="mara")
    ask("policy.load", text="# another policy\n", actor="mara")
    name = issuer.ask_as(
        FIRST, "account.adjust", account="alice", amount_minor=-20_000, actor="mara", reason="paid twice"
    ).proposal
    issuer.ask_as(SECOND, "proposals.confirm", proposal=name, actor="joao", reason="saw the slip")
    return issuer.path.parent


def audit(data: Path, limit: int = 100, **wanted: Any) -> AuditPage:
    return read_audit(embedded_journal(data), AuditFilter(**wanted), limit)


def test_all_of_it_in_order(data: Path) -> None:
    """Who, what, whose, which card, why; payments are nobody's doing here."""
    entries = audit(data).entries
    told = [(entry.actor, entry.what, entry.account, entry.last_four, entry.reason) for entry in entries]
    assert told == [
        ("mara", "account.opened", "alice", "", "a test"),
        ("mara", "account.opened", "bob", "", "a test"),
        ("mara", "account.credited", "alice", "", "first funding"),
        ("mara", "card.issued", "alice", "1232", "a test"),
        ("joao", "card.show", "alice", "1232", ""),
        ("joao", "card.controls_changed", "alice", "1232", "a test"),
        ("joao", "account.show", "alice", "", ""),
        ("joao", "hold.released", "alice", "1232", "shop rang"),
        ("mara", "card.state_changed", "alice", "1232", "customer rang"),
        ("mara", "card.replaced", "alice", "0002", "a test"),
        ("mara", "policy.changed", "", "", "a test"),
        ("mara", "change.proposed", "alice", "", "paid twice"),
        ("joao", "change.confirmed", "alice", "", "saw the slip"),
        ("mara", "account.adjusted", "alice", "", "paid twice"),
    ]
    assert [entry.record for entry in entries] == sorted(entry.record for entry in entries)
    assert [entry.uid for entry in entries[-3:]] == [FIRST, SECOND, FIRST]


def test_the_newest_are_the_last(data: Path) -> None:
    """And the total says how many there are."""
    page = audit(data, limit=2)
    assert (page.total, [entry.what for entry in page.entries]) == (
        14,
        ["change.confirmed", "account.adjusted"],
    )


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"actor": "joao"}, 5),
        ({"account": "bob"}, 1),
        ({"account": "alice"}, 12),
        ({"card": "1232"}, 6),
        ({"card": "0002"}, 1),
        ({"card": "1232", "actor": "mara"}, 3),
        ({"account": "nobody"}, 0),
        ({"since_ms": 1 << 50}, 0),
    ],
)
def test_filters(data: Path, wanted: dict[str, Any], count: int) -> None:
    """A replacement is of both cards; a look at a card is of its account too."""
    assert audit(data, **wanted).total == count


def test_a_card_by_its_id(data: Path, issuer: Issuer) -> None:
    card_id = issuer.ask("card.show", card=CARD).card.card_id
    assert audit(data, card=card_id).total == 7


def test_amounts_have_their_currency(data: Path) -> None:
    """Those of a hold too, whose record has none."""
    (released,) = (entry for entry in audit(data).entries if entry.what == "hold.released")
    assert (released.details["released_minor"], released.details["currency"]) == (1_500, "EUR")


def test_no_journal(tmp_path: Path) -> None:
    with pytest.raises(NoJournalError):
        audit(tmp_path / "none")


# ---- the same records as events


def test_operators_records_as_events(data: Path) -> None:
    """Names and details, without their envelope; no token and no number of a card."""
    events = {event["type"]: event for event in read_events(embedded_journal(data))}
    first, second = {"actor": "mara", "uid": FIRST}, {"actor": "joao", "uid": SECOND}
    cards = {
        event["last_four"]: event["card_id"]
        for event in read_events(embedded_journal(data))
        if event["type"] == "card.issued"
    }
    proposal = events["change.proposed"]["proposal"]

    def details(kind: str) -> dict[str, Any]:
        left_out = {"id", "record", "seq", "shard", "time", "type", "old_closes_at", "until"}
        return {name: value for name, value in events[kind].items() if name not in left_out}

    assert details("card.controls_changed") | {"actor": "", "uid": 0} == {
        "account": "alice",
        "card_id": cards["1232"],
        "controls": {
            "cash": False,
            "limits": [
                {"spending": "", "window": "day", "amount_minor": None, "count": 3, "until": None},
            ],
        },
        "actor": "",
        "uid": 0,
        "audit_reason": "a test",
    }
    replaced = details("card.replaced")
    assert (replaced["old_card_id"], replaced["last_four"], replaced["state"]) == (
        cards["1232"],
        "0002",
        "active",
    )
    assert details("change.proposed") == {
        "proposal": proposal,
        "method": "account.adjust",
        "asked": {"account": "alice", "amount_minor": -20_000},
        **first,
        "audit_reason": "paid twice",
    }
    assert details("change.confirmed") == {"proposal": proposal, **second, "audit_reason": "saw the slip"}
    assert details("account.adjusted") == {
        "account": "alice",
        "amount_minor": -20_000,
        "currency": "EUR",
        "book": "adjustments",
        **first,
        "audit_reason": "paid twice",
    }
    released = details("hold.released")
    assert (released["card_id"], released["released_minor"]) == (cards["1232"], 1_500)
    assert details("policy.changed")["text"] == "# another policy\n"
    looked = details("operator.looked")
    assert (looked["method"], looked["target"], looked["actor"]) == ("account.show", "alice", "joao")


def test_no_card_number_in_any_event(data: Path) -> None:
    text = repr(list(read_events(embedded_journal(data)))) + repr(audit(data))
    assert [number in text for number in (PAN, ANOTHER_PAN)] == [False, False]
