"""Dates without a year: resolved against a clock that is passed in."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isowire import DecodeError, parse_expiry, parse_local_1993, resolve_local, resolve_transmission


def ms(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "now", "resolved"),
    [
        ("1122103045", (2026, 11, 22, 10, 30, 46), (2026, 11, 22, 10, 30, 45)),
        ("1231235959", (2027, 1, 1, 0, 0, 1), (2026, 12, 31, 23, 59, 59)),
        ("0101000001", (2026, 12, 31, 23, 59, 59), (2027, 1, 1, 0, 0, 1)),
        ("0101000000", (2027, 1, 1), (2027, 1, 1)),
        ("0601000000", (2026, 12, 31), (2027, 6, 1)),
        ("0801000000", (2026, 12, 31), (2026, 8, 1)),
        ("0229120000", (2028, 3, 1), (2028, 2, 29, 12)),
        ("0229120000", (2027, 12, 31), (2028, 2, 29, 12)),
        ("0229120000", (2029, 1, 1), (2028, 2, 29, 12)),
    ],
)
def test_the_transmission_time_is_the_nearest_of_its_name(
    text: str, now: tuple[int, ...], resolved: tuple[int, ...]
) -> None:
    """Over New Year both ways, and on a 29 February."""
    assert resolve_transmission(text, ms(*now)) == ms(*resolved)


@given(
    st.integers(min_value=ms(1990, 1, 1), max_value=ms(2090, 1, 1)).map(lambda now: now - now % 1000),
    st.integers(min_value=-180 * 86_400, max_value=180 * 86_400),
)
def test_any_moment_within_half_a_year_comes_back(now_ms: int, age_s: int) -> None:
    """Whatever the clock and the age: what was written without a year is read with the right one."""
    sent_ms = now_ms + 1000 * age_s
    text = datetime.fromtimestamp(sent_ms / 1000, UTC).strftime("%m%d%H%M%S")
    assert resolve_transmission(text, now_ms) == sent_ms


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0229120000", "29 February"),
        ("0230120000", "day 30"),
        ("1322103045", "month 13"),
        ("0101240000", "time 24:00:00"),
        ("112210304", "'999999999'"),
    ],
)
def test_what_is_no_moment_near_now_is_refused(text: str, found: str) -> None:
    """No 29 February within a year of 2026; no such day, month, hour; no such form."""
    with pytest.raises(DecodeError) as caught:
        resolve_transmission(text, ms(2026, 6, 1))
    assert (caught.value.field, caught.value.found) == ("7", found)


@pytest.mark.parametrize(
    ("day", "time", "now", "resolved"),
    [
        ("1122", "113045", (2026, 11, 22, 10, 30), (2026, 11, 22, 11, 30, 45)),
        ("0101", "080000", (2026, 12, 31, 19), (2027, 1, 1, 8)),
        ("1231", "230000", (2027, 1, 1, 6), (2026, 12, 31, 23)),
    ],
)
def test_local_time_gets_its_year_and_no_zone(
    day: str, time: str, now: tuple[int, ...], resolved: tuple[int, ...]
) -> None:
    """Sydney is in the new year while UTC is not, New York in the old one while UTC is in the new."""
    assert resolve_local(day, time, ms(*now)) == datetime(*resolved)  # type: ignore[arg-type, misc]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("day", "time", "field"),
    [("0231", "113045", "13"), ("22", "113045", "13"), ("1122", "246000", "12"), ("1122", "11304", "12")],
)
def test_local_time_names_the_field_that_is_wrong(day: str, time: str, field: str) -> None:
    """The date is DE13, the time DE12."""
    with pytest.raises(DecodeError) as caught:
        resolve_local(day, time, ms(2026, 11, 22))
    assert caught.value.field == field


def test_local_time_of_1993_has_its_year() -> None:
    """The century is the nearest; 0229 has to be a day of that year."""
    assert parse_local_1993("261122113045", ms(2026, 11, 22)) == datetime(2026, 11, 22, 11, 30, 45)  # noqa: DTZ001
    assert parse_local_1993("991231235959", ms(2026, 11, 22)) == datetime(1999, 12, 31, 23, 59, 59)  # noqa: DTZ001
    for text in ("260229000000", "26112211304", "261322113045", "261122250000"):
        with pytest.raises(DecodeError) as caught:
            parse_local_1993(text, ms(2026, 11, 22))
        assert caught.value.field == "12"


@pytest.mark.parametrize(
    ("text", "now", "expiry"),
    [
        ("3012", (2026, 1, 1), date(2030, 12, 1)),
        ("9912", (2026, 1, 1), date(1999, 12, 1)),
        ("0101", (2099, 1, 1), date(2101, 1, 1)),
    ],
)
def test_expiry_is_a_month_of_the_nearest_century(text: str, now: tuple[int, ...], expiry: date) -> None:
    """A card of 0101 seen in 2099 is not a hundred years old."""
    assert parse_expiry(text, ms(*now)) == expiry


@pytest.mark.parametrize("text", ["", "301", "30123", "3013", "3000", "3a12"])
def test_what_is_no_expiry_is_refused_without_being_shown(text: str) -> None:
    """Field 14, and none of its digits."""
    with pytest.raises(DecodeError) as caught:
        parse_expiry(text, ms(2026, 1, 1))
    assert caught.value.field == "14"
    assert "30" not in str(caught.value)
