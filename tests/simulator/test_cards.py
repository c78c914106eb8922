"""Import files are read as the authoriser reads them, and what is wrong is named by line, never by number."""

import io
from pathlib import Path

import pytest

from simulator.cards import Card, luhn_digit, make_cards, read_cards, write_cards
from simulator.errors import SimulatorError

HEADER = "pan,expiry,account,currency,credit_minor\n"


def test_a_row_becomes_a_card_named_by_its_line(tmp_path: Path) -> None:
    """The line counts the header; the currency comes alphabetic, numeric and with its exponent."""
    file = tmp_path / "cards.csv"
    file.write_text(HEADER + "4000000000000002,3012,A1,978,10000\n\n4000000000000010,2909,A2,JPY,500\n")
    expected = [
        Card(2, "4000000000000002", "3012", "A1", "EUR", "978", 2, 10_000),
        Card(4, "4000000000000010", "2909", "A2", "JPY", "392", 0, 500),
    ]
    assert expected == read_cards(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c.csv is empty; its first line must be pan,expiry,account,currency,credit_minor"),
        (
            "4000000000000002,3012,A1,EUR,1\n",
            "line 1 of c.csv is not the header; it must be pan,expiry,account,currency,credit_minor",
        ),
        (HEADER, "c.csv has a header but no card"),
        (
            HEADER + "4000000000000002,3012\n",
            "line 2 of c.csv has 2 columns; 5 are right: pan,expiry,account,currency,credit_minor",
        ),
        (HEADER + "40000000000O0002,3012,A1,EUR,1\n", "line 2 of c.csv: pan must be 12 to 19 digits"),
        (HEADER + "4000000000000002,3013,A1,EUR,1\n", "line 2 of c.csv: expiry must be YYMM"),
        (HEADER + "4000000000000002,3012,,EUR,1\n", "line 2 of c.csv: account is empty"),
        (
            HEADER + "4000000000000002,3012,A1,EUR,-1\n",
            "line 2 of c.csv: credit_minor must be a whole number of minor units, 0 or more",
        ),
        (
            HEADER + "4000000000000002,3012,A1,EURO,1\n",
            "line 2 of c.csv: currency must be an ISO 4217 code such as EUR or 978",
        ),
        (
            HEADER + "4000000000000002,3012,A1,001,1\n",
            "line 2 of c.csv: currency must be an ISO 4217 code such as EUR or 978",
        ),
    ],
)
def test_a_wrong_file_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    """Each message says what would be right, and none holds a card number."""
    file = tmp_path / "c.csv"
    file.write_text(text)
    with pytest.raises(SimulatorError) as caught:
        read_cards(file)
    assert message == str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No traceback for a typo in a path."""
    file = tmp_path / "nowhere.csv"
    with pytest.raises(SimulatorError) as caught:
        read_cards(file)
    assert f"cannot read the cards in {file}: No such file or directory" == str(caught.value)


def test_cards_made_are_cards_read(tmp_path: Path) -> None:
    """The file of made cards reads back as the same cards."""
    made = make_cards(50, seed=3, currencies=("EUR", "JPY"))
    out = io.StringIO()
    write_cards(made, out)
    file = tmp_path / "cards.csv"
    file.write_text(out.getvalue())
    assert made == read_cards(file)


def test_made_cards_are_of_the_test_range_and_pass_luhn() -> None:
    """No number made here could be anybody's, and each is a number an issuer would accept."""
    pans = [card.pan for card in make_cards(200)]
    assert len(set(pans)) == 200
    assert [pan.startswith("400000") and luhn_digit(pan[:-1]) == pan[-1] for pan in pans] == [True] * 200


def test_the_seed_decides_the_cards() -> None:
    """Two runs with one seed are the same run."""
    assert make_cards(5, seed=1) == make_cards(5, seed=1)
    assert make_cards(5, seed=1) != make_cards(5, seed=2)


def test_a_card_does_not_show_its_number() -> None:
    """P8 holds for the simulator's own objects too."""
    assert "4000000000000002" not in repr(Card(2, "4000000000000002", "3012", "A1", "EUR", "978", 2, 1))
