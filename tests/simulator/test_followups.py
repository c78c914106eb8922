"""Messages beyond the plain 0100, field by field and byte for byte."""

from datetime import timedelta

import iso8583
import pytest

from simulator import followups, messages
from simulator.messages import Payment
from simulator.testing import CARD, MOMENT, PLACE, purchase

PAYMENT = Payment(
    pan=CARD.pan,
    expiry=CARD.expiry,
    amount_minor=1250,
    currency_number="978",
    place=PLACE,
    entry_mode="071",
    condition="00",
)
LATER = MOMENT + timedelta(seconds=3)
NEXT = {"7": "0309220510", "11": "000008"}


def test_network_data_is_tags_lengths_and_values() -> None:
    """In the order of the tags; what is not said has none."""
    everything = followups.network_data(
        network_id="NET000000000001",
        lifetime_hours=72,
        increment=True,
        partial=True,
        capture=(1, 3),
        pin="X",
        cvv="F",
        arqc="P",
        mac="N",
    )
    assert everything == "0115NET0000000000010202720301I04011050401030601X0701F0801P0901N"
    assert followups.network_data() == ""


def test_fees_and_cash() -> None:
    """A fee on top is a debit, one taken off a credit; the cash part is a debit of type 40."""
    assert (followups.fee(50), followups.fee(-50)) == ("D00000050", "C00000050")
    assert followups.cash_part(400, "978") == "0040978D000000000400"


def test_what_asks_otherwise_than_for_a_purchase() -> None:
    """Refund, inquiry, cash back and single message differ from the 0100 in these fields alone."""
    plain = purchase()
    assert followups.refund(PAYMENT, stan="000007", at=MOMENT) == plain | {"3": "200000"}
    assert followups.balance_inquiry(PAYMENT, stan="000007", at=MOMENT) == plain | {
        "3": "310000",
        "4": "000000000000",
    }
    assert followups.cash_back(PAYMENT, cash_minor=400, stan="000007", at=MOMENT) == plain | {
        "3": "090000",
        "54": "0040978D000000000400",
    }
    assert followups.single_message(plain) == plain | {"t": "0200"}


def test_an_advice_keeps_all_that_names_the_request() -> None:
    """MTI, DE38 and DE39 apart, it is the request."""
    assert followups.advice(purchase(), approval_code="S00001") == purchase() | {
        "t": "0120",
        "38": "S00001",
        "39": "00",
    }
    assert followups.advice(purchase(), code="05") == purchase() | {"t": "0120", "39": "05"}


def test_an_increment_names_what_it_adds_to() -> None:
    """Its own STAN and moment, DE37 of the first, DE90, and the flag in DE63."""
    assert followups.increment(purchase(), amount_minor=600, stan="000008", at=LATER, network_id="N1") == {
        **purchase(),
        **NEXT,
        "4": "000000000600",
        "63": "0102N10301I",
        "90": "0100" + "000007" + "0309220507" + "00000400112" + "0" * 11,
    }


def test_a_completion_names_its_payment() -> None:
    """By DE38 and by the network's name; without them it is a posting that may match nothing."""
    original = purchase() | {"63": "0102N1"}
    bare = {**purchase(), **NEXT, "t": "0220", "4": "000000000700"}
    named = followups.completion(
        original,
        amount_minor=700,
        stan="000008",
        at=LATER,
        approval_code="A1B2C3",
        network_id="N1",
        capture=(1, 2),
    )
    assert named == bare | {"38": "A1B2C3", "63": "0102N105040102"}
    assert followups.completion(original, amount_minor=700, stan="000008", at=LATER) == bare


@pytest.mark.parametrize("seen_before", [0, 20])
def test_what_isowire_writes_is_what_pyiso8583_writes(seen_before: int) -> None:
    """Each of them, byte for byte, by the general path and by code of its own."""
    bought = purchase()
    kinds = [
        followups.refund(PAYMENT, stan="000001", at=MOMENT),
        followups.balance_inquiry(PAYMENT, stan="000001", at=MOMENT),
        followups.cash_back(PAYMENT, cash_minor=400, stan="000001", at=MOMENT),
        followups.single_message(bought) | {"28": followups.fee(-50)},
        followups.advice(bought, approval_code="S00001"),
        followups.increment(bought, amount_minor=600, stan="000008", at=MOMENT, network_id="NET1"),
        followups.completion(bought, amount_minor=7, stan="000008", at=MOMENT, approval_code="A1B2C3"),
        messages.repeat(
            followups.completion(bought, amount_minor=7, stan="000008", at=MOMENT, network_id="N")
        ),
    ]
    for fields in kinds:
        for _ in range(seen_before):
            messages.encode(fields)
        assert messages.encode(fields) == bytes(iso8583.encode(dict(fields), messages.SPEC)[0])
