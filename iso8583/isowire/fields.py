"""Typed access to the fields that are more than one value: amounts, times, DE3, DE43, DE90, DE95.

Each function takes the text of one field and gives a value or raises DecodeError naming the field and what would be
right. Must not know messages, cards or clocks: whether an amount or a time makes sense is for others to say.
"""

from typing import Final

import msgspec

from isowire.errors import DecodeError, picture

_AMOUNT_DIGITS: Final = 12
# A year is not on the wire, so 29 February is a date in every year.
_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class ProcessingCode(msgspec.Struct, frozen=True):
    """DE3: what is asked (00 purchase, 01 cash, 20 refund, 30 inquiry, ...), from and to which kind of account."""

    transaction: str
    from_account: str
    to_account: str


class OriginalDataElements(msgspec.Struct, frozen=True):
    """DE90: the message that a reversal is about. A part that is all zeros is absent: None.

    `transmission` is its DE7, `acquirer` and `forwarder` its DE32 and DE33 without the zeros that fill them.
    """

    mti: str | None
    stan: str | None
    transmission: str | None
    acquirer: str | None
    forwarder: str | None


class CardAcceptor(msgspec.Struct, frozen=True):
    """DE43, the padding removed: name and street, city, ISO 3166 alpha-2 country."""

    name: str
    city: str
    country: str


def parse_amount(text: str, field: str) -> int:
    """Minor units from an amount of 12 digits (DE4, DE5, DE6)."""
    if len(text) != _AMOUNT_DIGITS or not _is_digits(text):
        raise DecodeError(field=field, found=picture(text), expected="an amount of 12 digits")
    return int(text)


def check_datetime_mmddhhmmss(text: str, field: str) -> None:
    """Raise DecodeError unless `text` is a moment of some year, MMDDhhmmss (DE7): 0229 is, 0230 is not."""
    if len(text) != 10 or not _is_digits(text):
        raise DecodeError(field=field, found=picture(text), expected="MMDDhhmmss, 10 digits")
    month, day, hour = int(text[:2]), int(text[2:4]), int(text[4:6])
    minute, second = int(text[6:8]), int(text[8:])
    if not 1 <= month <= 12:
        raise DecodeError(field=field, found=f"month {month:02}", expected="month 01 to 12")
    if not 1 <= day <= _DAYS_IN_MONTH[month - 1]:
        last = _DAYS_IN_MONTH[month - 1]
        raise DecodeError(
            field=field, found=f"day {day:02}", expected=f"day 01 to {last} in month {month:02}"
        )
    if hour > 23 or minute > 59 or second > 59:
        raise DecodeError(
            field=field,
            found=f"time {hour:02}:{minute:02}:{second:02}",
            expected="time 00:00:00 to 23:59:59",
        )


def parse_processing_code(text: str) -> ProcessingCode:
    """DE3: three codes of two digits."""
    if len(text) != 6 or not _is_digits(text):
        raise DecodeError(field="3", found=picture(text), expected="a processing code of 6 digits")
    return ProcessingCode(text[:2], text[2:4], text[4:])


def parse_original_data_elements(text: str) -> OriginalDataElements:
    """DE90: 42 digits, that is MTI 4, STAN 6, DE7 10, acquirer 11, forwarder 11, zero-filled on the left."""
    if len(text) != 42 or not _is_digits(text):
        raise DecodeError(
            field="90",
            found=picture(text),
            expected="42 digits: MTI 4, STAN 6, date and time 10, acquirer 11, forwarder 11",
        )
    return OriginalDataElements(
        mti=_absent_if_zero(text[:4]),
        stan=_absent_if_zero(text[4:10]),
        transmission=_absent_if_zero(text[10:20]),
        acquirer=text[20:31].lstrip("0") or None,
        forwarder=text[31:].lstrip("0") or None,
    )


def parse_replacement_amount(text: str) -> int:
    """DE95: the transaction amount that replaces the original one, in minor units: the first 12 of 42 characters.

    The settlement amount (12) and the two fees (9 each) behind it are not looked at.
    """
    if len(text) != 42 or not _is_digits(text[:_AMOUNT_DIGITS]):
        raise DecodeError(
            field="95", found=picture(text), expected="42 characters that begin with an amount of 12 digits"
        )
    return int(text[:_AMOUNT_DIGITS])


def parse_card_acceptor(text: str) -> CardAcceptor:
    """DE43: 40 characters, that is name 25, city 13, country 2."""
    if len(text) != 40:
        raise DecodeError(
            field="43", found=f"{len(text)} characters", expected="40 characters: name 25, city 13, country 2"
        )
    return CardAcceptor(name=text[:25].strip(), city=text[25:38].strip(), country=text[38:].strip())


def _is_digits(text: str) -> bool:
    # str.isdigit alone takes the digits of every script, and superscripts.
    return text.isascii() and text.isdigit()


def _absent_if_zero(text: str) -> str | None:
    return text if text.strip("0") else None
