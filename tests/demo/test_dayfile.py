"""The day's clearing file, out of what the network heard."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from demo.dayfile import Due, Total, everything_due, write
from demo.heard import Heard


def heard(rrn: str, **changed: Any) -> Heard:
    """An approved payment."""
    exchange = Heard(
        kind="payment",
        mti="0100",
        stan=rrn[-6:],
        rrn=rrn,
        de7="1123012745",
        de32="400226",
        last_four="0315",
        card_line=33,
        amount_minor=1205,
        currency="978",
        sent_at="2026-11-23T01:27:45.190Z",
        fields={"18": "5814", "43": "CAFE, DO LARGO           LISBOA       PT"},
        response_code="00",
        approval_code="0004PK",
    )
    return msgspec.structs.replace(exchange, **changed)


PAID, REVERSED, DECLINED, SILENT = "632701000007", "632701000008", "632701000009", "632701000010"


def test_what_was_approved_and_not_reversed_is_due_once() -> None:
    """A repeat adds nothing; a first answer to a repeat counts; reversed, declined, checked and unanswered do not."""
    late = heard(SILENT, mti="0101")
    exchanges = [
        heard(PAID),
        heard(PAID, kind="repeat", mti="0101"),
        heard(REVERSED),
        heard(REVERSED, mti="0420", stan="000011", de32="00400226"),
        heard(DECLINED, response_code="51", approval_code=""),
        heard("632701000012", amount_minor=0, response_code="85"),
        heard(SILENT, response_code="", approval_code=""),
        late,
    ]
    assert [Due(heard(PAID), 1205), Due(late, 1205)] == everything_due(exchanges)


def test_a_reversal_without_answer_takes_nothing_off_the_file() -> None:
    """The network does not know that it was taken back."""
    unanswered = heard(PAID, mti="0400", response_code="")
    assert [Due(heard(PAID), 1205)] == everything_due([heard(PAID), unanswered])


def test_the_file_names_each_payment(tmp_path: Path) -> None:
    """A header and a line for each, and what it adds up to; a comma in a name stays in the name."""
    path = tmp_path / "clearing.csv"
    due = [Due(heard(PAID), 1205), Due(heard(SILENT), 99)]
    total = write(path, due, lambda each: f"pan{each.card_line}", date(2026, 11, 23))
    expected = [
        "kind,network,pan,amount,currency,settlement_date,reference,approval_code,acquirer,rrn,merchant,city,mcc",
        (
            "presentment,testnet,pan33,12.05,978,2026-11-23,20261123-000001,0004PK,400226,632701000007,"
            '"CAFE, DO LARGO",LISBOA,5814'
        ),
        (
            "presentment,testnet,pan33,0.99,978,2026-11-23,20261123-000002,0004PK,400226,632701000010,"
            '"CAFE, DO LARGO",LISBOA,5814'
        ),
    ]
    assert (Total(2, 1304), expected) == (total, path.read_text().splitlines())
