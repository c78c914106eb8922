"""Dates and times on the wire: DE7, DE12 and DE13, DE14. The wire has no year, so a clock has to be passed in.

Each function takes the text of fields and gives a moment or raises DecodeError naming the field and what would be
right. Owns no clock. Whether a moment is too old to be served is for others to say.
"""

from datetime import UTC, date, datetime
from typing import Final

from isowire.errors import DecodeError, picture

# A year is not on the wire, so 29 February is a date in every year.
_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CENTURY_YEARS: Final = 100
_MILLISECONDS: Final = 1000


def check_datetime_mmddhhmmss(text: str, field: str) -> None:
    """Raise DecodeError unless `text` is a moment of some year, MMDDhhmmss (DE7): 0229 is, 0230 is not."""
    if len(text) != 10 or not _is_digits(text):
        raise DecodeError(field=field, found=picture(text), expected="MMDDhhmmss, 10 digits")
    _check_date(text[:4], field)
    _check_time(text[4:], field)


def resolve_transmission(text: str, now_ms: int) -> int:
    """DE7, MMDDhhmmss in UTC, as milliseconds since the epoch: the one moment of that name that is nearest to now.

    Right over New Year both ways: 1231235959 read on 1 January is last year's, 0101000001 read on 31 December is next
    year's. Raises DecodeError, also for a 29 February when none is within a year.
    """
    check_datetime_mmddhhmmss(text, "7")
    now = datetime.fromtimestamp(now_ms / _MILLISECONDS, UTC)
    return round(_nearest(text, now, "7").timestamp() * _MILLISECONDS)


def resolve_local(date_text: str, time_text: str, now_ms: int) -> datetime:
    """DE13 and DE12 of 1987, MMDD and hhmmss where the terminal stands: the nearest to now, without a zone.

    The zone is not on the wire. It shifts the moment by 14 hours at most, so the year is right for messages up to half
    a year old. Raises DecodeError naming field 12 or 13.
    """
    if len(date_text) != 4 or not _is_digits(date_text):
        raise DecodeError(field="13", found=picture(date_text), expected="MMDD, 4 digits")
    if len(time_text) != 6 or not _is_digits(time_text):
        raise DecodeError(field="12", found=picture(time_text), expected="hhmmss, 6 digits")
    _check_date(date_text, "13")
    _check_time(time_text, "12")
    now = datetime.fromtimestamp(now_ms / _MILLISECONDS, UTC)
    return _nearest(date_text + time_text, now, "13").replace(tzinfo=None)


def parse_local_1993(text: str, now_ms: int) -> datetime:
    """DE12 of 1993, YYMMDDhhmmss where the terminal stands, without a zone; the century is the nearest to now."""
    if len(text) != 12 or not _is_digits(text):
        raise DecodeError(field="12", found=picture(text), expected="YYMMDDhhmmss, 12 digits")
    _check_date(text[2:6], "12")
    _check_time(text[6:], "12")
    year = _nearest_year(int(text[:2]), now_ms)
    moment = _moment(year, text[2:])
    if moment is None:
        raise DecodeError(field="12", found=f"0229 in {year}", expected="a date of that year")
    return moment.replace(tzinfo=None)


def parse_expiry(text: str, now_ms: int) -> date:
    """DE14, YYMM: the first day of the month that the card is good to the end of; the century is the nearest to now."""
    if len(text) != 4 or not _is_digits(text):
        raise DecodeError(field="14", found="an expiry date of another form", expected="YYMM, 4 digits")
    month = int(text[2:])
    if not 1 <= month <= 12:
        raise DecodeError(field="14", found="another month", expected="month 01 to 12")
    return date(_nearest_year(int(text[:2]), now_ms), month, 1)


def _nearest_year(of_century: int, now_ms: int) -> int:
    this_year = datetime.fromtimestamp(now_ms / _MILLISECONDS, UTC).year
    century = this_year - this_year % _CENTURY_YEARS
    years = (century + shift + of_century for shift in (-_CENTURY_YEARS, 0, _CENTURY_YEARS))
    return min(years, key=lambda year: abs(year - this_year))


def _nearest(text: str, now: datetime, field: str) -> datetime:
    moments = [_moment(year, text) for year in (now.year - 1, now.year, now.year + 1)]
    found = [moment for moment in moments if moment is not None]
    if not found:
        raise DecodeError(field=field, found="29 February", expected="a date of this year or one beside it")
    return min(found, key=lambda moment: abs(moment - now))


def _moment(year: int, text: str) -> datetime | None:
    """MMDDhhmmss, checked, in `year`; None for 29 February of a year that has none."""
    try:
        return datetime(year, *(int(text[at : at + 2]) for at in range(0, 10, 2)), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None


def _check_date(text: str, field: str) -> None:
    month, day = int(text[:2]), int(text[2:4])
    if not 1 <= month <= 12:
        raise DecodeError(field=field, found=f"month {month:02}", expected="month 01 to 12")
    last = _DAYS_IN_MONTH[month - 1]
    if not 1 <= day <= last:
        raise DecodeError(
            field=field, found=f"day {day:02}", expected=f"day 01 to {last} in month {month:02}"
        )


def _check_time(text: str, field: str) -> None:
    hour, minute, second = int(text[:2]), int(text[2:4]), int(text[4:])
    if hour > 23 or minute > 59 or second > 59:
        raise DecodeError(
            field=field,
            found=f"time {hour:02}:{minute:02}:{second:02}",
            expected="time 00:00:00 to 23:59:59",
        )


def _is_digits(text: str) -> bool:
    # str.isdigit alone takes the digits of every script, and superscripts.
    return text.isascii() and text.isdigit()
