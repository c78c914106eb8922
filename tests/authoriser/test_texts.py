"""Times as people and programs outside read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoriser.texts import iso_time

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@given(at_ms=st.integers(-10_000_000_000, 200_000_000_000_000))
def test_a_time_reads_back_as_it_was(at_ms: int) -> None:
    """To the millisecond, whatever the second; and it has one form only."""
    text = iso_time(at_ms)
    assert datetime.fromisoformat(text) == BEGINNING + timedelta(milliseconds=at_ms)
    assert (len(text), text[-5], text[-1]) == (24, ".", "Z")


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000_001, "2027-01-15T08:00:00.001Z"),
        (1_800_000_000_999, "2027-01-15T08:00:00.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times_in_full(at_ms: int, text: str) -> None:
    assert iso_time(at_ms) == text
