"""Errors of the wire layer are safe to print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isowire import DecodeError, DialectError, EncodeError, FramingError, WireError
from isowire.errors import PICTURE_LENGTH_MAX_CHARS, picture


@given(st.text())
def test_a_picture_holds_no_digit_or_letter_of_the_text(text: str) -> None:
    """Whatever the text, its picture is made of 9, A, ?, space and punctuation, and is bounded."""
    shown = picture(text)
    assert len(shown) <= PICTURE_LENGTH_MAX_CHARS + len("''...")
    assert shown.isascii()
    assert set(filter(str.isalnum, shown)) <= {"9", "A"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("00000000A100", "'99999999A999'"),
        (" 5", "' 9'"),
        ("4000000000001232=3012", "'9999999999999999=9999'"),
        ("\x00\xb2\u0660\n", "'????'"),
        ("1" * 49, "'" + "9" * 48 + "...'"),
        ("", "''"),
    ],
)
def test_a_picture_shows_the_shape(text: str, shown: str) -> None:
    """Digits are 9, letters A, what can't be printed ?; spaces and punctuation stay; long ones are cut."""
    assert picture(text) == shown


def test_the_fields_of_a_failed_decode_are_not_in_its_text() -> None:
    """`fields` is for the reply; str and repr name field, place, what was found and what would be right."""
    error = DecodeError(
        field="4",
        offset=44,
        found="'99999999A999'",
        expected="12 digits",
        mti="0100",
        fields={"2": "4000000000001232"},
    )
    assert str(error) == "DE4 at byte 44: found '99999999A999', expected 12 digits"
    assert repr(error) == f"DecodeError({str(error)!r})".replace("\\'", "'")
    assert error.fields == {"2": "4000000000001232"}


@pytest.mark.parametrize(
    ("field", "place"), [("t", "MTI"), ("p", "primary bitmap"), ("1", "secondary bitmap"), (None, "message")]
)
def test_places_that_are_no_data_element_have_names(field: str | None, place: str) -> None:
    """The MTI, the bitmaps, and the message as a whole."""
    assert str(DecodeError(field=field, found="x", expected="y")) == f"{place}: found x, expected y"
    assert str(EncodeError(field=field, found="x", expected="y")) == f"{place}: found x, expected y"


def test_one_class_catches_them_all() -> None:
    """Every error of the package is a WireError."""
    assert all(issubclass(kind, WireError) for kind in (DecodeError, DialectError, EncodeError, FramingError))
