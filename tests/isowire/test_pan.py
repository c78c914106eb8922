"""The card number: masked whichever way it is printed, its check digit, and where a message carries it."""

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isowire import DecodeError, Message, Pan, luhn_valid, pan_of

DIGITS = "4000000000001232"
OTHER = "4000000000004566"


@pytest.mark.parametrize(
    "text",
    [str(Pan(DIGITS)), f"{Pan(DIGITS)}", f"{Pan(DIGITS)!s}", "%s" % Pan(DIGITS)],  # noqa: UP031
)
def test_shows_the_last_four_only(text: str) -> None:
    """str, format and % give the mask."""
    assert text == "************1232"


def test_repr_and_width_keep_the_mask() -> None:
    """repr says what it is; a width pads the mask."""
    assert repr([Pan(DIGITS)]) == "[Pan('************1232')]"
    assert f"{Pan(DIGITS):>18}" == "  ************1232"


def test_gives_its_digits_when_asked_by_name() -> None:
    """reveal() is the only way out."""
    pan = Pan(DIGITS)
    assert (pan.reveal(), pan.last_four, len(pan)) == (DIGITS, "1232", 16)


def test_is_a_key_by_its_digits() -> None:
    """Equal digits, equal key; never equal to plain text."""
    assert {Pan(DIGITS): 1}[Pan(DIGITS)] == 1
    assert Pan(DIGITS) != Pan(OTHER)
    assert Pan(DIGITS) != DIGITS


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy])
def test_is_not_pickled(way: Callable[[Pan], object]) -> None:
    """No file or pipe gets one by accident."""
    with pytest.raises(TypeError, match="not pickled"):
        way(Pan(DIGITS))


@pytest.mark.parametrize(
    "digits", ["", "40000000000", "4" * 20, "4000 0000 0000 12", "400000000000123x", "\u0664" * 16]
)
def test_refuses_what_is_no_pan_without_repeating_it(digits: str) -> None:
    """12 to 19 ASCII digits; the error doesn't hold what it was given."""
    with pytest.raises(ValueError) as caught:
        Pan(digits)
    assert str(caught.value) == "a PAN is 12 to 19 digits"


@pytest.mark.parametrize("digits", [DIGITS, OTHER, "79927398713", "0", "18"])
def test_right_check_digits(digits: str) -> None:
    """Known numbers, among them the example that the algorithm is usually shown with."""
    assert luhn_valid(digits)


@pytest.mark.parametrize(
    "digits", ["", "1", "4000000000001233", "4000000000012032", "400000000000123²", "\u0660"]
)
def test_wrong_check_digits(digits: str) -> None:
    """A changed digit, two neighbours swapped, and what is not ASCII digits."""
    assert not luhn_valid(digits)


@given(st.text("0123456789", min_size=11, max_size=18))
def test_exactly_one_check_digit_is_right(body: str) -> None:
    """Of the ten numbers that differ in the last digit one is valid."""
    assert sum(luhn_valid(body + digit) for digit in "0123456789") == 1


@pytest.mark.parametrize(
    ("fields", "pan"),
    [
        ({}, None),
        ({"2": DIGITS}, DIGITS),
        ({"35": f"{DIGITS}=3012"}, DIGITS),
        ({"35": f"{DIGITS}D3012"}, DIGITS),
        ({"2": DIGITS, "35": f"{DIGITS}=3012=D"}, DIGITS),
        ({"2": "4000000000001233"}, "4000000000001233"),
    ],
)
def test_finds_the_pan_of_a_message(fields: dict[str, str], pan: str | None) -> None:
    """DE2, else DE35 up to = or D; a wrong check digit is not its business."""
    assert pan_of(Message("0100", fields)) == pan


@pytest.mark.parametrize(
    ("fields", "field", "found"),
    [
        ({"2": ""}, "2", "''"),
        ({"2": "12345678901"}, "2", "'99999999999'"),
        ({"2": DIGITS, "35": f"{OTHER}=3012"}, "35", "another PAN than DE2 has"),
        ({"35": f"{DIGITS}3012"}, "35", "'99999999999999999999'"),
        ({"35": "=3012"}, "35", "'=9999'"),
        ({"35": "4" * 20 + "=3012"}, "35", "'99999999999999999999=9999'"),
        ({"2": DIGITS, "35": "4000=3012"}, "35", "'9999=9999'"),
    ],
)
def test_refuses_a_message_whose_pan_is_none_or_two(fields: dict[str, str], field: str, found: str) -> None:
    """The error names the field, shows no digit, and keeps the other fields for the reply."""
    with pytest.raises(DecodeError) as caught:
        pan_of(Message("0100", {**fields, "11": "000123"}))
    error = caught.value
    kept = {number: value for number, value in fields.items() if number != field}
    assert (error.field, error.found, error.mti, error.fields) == (
        field,
        found,
        "0100",
        {**kept, "11": "000123"},
    )
    assert "4000" not in str(error) + repr(error)
