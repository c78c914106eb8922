"""A card is good to the end of its month in the issuer's zone: `expires_ms` is the next month's first midnight."""

from datetime import UTC, datetime, timedelta

import pytest

from authoriser.admin.base import expires_ms


@pytest.mark.parametrize(
    ("expiry", "time_zone", "last_good_utc"),
    [
        ("3006", "UTC", "2030-06-30T23:59:59.999"),
        ("3012", "UTC", "2030-12-31T23:59:59.999"),
        ("3002", "UTC", "2030-02-28T23:59:59.999"),
        ("3202", "UTC", "2032-02-29T23:59:59.999"),
        ("3012", "Europe/Berlin", "2030-12-31T22:59:59.999"),
        ("3006", "Europe/Berlin", "2030-06-30T21:59:59.999"),
        ("3012", "Pacific/Auckland", "2030-12-31T10:59:59.999"),
        ("3012", "America/Los_Angeles", "2031-01-01T07:59:59.999"),
        ("3006", "America/Los_Angeles", "2030-07-01T06:59:59.999"),
        ("9912", "UTC", "2099-12-31T23:59:59.999"),
    ],
)
def test_the_last_good_millisecond(expiry: str, time_zone: str, last_good_utc: str) -> None:
    """The last instant at which the card is good, by UTC's clock."""
    last = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=expires_ms(expiry, time_zone) - 1)
    assert last.replace(tzinfo=None).isoformat(timespec="milliseconds") == last_good_utc
