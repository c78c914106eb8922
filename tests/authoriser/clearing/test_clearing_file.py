"""authoriser.clearing.file: what is right in a clearing file, and what is said of what is wrong."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoriser.admin.clearing_protocol import ClearingCheck, ClearingRow
from authoriser.admin.protocol import decode_params
from authoriser.clearing.file import COLUMNS, REQUIRED, parse_clearing, read_clearing_file

PAN = "4000000000000002"
ROW: dict[str, str] = {
    "kind": "presentment",
    "network": "visa",
    "pan": PAN,
    "amount": "25.00",
    "currency": "EUR",
    "settlement_date": "2026-11-25",
}
FULL: dict[str, str] = ROW | {
    "network_id": "T-123",
    "approval_code": "00A001",
    "acquirer": "0000123456",
    "rrn": "632900000001",
    "reference": "74000005123456789012345",
    "merchant_id": "SHOP 1",
    "merchant": "Corner Shop",
    "city": "Lisboa",
    "country": "PT",
    "mcc": "5411",
    "transaction_amount": "27.10",
    "transaction_currency": "USD",
    "fee": "-0.50",
    "transaction_date": "2026-11-23",
    "sequence": "1",
    "count": "2",
    "final": "",
}
TOGETHER = "transaction_amount and transaction_currency go together: both or neither, found nothing"


def file_of(*rows: dict[str, str], columns: tuple[str, ...] | None = None) -> bytes:
    text = io.StringIO()
    names = columns if columns is not None else tuple(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def problems(content: bytes) -> list[str]:
    found = parse_clearing(content)
    assert found.rows == () or not found.problems
    return [str(problem) for problem in found.problems]


def problem(**changes: str) -> list[str]:
    """What is said of one row that is right but for these values."""
    return problems(file_of(ROW | changes))


def test_a_full_row() -> None:
    """Every column: amounts in their own minor units, dates without dashes, the acquirer without zeros."""
    assert parse_clearing(file_of(FULL)).rows == (
        ClearingRow(
            line=2,
            kind="presentment",
            network="visa",
            amount_minor=2_500,
            currency="EUR",
            settlement_date="20261125",
            pan=PAN,
            network_id="T-123",
            approval_code="00A001",
            acquirer="123456",
            rrn="632900000001",
            reference="74000005123456789012345",
            merchant_id="SHOP 1",
            merchant="Corner Shop",
            city="Lisboa",
            country="PT",
            mcc="5411",
            transaction_minor=2_710,
            transaction_currency="USD",
            fee_minor=-50,
            transaction_date="20261123",
            sequence="1",
            final=False,
        ),
    )


def test_a_short_row() -> None:
    """The columns that must be there are enough, in any order; what is not there is nothing, and the row is final."""
    columns = ("settlement_date", "pan", "currency", "amount", "network", "kind")
    expected = ClearingRow(
        line=2,
        kind="presentment",
        network="visa",
        amount_minor=2_500,
        currency="EUR",
        settlement_date="20261125",
        pan=PAN,
    )
    assert parse_clearing(file_of(ROW, columns=columns)).rows == (expected,)


def test_a_card_by_its_id() -> None:
    """`card_id` stands for the number; currencies may be digits, and yen have no decimals."""
    row = ROW | {"pan": "", "card_id": "card_1", "currency": "392", "amount": "2500"}
    (found,) = parse_clearing(file_of(row)).rows
    assert (found.card_id, found.currency, found.amount_minor) == ("card_1", "JPY", 2_500)


@pytest.mark.parametrize(
    ("sequence", "count", "final", "expected"),
    [
        ("", "", "", True),
        ("1", "2", "", False),
        ("2", "2", "", True),
        ("1", "2", "yes", True),
        ("2", "2", "no", False),
        ("", "", "no", False),
    ],
)
def test_final(sequence: str, count: str, final: str, expected: bool) -> None:
    """The last part is final, and so is what is no part; `final` overrides."""
    row = ROW | {"sequence": sequence, "count": count, "final": final}
    (found,) = parse_clearing(file_of(row)).rows
    assert found.final is expected


@pytest.mark.parametrize(
    "change", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")]
)
def test_byte_order_mark_and_line_ends(change: Any) -> None:
    """A BOM and CRLF are fine, and the hash is that of the bytes as they are."""
    content = change(file_of(ROW, ROW | {"amount": "1.00"}))
    found = parse_clearing(content)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert [(row.line, row.amount_minor) for row in found.rows] == [(2, 2_500), (3, 100)]


def test_blank_lines_and_blanks_around_values() -> None:
    """Blank lines are left out but counted; blanks around a value are no part of it."""
    content = file_of(ROW).replace(b"visa", b" visa ").replace(b"\n", b"\n\n", 1)
    assert [(row.line, row.network) for row in parse_clearing(content).rows] == [(3, "visa")]


def test_an_unknown_card_is_no_fault_of_the_file() -> None:
    """The network settles it all the same: the row is right."""
    assert len(parse_clearing(file_of(ROW | {"pan": "4000000000000028"})).rows) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"kind": "sale"},
            "kind: should be one of presentment, refund, reversal, chargeback, representment, found 'sale'",
        ),
        ({"network": ""}, "network: should be a network's name in the configuration, found nothing"),
        ({"network": "v|sa"}, "network: should be a network's name in the configuration, found 'v|sa'"),
        (
            {"pan": "4000000000000003"},
            "pan: ************0003 is mistyped: its check digit (Luhn) does not fit",
        ),
        ({"pan": "4000"}, "pan: has 4 digits and should have 12 to 19"),
        ({"pan": "4000 0000 0000 0002"}, "pan: should be digits only"),
        ({"pan": ""}, "pan: a row should have exactly one of pan and card_id"),
        ({"card_id": "card_1"}, "pan: a row should have exactly one of pan and card_id"),
        ({"pan": "", "card_id": "mine"}, "card_id: should be a card id, as \"card_...\", found 'mine'"),
        (
            {"amount": "25"},
            "amount: an amount in EUR is written with all its 2 decimals, as 1234.00, found '25'",
        ),
        (
            {"amount": "-1.00"},
            "amount: an amount in EUR is written with all its 2 decimals, as 1234.00, found '-1.00'",
        ),
        ({"amount": "0.00"}, "amount: should be more than nothing, found '0.00'"),
        ({"currency": "EURO"}, "currency: should be an ISO 4217 currency, as EUR or 978, found 'EURO'"),
        (
            {"amount": "1.00", "fee": "-1.01"},
            "fee: takes off more than the amount; what a shop gives back is a refund of its own, found '-1.01'",
        ),
        ({"fee": "1"}, "fee: an amount in EUR is written with all its 2 decimals, as 1234.00, found '1'"),
        (
            {"transaction_amount": "1.00"},
            f"transaction_currency: {TOGETHER}",
        ),
        (
            {"transaction_amount": "1.00", "transaction_currency": "JPY"},
            "transaction_amount: an amount in JPY is written with no decimals, as 1234, found '1.00'",
        ),
        ({"settlement_date": ""}, "settlement_date: should be a date, as 2026-11-25, found nothing"),
        (
            {"settlement_date": "2026-02-30"},
            "settlement_date: should be a date, as 2026-11-25, found '2026-02-30'",
        ),
        (
            {"transaction_date": "25.11.26"},
            "transaction_date: should be a date, as 2026-11-25, found '25.11.26'",
        ),
        (
            {"sequence": "1"},
            "count: sequence and count go together: both or neither, found nothing",
        ),
        ({"sequence": "3", "count": "2"}, "sequence: is more than the count of 2, found '3'"),
        ({"sequence": "0", "count": "2"}, "sequence: should be a whole number from 1 to 99, found '0'"),
        ({"final": "1"}, "final: should be yes, no, or nothing, found '1'"),
        (
            {"approval_code": "1234567"},
            "approval_code: should be at most 6 letters and digits (DE38), found '1234567'",
        ),
        ({"country": "PRT"}, "country: should be two capital letters (ISO 3166), as PT, found 'PRT'"),
        ({"mcc": "541"}, "mcc: should be four digits, found '541'"),
        ({"acquirer": "12A"}, "acquirer: should be at most 11 digits (DE32), found '12A'"),
        ({"reference": f"x{PAN}"}, "reference: holds the card's number, and is shown in events; take it out"),
        ({"merchant_id": "4000-0000-0000"}, None),
    ],
)
def test_a_wrong_value(changes: dict[str, str], expected: str | None) -> None:
    """One problem with line, column, what is wrong and what would be right; a card number is its last four digits."""
    found = problem(**changes)
    assert found == ([] if expected is None else [f"line 2, {expected}"])
    assert PAN not in str(found)


def test_a_card_number_in_a_shops_name_is_masked() -> None:
    """Whose ever it is: the row is right, and the number does not get any further."""
    (found,) = parse_clearing(file_of(ROW | {"merchant": f"Shop {PAN}", "city": "4000 0000 0000 0010"})).rows
    assert (found.merchant, found.city) == ("Shop ************0002", "************0010")


def test_every_problem_of_every_line_is_named() -> None:
    """Two wrong lines with two problems each, and no rows although one line is right."""
    content = file_of(ROW | {"amount": "1", "mcc": "x"}, ROW, ROW | {"kind": "", "fee": "x"}, columns=COLUMNS)
    found = parse_clearing(content)
    assert found.rows == ()
    assert [(p.line, p.column) for p in found.problems] == [
        (2, "mcc"),
        (2, "amount"),
        (4, "kind"),
        (4, "fee"),
    ]


def test_the_same_reference_twice() -> None:
    """Another kind or another part is another row; the same one is a copy, which would be taken for a repeat."""
    first = ROW | {"reference": "ref", "sequence": "1", "count": "2"}
    rows = (first, first | {"sequence": "2"}, first | {"kind": "refund"}, first | {"amount": "1.00"})
    text = "is on line 2 already with the same kind and sequence; it would not be posted twice, found 'ref'"
    assert problems(file_of(*rows)) == [f"line 5, reference: {text}"]


def test_two_rows_without_a_reference_may_be_the_same() -> None:
    """A shop may sell the same thing twice: each line is a row of its own."""
    assert len(parse_clearing(file_of(ROW, ROW)).rows) == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [f"line 1: the file is empty; it should begin with a header: {','.join(REQUIRED)},pan,..."]),
        (
            b"kind,network,amount\n",
            [
                "line 1: the header lacks currency, settlement_date",
                "line 1: the header lacks pan (or card_id)",
            ],
        ),
        (file_of(columns=tuple(ROW)), ["line 1: no rows follow the header"]),
        (
            file_of(ROW | {"notes": "x"}),
            [f"line 1: the header has a column 'notes'; there are: {', '.join(COLUMNS)}"],
        ),
        (
            file_of(ROW).replace(b"pan,", b"kind,"),
            ["line 1: the header lacks pan (or card_id)", "line 1: the header has kind twice"],
        ),
        (file_of(ROW) + b"presentment,visa\n", ["line 3: has 2 columns and should have 6, as the header"]),
        (
            file_of(ROW).replace(b"visa", b"v\xefsa"),
            ["line 2: is not UTF-8; save the file as UTF-8 (everything in it is plain ASCII)"],
        ),
        (file_of(ROW).replace(b"visa", b'"visa'), ["line 2: is not CSV: unexpected end of data"]),
        (
            file_of(ROW).replace(b"visa", b"v" * 201),
            ["line 2: has a value longer than 200 characters; is a quote missing?"],
        ),
    ],
)
def test_a_wrong_file(content: bytes, expected: list[str]) -> None:
    """What is wrong with the file or a line as a whole."""
    assert problems(content) == expected


def test_a_header_in_capitals() -> None:
    """Programs write headers as they like: capitals and blanks around names are the same names."""
    content = file_of(ROW).replace(b"kind,network", b"Kind, NETWORK")
    assert len(parse_clearing(content).rows) == 1


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    """As its bytes say; a file that is not there is an OSError."""
    path = tmp_path / "day.csv"
    path.write_bytes(file_of(ROW))
    assert read_clearing_file(path) == parse_clearing(file_of(ROW))
    with pytest.raises(FileNotFoundError):
        read_clearing_file(tmp_path / "none.csv")


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(noise: bytes, header: bool) -> None:
    """Whatever the bytes are: rows, or problems with their lines, and never both; no error out of it."""
    found = parse_clearing((file_of(columns=tuple(ROW)) if header else b"") + noise)
    assert bool(found.rows) != bool(found.problems)
    assert all(p.line >= 1 for p in found.problems)


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=30), max_size=6))
def test_any_values(changes: dict[str, str]) -> None:
    """A row that passes is one that the protocol takes; one that does not is named."""
    found = parse_clearing(file_of(FULL | changes))
    assert bool(found.rows) != bool(found.problems)
    params = ClearingCheck(found.sha256, found.rows)
    assert decode_params("clearing.check", msgspec.Raw(msgspec.json.encode(params))) == params
