"""Typed access to the fields that are more than one value: amounts, fees, DE3, DE22, DE43, DE54, DE56,
DE90, DE95.

Each function takes the text of one field and gives a value or raises DecodeError naming the field and what would be
right. Must not know messages or cards: whether an amount makes sense is for others to say. Dates and times, which
need a clock, are in `moments`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from isowire.errors import DecodeError, EncodeError, picture

_AMOUNT_DIGITS: Final = 12
_FEE_DIGITS: Final = 8
_ADDITIONAL_AMOUNT_CHARACTERS: Final = 20
_ORIGINAL_1993_DIGITS: Final = 22
"""Of DE56 before the acquirer's length: MTI 4, STAN 6, DE12 12."""


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


class EntryMode(msgspec.Struct, frozen=True):
    """DE22 of 1987: how the card number was taken (05 chip, 07 contactless chip, 01 typed in, ...), and whether the
    terminal takes a PIN (1), can't (2), or nobody knows (0). A dialect's code tables have the words.
    """

    pan_entry: str
    pin_capability: str


class AdditionalAmount(msgspec.Struct, frozen=True):
    """One of DE54: which account (00 default, ...), which amount (01 ledger balance, 02 available, 40 cash back, ...),
    its ISO 4217 code of three digits or letters, and minor units: below zero where the sign is D, a debit.
    """

    account: str
    kind: str
    currency: str
    amount_minor: int


class OriginalDataElements1993(msgspec.Struct, frozen=True):
    """DE56 of 1993: the message that a reversal is about. `local` is its DE12, YYMMDDhhmmss; absent parts are None."""

    mti: str | None
    stan: str | None
    local: str | None
    acquirer: str | None


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


def parse_fee(text: str, field: str) -> int:
    """Minor units from a signed amount (DE28 to DE31): C or D, then 8 digits. A debit, which adds, is above zero."""
    digits = text[1:]
    if text[:1] not in ("C", "D") or len(digits) != _FEE_DIGITS or not _is_digits(digits):
        raise DecodeError(field=field, found=picture(text), expected="C or D, then 8 digits")
    return -int(digits) if text[0] == "C" else int(digits)


def parse_processing_code(text: str) -> ProcessingCode:
    """DE3: three codes of two digits."""
    if len(text) != 6 or not _is_digits(text):
        raise DecodeError(field="3", found=picture(text), expected="a processing code of 6 digits")
    return ProcessingCode(text[:2], text[2:4], text[4:])


def parse_entry_mode(text: str) -> EntryMode:
    """DE22 of 1987: two digits and one."""
    if len(text) != 3 or not _is_digits(text):
        raise DecodeError(field="22", found=picture(text), expected="an entry mode of 3 digits")
    return EntryMode(text[:2], text[2])


def parse_additional_amounts(text: str) -> tuple[AdditionalAmount, ...]:
    """DE54: amounts of 20 characters, that is account 2, kind 2, currency 3, C or D, 12 digits; none where it is empty.

    1987 and 1993 write them alike. How many there may be is the dialect's maximum for the field.
    """
    size = _ADDITIONAL_AMOUNT_CHARACTERS
    if len(text) % size:
        raise DecodeError(field="54", found=f"{len(text)} characters", expected=f"a multiple of {size}")
    return tuple(_additional_amount(text[at : at + size]) for at in range(0, len(text), size))


def _additional_amount(text: str) -> AdditionalAmount:
    account, kind, currency, sign, digits = text[:2], text[2:4], text[4:7], text[7], text[8:]
    right = _is_digits(account + kind) and currency.isascii() and currency.isalnum()
    if not (right and sign in "CD" and _is_digits(digits)):
        expected = "account 2 digits, kind 2 digits, currency 3, C or D, 12 digits"
        raise DecodeError(field="54", found=picture(text), expected=expected)
    amount = int(digits)
    return AdditionalAmount(account, kind, currency, -amount if sign == "D" else amount)


def format_additional_amounts(amounts: Iterable[AdditionalAmount]) -> str:
    """The text of DE54. Raises EncodeError for a part that does not fit."""
    text = ""
    for amount in amounts:
        sign = "D" if amount.amount_minor < 0 else "C"
        one = f"{amount.account}{amount.kind}{amount.currency}{sign}{abs(amount.amount_minor):012}"
        try:
            fits = _additional_amount(one) == amount and len(one) == _ADDITIONAL_AMOUNT_CHARACTERS
        except (DecodeError, IndexError):
            fits = False
        if not fits:
            expected = "account 2 digits, kind 2 digits, currency 3, at most 12 digits of minor units"
            raise EncodeError(field="54", found=picture(one), expected=expected)
        text += one
    return text


def parse_original_data_elements_1993(text: str) -> OriginalDataElements1993:
    """DE56 of 1993: MTI 4, STAN 6, DE12 12, then the acquirer behind two digits of length."""
    head, said = text[:_ORIGINAL_1993_DIGITS], text[_ORIGINAL_1993_DIGITS : _ORIGINAL_1993_DIGITS + 2]
    acquirer = text[_ORIGINAL_1993_DIGITS + 2 :]
    if not _is_digits(text) or len(said) != 2 or int(said) != len(acquirer):
        raise DecodeError(
            field="56",
            found=picture(text),
            expected="digits: MTI 4, STAN 6, date and time 12, length 2, and an acquirer of that length",
        )
    return OriginalDataElements1993(
        mti=_absent_if_zero(head[:4]),
        stan=_absent_if_zero(head[4:10]),
        local=_absent_if_zero(head[10:]),
        acquirer=acquirer.lstrip("0") or None,
    )


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
