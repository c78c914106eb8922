"""authoriser.cli.import_file: what is right, and what is said of what is wrong."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoriser.admin.protocol import ImportRow
from authoriser.cli.import_file import parse_import, read_import_file

HEADER = "pan,expiry,account,currency,credit_minor\n"
GOOD = "4000000000000002,2912,alice,EUR,100000\n"
OTHER = "4000000000000010,2912,bob,978,0\n"
PAN = "4000000000000002"
NO_HEADER = "line 1: the header should be exactly: pan,expiry,account,currency,credit_minor"
NOT_UTF8 = "is not UTF-8; save the file as UTF-8 (everything in it is plain ASCII)"
ALICE = ImportRow(2, PAN, "2912", "alice", "EUR", 100000)
BOB = ImportRow(3, "4000000000000010", "2912", "bob", "EUR", 0)


def problems_of(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    return [str(problem) for problem in parse_import(content).problems]


@pytest.mark.parametrize(
    "content",
    [
        HEADER + GOOD + OTHER,
        HEADER + GOOD + OTHER.rstrip("\n"),
        "\ufeff" + HEADER + GOOD + OTHER,
        (HEADER + GOOD + OTHER).replace("\n", "\r\n"),
        HEADER + GOOD + OTHER + "\n\n",
        HEADER + '"4000000000000002","2912","alice","EUR","100000"\n' + OTHER,
    ],
    ids=["plain", "no last line end", "byte order mark", "CRLF", "blank lines at the end", "quotes"],
)
def test_files_that_are_right(content: str) -> None:
    """However the program that wrote it ends lines and marks text, the rows are the same."""
    parsed = parse_import(content.encode())
    expected = (hashlib.sha256(content.encode()).hexdigest(), (ALICE, BOB), ())
    assert (parsed.sha256, parsed.rows, parsed.problems) == expected


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    """The path's bytes are what is checked and hashed."""
    (tmp_path / "cards.csv").write_bytes((HEADER + GOOD).encode())
    assert read_import_file(tmp_path / "cards.csv").rows == (ALICE,)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("4000000000000003,2912,a,EUR,0",
         "line 2, pan: ************0003 is mistyped: its check digit (Luhn) does not fit"),
        ("40000000002,2912,a,EUR,0", "line 2, pan: has 11 digits and should have 12 to 19"),
        ("40000000000000000000,2912,a,EUR,0", "line 2, pan: has 20 digits and should have 12 to 19"),
        ("4000 0000 0000 0002,2912,a,EUR,0", "line 2, pan: should be digits only"),
        (",2912,a,EUR,0", "line 2, pan: should be digits only"),
        ("٤000000000000002,2912,a,EUR,0", "line 2, pan: should be digits only"),
        (f"{PAN},2913,a,EUR,0", "line 2, expiry: should be YYMM with a month of 01 to 12, found '2913'"),
        (f"{PAN},2900,a,EUR,0", "line 2, expiry: should be YYMM with a month of 01 to 12, found '2900'"),
        (f"{PAN},12/29,a,EUR,0", "line 2, expiry: should be YYMM with a month of 01 to 12, found '12/29'"),
        (f"{PAN},{PAN},a,EUR,0", "line 2, expiry: should be YYMM with a month of 01 to 12, found '[digits]'"),
        (f"{PAN},2912,a b,EUR,0", "line 2, account: should be 1 to 64 letters, digits, '_', '.' or '-', found 'a b'"),
        (f"{PAN},2912,,EUR,0", "line 2, account: should be 1 to 64 letters, digits, '_', '.' or '-', found nothing"),
        (f"{PAN},2912,x{PAN},EUR,0",
         "line 2, account: holds a card number, and account ids are shown in logs and events"),
        (f"{PAN},2912,a,eur,0", "line 2, currency: should be an ISO 4217 currency, as EUR or 978, found 'eur'"),
        (f"{PAN},2912,a,XAU,0", "line 2, currency: should be an ISO 4217 currency, as EUR or 978, found 'XAU'"),
        (f"{PAN},2912,a,EUR,-1",
         "line 2, credit_minor: should be a whole number of minor units, 0 to 999999999999, found '-1'"),
        (f"{PAN},2912,a,EUR,1.50",
         "line 2, credit_minor: should be a whole number of minor units, 0 to 999999999999, found '1.50'"),
        (f"{PAN},2912,a,EUR,1000000000000",
         "line 2, credit_minor: should be a whole number of minor units, 0 to 999999999999, found '[digits]'"),
        (f"{PAN},2912,a,EUR", "line 2: has 4 columns and should have 5"),
        (f"{PAN},2912,a,EUR,0,", "line 2: has 6 columns and should have 5"),
        (f'{PAN},2912,"a,EUR,0', "line 2: is not CSV: unexpected end of data"),
        (f"{PAN},2912,{'a' * 201},EUR,0", "line 2: has a value longer than 200 characters; is a quote missing?"),
    ],
)  # fmt: skip
def test_rows_that_are_wrong(row: str, problem: str) -> None:
    """Line, column, what would be right, and what was found unless it may be a card number."""
    assert problems_of(HEADER + row + "\n") == [problem]


def test_every_wrong_line_is_named_and_no_row_is_given() -> None:
    """One bad line keeps all others from being imported; every column of every line is looked at."""
    content = HEADER + GOOD + "1,2,a b,E,x\n" + OTHER + "4000000000000010,2912,carol,EUR,0\n"
    parsed = parse_import(content.encode())
    places = [(problem.line, problem.column) for problem in parsed.problems]
    columns = ["pan", "expiry", "account", "currency", "credit_minor"]
    assert (parsed.rows, places) == ((), [*((3, column) for column in columns), (5, "pan")])


def test_a_card_that_is_there_twice() -> None:
    """The line of the first is named."""
    assert problems_of(HEADER + GOOD + OTHER + GOOD) == ["line 4, pan: ************0002 is on line 2 already"]


def test_an_account_has_one_currency() -> None:
    """Two cards of one account may not differ; 978 is EUR."""
    content = HEADER + GOOD + "4000000000000010,2912,alice,978,0\n" + "4000000000000028,2912,alice,USD,0\n"
    expected = ["line 4, currency: is USD, and the account is in EUR on line 2; an account has one currency"]
    assert problems_of(content) == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", NO_HEADER),
        (GOOD, NO_HEADER),
        ("PAN,expiry,account,currency,credit_minor\n" + GOOD,
         NO_HEADER),
        (HEADER.replace(",", ";") + GOOD, NO_HEADER),
        (HEADER, "line 1: no cards follow the header"),
        ((HEADER + GOOD).encode() + b"\xe9", "line 3: " + NOT_UTF8),
        ((HEADER + GOOD).encode("utf-16"), "line 1: " + NOT_UTF8),
    ],
    ids=["empty", "no header", "another header", "semicolons", "header only", "Latin-1", "UTF-16"],
)  # fmt: skip
def test_files_that_are_wrong(content: str | bytes, problem: str) -> None:
    """Each is one problem, at the line where it begins."""
    assert problems_of(content) == [problem]


@given(st.binary(max_size=300), st.integers(0, 60))
def test_any_bytes_are_rows_or_problems(noise: bytes, at: int) -> None:
    """Whatever stands in the file, it is read or refused in words that hold no card number."""
    good = (HEADER + GOOD).encode()
    parsed = parse_import(good[:at] + noise + good[at:])
    assert bool(parsed.rows) != bool(parsed.problems)
    assert not any(PAN in str(problem) for problem in parsed.problems)
