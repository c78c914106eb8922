"""authoriser.cli.money: amounts to and from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoriser.cli.money import Currency, currencies, format_amount, parse_amount


@pytest.mark.parametrize(
    ("minor", "currency", "exponent", "text"),
    [
        (1234, "EUR", 2, "12.34 EUR"),
        (5, "EUR", 2, "0.05 EUR"),
        (-5, "EUR", 2, "-0.05 EUR"),
        (-123456, "EUR", 2, "-1234.56 EUR"),
        (1234, "JPY", 0, "1234 JPY"),
        (1234, "KWD", 3, "1.234 KWD"),
        (10**15 + 1, "EUR", 2, "10000000000000.01 EUR"),
    ],
)
def test_amounts_as_text(minor: int, currency: str, exponent: int, text: str) -> None:
    """The currency's decimals, and a sign in front of the whole."""
    assert format_amount(minor, currency, exponent) == text


@given(st.integers(0, 10**12 - 1), st.integers(0, 4))
def test_what_is_formatted_parses_back(minor: int, exponent: int) -> None:
    """No amount is changed by writing it and reading it."""
    assert parse_amount(format_amount(minor, "XXX", exponent).partition(" ")[0], "XXX", exponent) == minor


@pytest.mark.parametrize(
    ("text", "currency", "exponent", "problem"),
    [
        ("25", "EUR", 2, "an amount in EUR is written with all its 2 decimals, as 1234.00"),
        ("25.0", "EUR", 2, "an amount in EUR is written with all its 2 decimals, as 1234.00"),
        ("25,00", "EUR", 2, "an amount in EUR is written with all its 2 decimals, as 1234.00"),
        ("-25.00", "EUR", 2, "an amount in EUR is written with all its 2 decimals, as 1234.00"),
        ("٢٥.00", "EUR", 2, "an amount in EUR is written with all its 2 decimals, as 1234.00"),
        ("25.00\n", "EUR", 2, "an amount in EUR is written with all its 2 decimals, as 1234.00"),
        ("25.00", "JPY", 0, "an amount in JPY is written with no decimals, as 1234"),
        ("10000000000.00", "EUR", 2, "the amount is more than 9999999999.99 EUR"),
    ],
)
def test_amounts_that_could_be_misread_are_refused(
    text: str, currency: str, exponent: int, problem: str
) -> None:
    """25 may be meant in euros or in cents, so the decimals have to be there."""
    with pytest.raises(ValueError) as caught:
        parse_amount(text, currency, exponent)
    assert str(caught.value) == problem


def test_currencies_by_both_codes() -> None:
    """EUR and 978 are one; what has no minor unit is no money."""
    known = currencies()
    euro = Currency("EUR", "978", 2)
    assert [known["EUR"], known["978"], known["008"].code, "XAU" in known] == [euro, euro, "ALL", False]
