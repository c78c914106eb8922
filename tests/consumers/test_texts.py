"""What the customer reads: one text for each decision that is worth one, in the words of the reason table."""

from typing import Any

import pytest

from authoriser.ledger import records as r
from consumers.notifications.texts import Notification, Texts
from rules import Reason
from tests.consumers.events import AT_MS, approved, decided, incoming, said


def text_of(record: Any) -> str | None:
    notification = Texts().of(incoming(record))
    return None if notification is None else notification.text


def test_an_approval_names_amount_shop_and_city() -> None:
    """The whole notification: the event's id, whose it is, and the text in major units with the currency."""
    assert Texts().of(incoming(approved())) == Notification(
        id="0-000000000007",
        type="card.authorisation.approved",
        time="2027-01-15T08:00:00.000Z",
        account="alice",
        card_id="card_1",
        reason="approved",
        text="25.50 EUR at Grocer, Brussels.",
    )


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            decided(Reason.INSUFFICIENT_FUNDS),
            "There was not enough money for 25.50 EUR at Grocer, Brussels.",
        ),
        (
            decided(Reason.APPROVED_PARTIALLY, approved_minor=1_000, hold=r.HoldPlaced(7, 1_000, AT_MS)),
            "Grocer, Brussels got 10.00 EUR, all that was available. The rest has to be paid another way.",
        ),
        (decided(Reason.CARD_BLOCKED), "Your card is blocked. Please contact us."),
        (
            decided(Reason.INSUFFICIENT_FUNDS, said(merchant="", city="")),
            "There was not enough money for 25.50 EUR at a shop.",
        ),
        (
            decided(Reason.INSUFFICIENT_FUNDS, said(city="")),
            "There was not enough money for 25.50 EUR at Grocer.",
        ),
        (
            decided(Reason.INSUFFICIENT_FUNDS, said(currency="392", amount_minor=1_500)),
            "There was not enough money for 1500 JPY at Grocer, Brussels.",
        ),
        (
            decided(Reason.INSUFFICIENT_FUNDS, said(currency="048", amount_minor=1_500)),
            "There was not enough money for 1.500 BHD at Grocer, Brussels.",
        ),
        (
            decided(Reason.INSUFFICIENT_FUNDS, said(merchant="{amount}", city="")),
            "There was not enough money for 25.50 EUR at {amount}.",
        ),
        (
            decided(Reason.ADVICE_ACCEPTED, said("0120"), approved_minor=2_550),
            "25.50 EUR at Grocer, Brussels.",
        ),
    ],
    ids=["declined", "in part", "no blanks", "no shop", "no city", "yen", "dinar", "braces", "advice"],
)
def test_texts_are_filled_in(record: r.Decided, text: str) -> None:
    """What the event does not say has plain words in its place; decimals are the currency's."""
    assert text_of(record) == text


@pytest.mark.parametrize(
    "record",
    [
        decided(Reason.VERIFIED),
        decided(Reason.BALANCE_GIVEN),
        decided(Reason.UNKNOWN_CARD, account_id="", card_id=""),
        decided(Reason.INSUFFICIENT_FUNDS, account_id="", card_id=""),
        decided(Reason.ADVICE_ACCEPTED, said("0120")),
        r.EpochEnded(AT_MS),
        r.HoldExpired(AT_MS, "alice", "card_1", 4, 2_500),
    ],
    ids=["verified", "balance", "unknown card", "nobody's", "advice of a decline", "epoch", "expired"],
)
def test_what_the_customer_need_not_know_has_no_text(record: Any) -> None:
    """No money moved that they had not heard of, or there is no customer."""
    assert text_of(record) is None


def reversal(released_minor: int, **more: Any) -> r.Reversed:
    fields: dict[str, Any] = {
        "at_ms": AT_MS,
        "account_id": "alice",
        "card_id": "card_1",
        "last_four": "0002",
        "key": "k",
        "particulars": said("0420"),
        "reason": Reason.REVERSAL_DONE,
        "response_code": "00",
        "original_key": "o",
        "hold_id": 4,
        "released_minor": released_minor,
        "remaining_minor": 0,
        "tombstone": None,
        "forget_ms": AT_MS,
    }
    return r.Reversed(**fields | more)


def test_a_reversal_names_what_came_back() -> None:
    """The released part of a hold, or what had been posted; a reversal of nothing says nothing."""
    posted = (r.Moved(4, captured_minor=-2_500, ended="reversed"),)
    assert [
        text_of(reversal(1_000)),
        text_of(reversal(0, moved=posted)),
        text_of(reversal(0, reason=Reason.NO_ORIGINAL, hold_id=0)),
    ] == [
        "10.00 EUR at Grocer, Brussels was cancelled. The money is yours again.",
        "25.00 EUR at Grocer, Brussels was cancelled. The money is yours again.",
        None,
    ]


def voided() -> r.HoldVoided:
    return r.HoldVoided(AT_MS, "alice", "card_1", "a key", 7, 2_550, Reason.ANSWER_VOID, "68")


def test_an_approval_that_was_taken_back_is_named() -> None:
    """The void's event says only which hold; the text has the shop of the approval that came by before."""
    texts = Texts()
    texts.remember(incoming(approved()))
    notification = texts.of(incoming(voided(), 8))
    assert notification is not None
    assert (notification.reason, notification.text) == (
        "answer_void",
        "25.50 EUR at Grocer, Brussels could not be completed. Nothing was charged.",
    )


def test_an_approval_that_nobody_saw_has_plain_words() -> None:
    """After a long pause the approval is not remembered: still one text, and no wrong amount."""
    assert text_of(voided()) == "A payment at a shop could not be completed. Nothing was charged."
