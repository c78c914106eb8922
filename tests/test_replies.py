"""Replies: what is echoed, what is given, and what never comes back."""

from pathlib import Path

import pytest

from authoriser.ledger.commands import Reply
from authoriser.ledger.records import AmountGiven
from authoriser.replies import ReplyBuilder
from isowire import EncodeError, Message, load_dialect
from rules import Reason

EVERY = {str(number): "0" for number in range(2, 129)} | {"4": "000000001000", "49": "978"}
ECHOED = {"2", "3", "4", "7", "11", "12", "13", "24", "25", "32", "33", "37", "41", "42", "49"}
NEVER = {"14", "35", "36", "45", "52", "53", "55", "63"}


@pytest.mark.parametrize("name", ["iso87-ascii", "iso87-binary", "iso87-ebcdic"])
@pytest.mark.parametrize(
    ("mti", "answer"), [("0100", "0110"), ("0121", "0130"), ("0200", "0210"), ("0221", "0230")]
)
def test_a_decline_has_the_echo_and_its_code(name: str, mti: str, answer: str) -> None:
    """No DE38 and no DE54 of the request's, and never expiry, tracks, PIN or chip data."""
    reply = ReplyBuilder(load_dialect(name)).build(Message(mti, EVERY), Reply(Reason.CARD_FROZEN, "62"))
    assert (reply.mti, reply.fields.keys()) == (answer, ECHOED | {"39"})
    assert not reply.fields.keys() & NEVER


def test_a_partial_approval_has_its_own_amount_and_the_one_asked_for() -> None:
    """DE4 is what was approved; DE54 says what was asked; DE38 is there."""
    given = (AmountGiven("00", "57", "978", 1000),)
    reply = ReplyBuilder(load_dialect("iso87-ascii")).build(
        Message("0100", {"4": "000000001000", "11": "000001", "49": "978"}),
        Reply(Reason.APPROVED_PARTIALLY, "10", "A1B2C3", 400, given),
    )
    assert reply.fields == {
        "4": "000000000400",
        "11": "000001",
        "38": "A1B2C3",
        "39": "10",
        "49": "978",
        "54": "0057978C000000001000",
    }


def test_balances_below_zero_are_debits() -> None:
    """Two amounts in DE54, and no DE38."""
    given = (AmountGiven("10", "01", "978", -250), AmountGiven("10", "02", "978", 750))
    reply = ReplyBuilder(load_dialect("iso87-ascii")).build(
        Message("0100", {}), Reply(Reason.BALANCE_GIVEN, "00", "", None, given)
    )
    assert reply.fields == {"39": "00", "54": "1001978D0000000002501002978C000000000750"}


def test_amounts_go_out_with_the_networks_decimals(tmp_path: Path) -> None:
    """Krónur with two, euros with one: of a balance, what can't be said is dropped, downwards."""
    file = tmp_path / "north.toml"
    file.write_text(
        'extends = "iso87-ascii"\nname = "n"\n[currency_exponents]\nISK = 2\nEUR = 1\n', encoding="utf-8"
    )
    builder = ReplyBuilder(load_dialect(file))
    given = (AmountGiven("00", "01", "352", 70), AmountGiven("00", "02", "978", -12_345))
    reply = builder.build(
        Message("0100", {"4": "000000010000", "49": "ISK"}),
        Reply(Reason.APPROVED_PARTIALLY, "10", "A", 70, given),
    )
    assert (reply.fields["4"], reply.fields["54"]) == (
        "000000007000",
        "0001352C0000000070000002978D000000001235",
    )


def test_an_amount_beyond_the_field_is_an_encode_error() -> None:
    """Nobody is told a wrong balance."""
    given = (AmountGiven("00", "01", "978", 10**12),)
    with pytest.raises(EncodeError, match="DE54"):
        ReplyBuilder(load_dialect("iso87-ascii")).build(
            Message("0100", {}), Reply(Reason.BALANCE_GIVEN, "00", "", None, given)
        )
