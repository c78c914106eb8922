"""Messages are what ISO 8583:1987 says, byte for byte."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import iso8583
import pytest

from simulator import messages
from simulator.errors import SimulatorError
from simulator.messages import Payment
from simulator.testing import CARD, MOMENT, PLACE, purchase


def test_an_authorisation_is_this_whole_message() -> None:
    """Every field, with DE12 and 13 in the merchant's time and DE37 made from year, day, hour and STAN."""
    payment = Payment(
        pan=CARD.pan,
        expiry="3012",
        amount_minor=1250,
        currency_number="978",
        place=replace(PLACE, zone=ZoneInfo("Asia/Tokyo")),
        entry_mode="071",
        condition="00",
    )
    expected = {
        "t": "0100",
        "2": "4000000000000002",
        "3": "000000",
        "4": "000000001250",
        "7": "0309220507",
        "11": "000007",
        "12": "070507",
        "13": "0310",
        "14": "3012",
        "18": "5411",
        "22": "071",
        "25": "00",
        "32": "400112",
        "37": "606822000007",
        "41": "DE001001",
        "42": "DE54110000001  ",
        "43": "MARKTHALLE               HAMBURG      DE",
        "49": "978",
    }
    assert expected == messages.authorisation(payment, stan="000007", at=MOMENT)


def test_the_bytes_of_an_authorisation() -> None:
    """ASCII MTI, sixteen hex characters of bitmap, then the fields."""
    expected = (
        b"0100" + b"723C448108E08000" + b"164000000000000002" + b"000000" + b"000000001250" + b"0309220507"
        b"000007" + b"220507" + b"0309" + b"3012" + b"5411" + b"071" + b"00" + b"06400112" + b"606822000007"
        b"DE001001" + b"DE54110000001  " + b"MARKTHALLE               HAMBURG      DE" + b"978"
    )
    assert expected == messages.encode(purchase())


@pytest.mark.parametrize("seen_before", [0, 20])
def test_what_isowire_writes_is_what_pyiso8583_writes(seen_before: int) -> None:
    """Each kind of message, byte for byte: what the network sends must not lean on a bug that the server shares.

    A layout that was seen often is written by code of its own.
    """
    bought = purchase()
    kinds = [
        bought,
        messages.repeat(bought),
        messages.reversal(bought, stan="000009", at=MOMENT),
        messages.reversal(
            bought, stan="000009", at=MOMENT, approval_code="A1B2C3", advice=True, new_total_minor=5
        ),
        messages.network_management(messages.ECHO, stan="000010", at=MOMENT),
    ]
    for fields in kinds:
        for _ in range(seen_before):
            messages.encode(fields)
        assert messages.encode(fields) == bytes(iso8583.encode(dict(fields), messages.SPEC)[0])


def test_encode_leaves_the_fields_alone() -> None:
    """pyiso8583 adds keys to what it is given; here it is given a copy."""
    fields = purchase()
    messages.encode(fields)
    assert purchase() == fields


def test_decode_is_the_way_back() -> None:
    """What was encoded decodes to the same fields, without bitmaps."""
    reversal = messages.reversal(purchase(), stan="000008", at=MOMENT, approval_code="A1B2C3", advice=True)
    assert reversal == messages.decode(messages.encode(reversal))


def test_a_repeat_differs_in_the_mti_alone() -> None:
    """DE7, 11 and 37 stay, or the issuer could not know it for a repeat."""
    assert {**purchase(), "t": "0101"} == messages.repeat(purchase())
    assert messages.repeat({"t": "0420"})["t"] == "0421"


def test_a_reversal_names_its_original() -> None:
    """DE90 is MTI, STAN, DE7, acquirer and forwarder; STAN and DE7 are its own, DE37 the original's."""
    original = purchase()
    expected = {name: value for name, value in original.items() if name not in {"t", "7", "11"}} | {
        "t": "0400",
        "7": "0309220507",
        "11": "000008",
        "38": "A1B2C3",
        "90": "0100" + "000007" + "0309220507" + "00000400112" + "00000000000",
    }
    assert expected == messages.reversal(original, stan="000008", at=MOMENT, approval_code="A1B2C3")


def test_a_partial_reversal_says_the_new_total() -> None:
    """DE95 opens with the amount that stays; it is 42 characters."""
    reversal = messages.reversal(purchase(), stan="000008", at=MOMENT, new_total_minor=400)
    assert reversal["95"] == "000000000400" + "0" * 12 + "D00000000" * 2


@pytest.mark.parametrize(
    ("request_mti", "reply_mti"),
    [("0100", "0110"), ("0101", "0110"), ("0400", "0410"), ("0421", "0430"), ("0800", "0810")],
)
def test_the_mti_of_the_answer(request_mti: str, reply_mti: str) -> None:
    """A request's function digit goes up by one and the repeat digit away; an advice's likewise."""
    assert reply_mti == messages.response_mti(request_mti)


def test_what_does_not_decode_is_said_without_its_bytes() -> None:
    """pyiso8583's error holds the whole message; ours holds field and place."""
    with pytest.raises(SimulatorError) as caught:
        messages.decode(messages.encode(purchase())[:30])
    assert str(
        caught.value
    ) == "pyiso8583 cannot decode it: Field data is 8 bytes, expecting 16, field 2 at byte 22".replace(
        ", expecting 16", ""
    )
    assert caught.value.__cause__ is None


def test_what_does_not_encode_is_said_without_its_fields() -> None:
    """A card number too long for DE2 is not quoted."""
    with pytest.raises(SimulatorError) as caught:
        messages.encode({**purchase(), "2": "4" * 25})
    assert (
        str(caught.value)
        == "a message of ours does not encode: DE2: found 25 characters, expected up to 19 digits"
    )


def test_sensitive_values_are_masked() -> None:
    """A card number keeps its last four; tracks and expiry keep their length."""
    assert messages.masked("2", CARD.pan) == "************0002"
    assert messages.masked("14", "3012") == "(4 characters, not shown)"
    assert messages.masked("39", "51") == "51"
