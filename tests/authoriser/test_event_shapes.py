"""What each record of a payment says as an event, and that no record is without one."""

from typing import Any, get_args

from authoriser.events import _EVENTS, event_of
from authoriser.ledger import records as r
from rules import Reason

AT_MS = 1_800_000_000_000
EXPIRES_MS = AT_MS + 7 * 86_400_000


def said(mti: str = "0100", processing_code: str = "000000", amount_minor: int = 2_500) -> r.Particulars:
    return r.Particulars(
        network="visa",
        link="line",
        mti=mti,
        transmission="0115080000",
        stan="000001",
        rrn="701508000001",
        acquirer="123456",
        processing_code=processing_code,
        amount_minor=amount_minor,
        currency="978",
        merchant="Corner Shop",
    )


SAID = {
    "network": "visa",
    "link": "line",
    "mti": "0100",
    "amount_minor": 2_500,
    "currency": "EUR",
    "processing_code": "000000",
    "merchant": "Corner Shop",
    "acquirer": "123456",
    "rrn": "701508000001",
    "stan": "000001",
    "transmission": "0115080000",
}
CARD = {"account": "alice", "card_id": "card_1", "last_four": "0002"}


def decided(reason: Reason, particulars: r.Particulars | None = None, **more: Any) -> r.Decided:
    fields: dict[str, Any] = {"response_code": "00", "approval_code": "", "hold": None} | more
    return r.Decided(
        at_ms=AT_MS,
        account_id="alice",
        card_id="card_1",
        last_four="0002",
        key="a key",
        particulars=particulars or said(),
        reason=reason,
        forget_ms=EXPIRES_MS,
        **fields,
    )


def details(record: r.Record) -> dict[str, Any]:
    event = event_of(record, number=7, seq=3, shard=0)
    envelope = {name: event.pop(name) for name in ("id", "record", "seq", "shard", "time")}
    assert envelope == {
        "id": "0-000000000007",
        "record": 7,
        "seq": 3,
        "shard": 0,
        "time": "2027-01-15T08:00:00.000Z",
    }
    return event


def test_an_approval_names_its_hold() -> None:
    """An approved 0100 tells what is held, under which number and until when; the key is nowhere in it."""
    hold = r.HoldPlaced(7, 2_500, EXPIRES_MS)
    record = decided(Reason.APPROVED, approval_code="000007", hold=hold, approved_minor=2_500)
    assert details(record) == {
        "type": "card.authorisation.approved",
        **CARD,
        **SAID,
        "reason": "approved",
        "response_code": "00",
        "approval_code": "000007",
        "approved_minor": 2_500,
        "hold_id": "7",
        "held_minor": 2_500,
        "expires_at": "2027-01-22T08:00:00.000Z",
    }


def test_a_partial_approval_tells_both_amounts() -> None:
    """`amount_minor` is what was asked, `approved_minor` what was given, as DE54 says."""
    record = decided(
        Reason.APPROVED_PARTIALLY,
        response_code="10",
        approval_code="000007",
        hold=r.HoldPlaced(7, 1_000, EXPIRES_MS),
        approved_minor=1_000,
        replied_minor=1_000,
        amounts=(r.AmountGiven("00", "57", "978", 2_500),),
    )
    event = details(record)
    assert event["type"] == "card.authorisation.approved"
    assert (event["amount_minor"], event["approved_minor"], event["held_minor"]) == (2_500, 1_000, 1_000)
    assert event["amounts"] == [{"kind": "57", "amount_minor": 2_500, "currency": "EUR"}]


def test_an_increment_names_the_hold_that_grew() -> None:
    """No hold of its own: the one it moved, and by how much."""
    moved = r.Moved(4, held_minor=500, authorised_minor=500, expires_ms=EXPIRES_MS, approval_code="000007")
    event = details(decided(Reason.APPROVED, approved_minor=500, moved=(moved,), matched_by="network_id"))
    assert (event["type"], event["hold_id"]) == ("card.authorisation.approved", "4")
    assert event["matched_by"] == "network_id"
    assert event["moved"] == [
        {
            "hold_id": "4",
            "held_minor": 500,
            "authorised_minor": 500,
            "expires_at": "2027-01-22T08:00:00.000Z",
            "approval_code": "000007",
        }
    ]


def test_names_of_decisions() -> None:
    """What was asked and what came of it make the event's type."""
    refund = r.HoldPlaced(7, 0, EXPIRES_MS, kind="refund")
    posted = r.HoldPlaced(7, 0, EXPIRES_MS, captured_minor=2_500)
    named = {
        "approved": decided(Reason.APPROVED, hold=r.HoldPlaced(7, 2_500, EXPIRES_MS)),
        "verified": decided(Reason.VERIFIED, said(amount_minor=0)),
        "declined": decided(Reason.INSUFFICIENT_FUNDS, response_code="51"),
        "declined 0200": decided(Reason.CARD_FROZEN, said("0200"), response_code="62"),
        "inquiry": decided(Reason.BALANCE_GIVEN, said(processing_code="310000")),
        "advice": decided(Reason.ADVICE_ACCEPTED, said("0120")),
        "completion": decided(Reason.ADVICE_ACCEPTED, said("0220")),
        "refund": decided(Reason.APPROVED, said(processing_code="200000"), hold=refund),
        "0200": decided(Reason.APPROVED, said("0200"), hold=posted),
        "0200 refund": decided(Reason.APPROVED, said("0200", "200000"), hold=refund),
    }
    assert {what: details(record)["type"] for what, record in named.items()} == {
        "approved": "card.authorisation.approved",
        "verified": "card.authorisation.verified",
        "declined": "card.authorisation.declined",
        "declined 0200": "card.authorisation.declined",
        "inquiry": "card.balance.given",
        "advice": "card.advice.accepted",
        "completion": "card.advice.accepted",
        "refund": "card.refund.approved",
        "0200": "card.payment.posted",
        "0200 refund": "card.refund.posted",
    }


def test_a_single_message_tells_its_entries() -> None:
    """A 0200 posts at once: the event holds the double entries and what the payment has captured."""
    record = decided(
        Reason.APPROVED,
        said("0200"),
        hold=r.HoldPlaced(7, 0, EXPIRES_MS, captured_minor=2_550),
        entries=(
            r.Entry("purchase", -2_500, "settlement:visa:20270115:978"),
            r.Entry("fee", -50, "fees:978"),
        ),
    )
    event = details(record)
    assert event["captured_minor"] == 2_550
    assert event["entries"] == [
        {
            "kind": "purchase",
            "amount_minor": -2_500,
            "currency": "EUR",
            "book": "settlement:visa:20270115:978",
        },
        {"kind": "fee", "amount_minor": -50, "currency": "EUR", "book": "fees:978"},
    ]


def test_a_reversal_tells_what_it_gave_back() -> None:
    """A reversed 0200: what moved, and the entries that unpost it."""
    record = r.Reversed(
        at_ms=AT_MS,
        account_id="alice",
        card_id="card_1",
        last_four="0002",
        key="a key",
        particulars=said("0420"),
        reason=Reason.REVERSAL_DONE,
        response_code="00",
        original_key="another key",
        hold_id=4,
        released_minor=0,
        remaining_minor=0,
        tombstone=None,
        forget_ms=EXPIRES_MS,
        moved=(r.Moved(4, captured_minor=-2_500, online_minor=-2_500, ended="reversed"),),
        entries=(r.Entry("reversal", 2_500, "settlement:visa:20270115:978"),),
        matched_by="reference",
    )
    event = details(record)
    assert event == {
        "type": "card.reversal.accepted",
        **CARD,
        **SAID,
        "mti": "0420",
        "reason": "reversal_done",
        "response_code": "00",
        "hold_id": "4",
        "released_minor": 0,
        "remaining_minor": 0,
        "matched_by": "reference",
        "moved": [{"hold_id": "4", "captured_minor": -2_500, "online_minor": -2_500, "ended": "reversed"}],
        "entries": [
            {
                "kind": "reversal",
                "amount_minor": 2_500,
                "currency": "EUR",
                "book": "settlement:visa:20270115:978",
            }
        ],
    }


def test_holds_that_end_tell_how() -> None:
    """Voided and expired holds: what was released, and the payment's end."""
    voided = r.HoldVoided(
        AT_MS, "alice", "card_1", "a key", 4, 2_500, Reason.ANSWER_VOID, "68", (r.Moved(4, -2_500),), ()
    )
    expired = r.HoldExpired(AT_MS, "alice", "card_1", 4, 2_500, (r.Moved(4, -2_500, ended="expired"),))
    hold = {"account": "alice", "card_id": "card_1", "hold_id": "4", "released_minor": 2_500}
    assert details(voided) == {
        "type": "hold.voided",
        **hold,
        "moved": [{"hold_id": "4", "held_minor": -2_500}],
    }
    assert details(expired) == {
        "type": "hold.expired",
        **hold,
        "moved": [{"hold_id": "4", "held_minor": -2_500, "ended": "expired"}],
    }


def cleared(**more: Any) -> r.Cleared:
    fields: dict[str, Any] = {
        "at_ms": AT_MS,
        "account_id": "alice",
        "card_id": "card_1",
        "last_four": "0002",
        "key": "clear|visa|ref|presentment|",
        "particulars": said("", "presentment"),
        "kind": "presentment",
        "outcome": "matched",
        "amount_minor": 2_500,
        "fee_minor": 0,
        "difference_minor": 100,
        "hold_id": 4,
        "matched_by": "network_id",
        "settlement": "settlement:visa:20270116:978",
        "forget_ms": EXPIRES_MS,
        "moved": (r.Moved(4, -2_400, captured_minor=2_500, ended="captured"),),
        "entries": (r.Entry("presentment", -2_500, "settlement:visa:20270116:978"),),
    }
    return r.Cleared(**(fields | more))


def test_a_cleared_row_tells_its_outcome() -> None:
    """Kind, outcome, difference, and where it was settled; no message type, and no key."""
    expected = {name: value for name, value in SAID.items() if name != "mti"}
    assert details(cleared()) == {
        "type": "clearing.posted",
        **CARD,
        **expected,
        "processing_code": "presentment",
        "kind": "presentment",
        "outcome": "matched",
        "fee_minor": 0,
        "difference_minor": 100,
        "hold_id": "4",
        "matched_by": "network_id",
        "settlement": "settlement:visa:20270116:978",
        "moved": [{"hold_id": "4", "held_minor": -2_400, "captured_minor": 2_500, "ended": "captured"}],
        "entries": [
            {
                "kind": "presentment",
                "amount_minor": -2_500,
                "currency": "EUR",
                "book": "settlement:visa:20270116:978",
            }
        ],
    }


def test_a_row_for_nobody_names_the_other_book() -> None:
    """Without a card of ours: no account, no hold, and the suspense book in the customer's place."""
    entry = r.Entry("presentment", -2_500, "settlement:visa:20270116:978", "suspense:978")
    event = details(
        cleared(
            account_id="",
            card_id="",
            outcome="suspense",
            hold_id=0,
            matched_by="",
            moved=(),
            entries=(entry,),
        )
    )
    assert (event["account"], event["card_id"], event["hold_id"], event["matched_by"]) == (None,) * 4
    assert event["entries"][0]["other"] == "suspense:978"


def test_the_shops_amount_stands_beside_the_cardholders() -> None:
    """The shop's amount and currency stand beside the cardholder's where they are others."""
    particulars = r.Particulars(
        *(getattr(said(), name) for name in r.Particulars.__struct_fields__[:17]),
        transaction_minor=2_700,
        transaction_currency="840",
    )
    event = details(decided(Reason.APPROVED, particulars))
    assert (event["transaction_minor"], event["transaction_currency"]) == (2_700, "USD")


def test_an_exception_names_account_and_candidates() -> None:
    """What an ambiguous clearing could have meant: the payments' numbers."""
    record = r.ExceptionNoted(
        AT_MS, "e1", "clearing_ambiguous", "", "visa", "", "", "two fit", "0002", 2_500, "x", "alice", (4, 9)
    )
    assert details(record) == {
        "type": "exception.noted",
        "exception_id": "e1",
        "kind": "clearing_ambiguous",
        "link": "",
        "network": "visa",
        "mti": "",
        "field": None,
        "detail": "two fit",
        "last_four": "0002",
        "amount_minor": 2_500,
        "account": "alice",
        "candidates": ["4", "9"],
    }


def test_a_finished_file_tells_who_posted_it() -> None:
    """The file's hash and rows, and the audit of whoever said that it is done; no key."""
    audit = r.Audit("a key", "ann", 1000, "the day's clearing", "clearing.finish:ab", EXPIRES_MS)
    assert details(r.ClearingFileEnded(AT_MS, "ab" * 32, 12, audit)) == {
        "type": "clearing.file_posted",
        "file_sha256": "ab" * 32,
        "rows": 12,
        "actor": "ann",
        "uid": 1000,
        "audit_reason": "the day's clearing",
    }


def test_every_record_has_an_event() -> None:
    """Whatever the journal holds can be told; nothing is told of what it can't hold."""
    assert set(get_args(r.Record)) == set(_EVENTS)
