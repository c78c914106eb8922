"""Fields that are more than one value."""

import datetime as dt
from collections.abc import Callable

import pytest

from isowire import (
    AdditionalAmount,
    CardAcceptor,
    DecodeError,
    EncodeError,
    EntryMode,
    OriginalDataElements,
    OriginalDataElements1993,
    ProcessingCode,
    check_datetime_mmddhhmmss,
    format_additional_amounts,
    parse_additional_amounts,
    parse_amount,
    parse_card_acceptor,
    parse_entry_mode,
    parse_fee,
    parse_original_data_elements,
    parse_original_data_elements_1993,
    parse_processing_code,
    parse_replacement_amount,
)

DE90 = "0100" + "000123" + "1122103045" + "00000000123" + "00000456789"
DE95 = "000000001500" + "000000000000" + "D00000000" + "C00000000"


def refusal(function: Callable[..., object], *args: str) -> tuple[str | None, str, str]:
    with pytest.raises(DecodeError) as caught:
        function(*args)
    return caught.value.field, caught.value.found, caught.value.expected


def test_amounts_are_minor_units() -> None:
    """12 digits, leading zeros and all."""
    assert [parse_amount(text, "4") for text in ("000000001999", "000000000000", "999999999999")] == [
        1999,
        0,
        999_999_999_999,
    ]


@pytest.mark.parametrize(
    "text", ["", "1999", "0000000019990", "00000000A999", "-00000001999", "00000000199²", "\u0660" * 12]
)
def test_an_amount_is_twelve_digits(text: str) -> None:
    """Nothing else is one, and the error says which field."""
    field, _, expected = refusal(parse_amount, text, "95")
    assert (field, expected) == ("95", "an amount of 12 digits")


def test_a_transmission_time_is_any_moment_of_any_year() -> None:
    """Every day of a leap year passes, 29 February among them; the first and last second do."""
    day = dt.date(2024, 1, 1)
    while day.year == 2024:
        check_datetime_mmddhhmmss(f"{day:%m%d}000000", "7")
        check_datetime_mmddhhmmss(f"{day:%m%d}235959", "7")
        day += dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("0022103045", "month 00", "month 01 to 12"),
        ("1322103045", "month 13", "month 01 to 12"),
        ("1100103045", "day 00", "day 01 to 30 in month 11"),
        ("1131103045", "day 31", "day 01 to 30 in month 11"),
        ("0230103045", "day 30", "day 01 to 29 in month 02"),
        ("1122240000", "time 24:00:00", "time 00:00:00 to 23:59:59"),
        ("1122106000", "time 10:60:00", "time 00:00:00 to 23:59:59"),
        ("1122103060", "time 10:30:60", "time 00:00:00 to 23:59:59"),
        ("112210304", "'999999999'", "MMDDhhmmss, 10 digits"),
        ("11221030x5", "'99999999A9'", "MMDDhhmmss, 10 digits"),
    ],
)
def test_what_is_no_moment_is_named(text: str, found: str, expected: str) -> None:
    """The part that is wrong, and its range."""
    assert refusal(check_datetime_mmddhhmmss, text, "7") == ("7", found, expected)


def test_processing_code() -> None:
    """Two digits each: what, from where, to where."""
    assert parse_processing_code("012030") == ProcessingCode("01", "20", "30")
    assert refusal(parse_processing_code, "01203")[:2] == ("3", "'99999'")
    assert refusal(parse_processing_code, "01203A")[:2] == ("3", "'99999A'")


def test_original_data_elements() -> None:
    """The parts of DE90, the institutions without the zeros that fill them."""
    assert parse_original_data_elements(DE90) == OriginalDataElements(
        mti="0100", stan="000123", transmission="1122103045", acquirer="123", forwarder="456789"
    )


def test_zero_filled_parts_of_the_original_are_absent() -> None:
    """All zeros is None, each part by itself."""
    assert parse_original_data_elements("0" * 42) == OriginalDataElements(None, None, None, None, None)
    assert parse_original_data_elements(DE90[:4] + "0" * 38) == OriginalDataElements(
        "0100", None, None, None, None
    )


@pytest.mark.parametrize("text", ["", DE90[:-1], DE90 + "0", DE90[:-1] + "A"])
def test_original_data_elements_are_42_digits(text: str) -> None:
    """Nothing else is DE90."""
    assert refusal(parse_original_data_elements, text)[0] == "90"


def test_replacement_amount_is_the_first_of_de95() -> None:
    """The transaction amount; settlement amount and fees are not looked at."""
    assert parse_replacement_amount(DE95) == 1500


@pytest.mark.parametrize("text", ["", DE95[:-1], DE95 + "0", "A" + DE95[1:]])
def test_replacement_amounts_are_42_characters(text: str) -> None:
    """And begin with digits."""
    assert refusal(parse_replacement_amount, text)[0] == "95"


def test_card_acceptor() -> None:
    """Name 25, city 13, country 2, the padding removed."""
    text = "CORNER SHOP RUA DO OURO 1" + "LISBON       " + "PT"
    assert parse_card_acceptor(text) == CardAcceptor("CORNER SHOP RUA DO OURO 1", "LISBON", "PT")
    assert parse_card_acceptor(" " * 40) == CardAcceptor("", "", "")
    assert refusal(parse_card_acceptor, text[:-1])[:2] == ("43", "39 characters")


def test_the_entry_mode_is_two_codes() -> None:
    """PAN entry, then PIN capability."""
    assert parse_entry_mode("051") == EntryMode("05", "1")
    for text in ("05", "0511", "05A"):
        assert refusal(parse_entry_mode, text)[0] == "22"


AMOUNTS = (AdditionalAmount("00", "02", "978", 1999), AdditionalAmount("10", "01", "EUR", -5))
DE54 = "0002978C000000001999" + "1001EURD000000000005"


def test_additional_amounts_both_ways() -> None:
    """None, one, several; a debit is below zero."""
    assert parse_additional_amounts("") == ()
    assert parse_additional_amounts(DE54) == AMOUNTS
    assert format_additional_amounts(AMOUNTS) == DE54


@pytest.mark.parametrize(
    "text",
    [
        DE54[:-1],
        "0002978X000000001999",
        "00029 8C000000001999",
        "A002978C000000001999",
        "0002978C00000000199x",
    ],
)
def test_what_is_no_list_of_amounts_is_refused(text: str) -> None:
    """Length, sign, currency, codes, digits."""
    assert refusal(parse_additional_amounts, text)[0] == "54"


@pytest.mark.parametrize(
    "amount",
    [
        AdditionalAmount("0", "02", "978", 1),
        AdditionalAmount("00", "02", "97", 1),
        AdditionalAmount("00", "02", "978", 10**12),
    ],
)
def test_an_amount_that_does_not_fit_is_not_written(amount: AdditionalAmount) -> None:
    """Twenty characters exactly."""
    with pytest.raises(EncodeError):
        format_additional_amounts([amount])


def test_the_original_of_1993_has_an_acquirer_of_any_length() -> None:
    """DE56: what is all zeros is absent."""
    assert parse_original_data_elements_1993("110000012326112211304506000123") == (
        OriginalDataElements1993("1100", "000123", "261122113045", "123")
    )
    assert parse_original_data_elements_1993("0" * 24) == OriginalDataElements1993(None, None, None, None)
    for text in ("", "1100", "11000001232611221130450600012", "110000012326112211304x00"):
        assert refusal(parse_original_data_elements_1993, text)[0] == "56"


@pytest.mark.parametrize(("text", "fee_minor"), [("D00000100", 100), ("C00000100", -100), ("C00000000", 0)])
def test_a_fee_of_the_customer_is_above_zero(text: str, fee_minor: int) -> None:
    """A debit is paid on top, a credit is given."""
    assert parse_fee(text, "28") == fee_minor


@pytest.mark.parametrize("text", ["", "D", "00000100", "X00000100", "D0000010", "D000001000", "D0000010A"])
def test_what_is_no_fee_is_refused(text: str) -> None:
    """By its field and its shape."""
    with pytest.raises(DecodeError, match=r"^DE28: found '.*', expected C or D, then 8 digits$"):
        parse_fee(text, "28")
