"""What a message says: its amounts, its fee, its shop, and what its network says beyond the standard's fields.

Owns which fields these stand in and how they are brought to one form: minor units of ISO 4217, numeric currencies,
countries of two letters. Raises DecodeError, naming the field. Knows no command of the ledger and no card.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import pycountry
from msgspec import Struct

from authoriser.ledger.records import Particulars
from authoriser.telemetry.scrub import mask_pans
from authoriser.texts import CURRENCIES
from isowire import (
    NOTHING_SAID,
    DecodeError,
    Dialect,
    DialectError,
    Message,
    NetworkData,
    parse_additional_amounts,
    parse_amount,
    parse_fee,
    parse_replacement_amount,
)
from isowire.errors import picture
from rules import Entry

MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]?){12}")
"""Cheap to ask: few shops have a number so long in their name."""

PLACES_REMEMBERED = 16_384
"""Shops whose DE42 and DE43 have been read: about 500 bytes each."""

CASH_PART = "40"
"""DE54's amount type for the notes handed out with a purchase (ISO 8583:1987)."""

_COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries) | {"XK"}
"""ISO 3166 alpha-2, and what card networks and the EU write for Kosovo."""
_COUNTRIES_BY_NUMBER = {country.numeric: country.alpha_2 for country in pycountry.countries}
_TYPED_IN = frozenset({Entry.MANUAL, Entry.UNKNOWN})


class Place(Struct, frozen=True, gc=False):
    """A shop by DE42 and DE43. `many_digits` says that a card's number could be in them as they came."""

    merchant_id: str
    merchant: str
    city: str
    country: str
    many_digits: bool


@lru_cache(maxsize=PLACES_REMEMBERED)
def place_of(merchant_id: str, acceptor: str) -> Place:
    """From DE42 and DE43 (25 characters of name, 13 of city, 2 of country), each "" where it is absent."""
    merchant = acceptor[:25].strip()
    if MANY_DIGITS.search(merchant):
        merchant = mask_pans(merchant)  # another card's number, that a shop typed into its name
    letters = acceptor[38:].strip().upper()
    return Place(
        merchant_id.strip(),
        merchant,
        acceptor[25:38].strip(),
        letters if letters in _COUNTRIES else "",
        MANY_DIGITS.search(f"{merchant_id}~~{acceptor}") is not None,
    )


class Reader:
    """Reads the messages of one link."""

    def __init__(self, *, link: str, network: str, dialect: Dialect) -> None:
        """Raises DialectError for a currency that ISO 4217 doesn't have."""
        self._link = link
        self._network = network
        self._dialect = dialect
        self._semantics = dialect.semantics
        self._network_fields = frozenset(dialect.semantics.places)
        self._scales = Scales(dialect)
        self._entries = {digits: Entry(name) for digits, name in dialect.semantics.entry.items()}

    def network_data(self, message: Message) -> NetworkData:
        """What the network says beyond the standard's fields."""
        if self._network_fields.isdisjoint(message.fields):
            return NOTHING_SAID
        return self._semantics.read(message.fields, self._dialect.for_mti(message.mti).subfields)

    def entry(self, message: Message) -> Entry:
        """How the card's number was taken."""
        entry = self._entries.get(message.fields.get("22", "")[:2], Entry.UNKNOWN)
        if entry in _TYPED_IN and self._semantics.is_ecommerce(
            message.fields, self._dialect.for_mti(message.mti).subfields
        ):
            return Entry.ECOMMERCE
        return entry

    def particulars(self, mti: str, fields: dict[str, str], data: NetworkData, place: Place) -> Particulars:
        """What is kept of a message. The amount is the cardholder's (DE6 and DE51) where the message has both."""
        get = fields.get
        amount_minor = self._amount(fields, "4", "49") if "4" in fields else 0
        currency = numeric(get("49", ""))
        transaction_minor, transaction_currency = 0, ""
        if "6" in fields and "51" in fields:
            shops = (amount_minor, currency)
            amount_minor, currency = self._amount(fields, "6", "51"), numeric(fields["51"])
            if shops != (amount_minor, currency):
                transaction_minor, transaction_currency = shops
        return Particulars(
            network=self._network,
            link=self._link,
            mti=mti,
            transmission=fields["7"],
            stan=fields["11"],
            rrn=get("37", ""),
            acquirer=get("32", "").lstrip("0"),
            processing_code=get("3", ""),
            amount_minor=amount_minor,
            currency=currency,
            mcc=get("18", ""),
            entry_mode=get("22", ""),
            terminal_id=get("41", "").strip(),
            merchant_id=place.merchant_id,
            merchant=place.merchant,
            city=place.city,
            country=place.country or _COUNTRIES_BY_NUMBER.get(get("19", ""), ""),
            transaction_minor=transaction_minor,
            transaction_currency=transaction_currency,
            network_id=data.network_id,
            approval_code=get("38", "").strip(),
            condition=get("25", ""),
        )

    def fee_minor(self, fields: Mapping[str, str]) -> int:
        """What comes on top of the amount, below zero: off it. DE8 where the amount is DE6, else DE28."""
        if "6" in fields and "51" in fields:
            fee = fields.get("8", "0")
            if not (fee.isascii() and fee.isdigit()):
                raise DecodeError(field="8", found=picture(fee), expected="a fee of 8 digits")
            return self._scales.read(int(fee), numeric(fields["51"]), "8")
        if "28" not in fields:
            return 0
        return self._scales.read(parse_fee(fields["28"], "28"), numeric(fields.get("49", "")), "28")

    def cash_part_minor(self, fields: Mapping[str, str], said: Particulars) -> int:
        """Of a purchase with cash back: the notes, in the currency of `said.currency`; 0 where DE54 doesn't say."""
        currency = said.transaction_currency or said.currency
        cash_minor = 0
        for amount in parse_additional_amounts(fields.get("54", "")):
            if amount.kind == CASH_PART:
                if numeric(amount.currency) != currency:
                    found = "a cash part in another currency than the amount's"
                    raise DecodeError(field="54", found=found, expected="the currency of DE49")
                cash_minor += self._scales.read(abs(amount.amount_minor), currency, "54")
        if said.transaction_minor:
            return -(-cash_minor * said.amount_minor // said.transaction_minor)
        return cash_minor

    def replacement_minor(self, fields: Mapping[str, str]) -> int | None:
        """DE95's new total, in the shop's currency; None where there is none."""
        if "95" not in fields:
            return None
        return self._scales.read(parse_replacement_amount(fields["95"]), numeric(fields.get("49", "")), "95")

    def can_write(self, said: Particulars) -> bool:
        """Whether every amount in the currency of `said` can be written back: a part of one might not."""
        return not self._scales.is_coarser(said.currency)

    def _amount(self, fields: Mapping[str, str], number: str, currency: str) -> int:
        amount_minor = parse_amount(fields[number], number)
        if self._scales.any:
            return self._scales.read(amount_minor, numeric(fields.get(currency, "")), number)
        return amount_minor


class Scales:
    """Amounts of the wire and those of ISO 4217, for the currencies in which a dialect has other decimals."""

    def __init__(self, dialect: Dialect) -> None:
        """Raises DialectError for a currency that ISO 4217 doesn't have."""
        self._factors: dict[str, tuple[int, int]] = {}
        for letters, exponent in dialect.currency_exponents.items():
            known = CURRENCIES.get(letters)
            if known is None or known.exponent is None:
                raise DialectError(
                    f"{dialect.name}: currency_exponents.{letters}: found {letters!r}, "
                    "expected a currency of ISO 4217 whose decimals it says"
                )
            more = int(known.exponent) - exponent
            self._factors[numeric(letters)] = (pow(10, max(more, 0)), pow(10, max(-more, 0)))
        self.any = bool(self._factors)

    def read(self, minor: int, currency: str, field: str) -> int:
        """An amount of `field` in minor units of ISO 4217. Raises DecodeError where it is none in whole."""
        times, by = self._factors.get(currency, (1, 1))
        units, rest = divmod(minor * times, by)
        if rest:
            found = "decimals that the currency hasn't"
            raise DecodeError(field=field, found=found, expected=f"a multiple of {by}")
        return units

    def write(self, minor: int, currency: str) -> int:
        """An amount as the wire has it; where the wire has fewer decimals, what they can't say is dropped."""
        times, by = self._factors.get(currency, (1, 1))
        return minor * by // times

    def is_coarser(self, currency: str) -> bool:
        """Whether the wire has fewer decimals than ISO 4217."""
        return self._factors.get(currency, (1, 1))[0] > 1


def numeric(currency: str) -> str:
    """A currency is three digits or three letters (ISO 4217); accounts go by the digits."""
    if currency.isdigit():
        return currency
    known = CURRENCIES.get(currency)
    return f"{known.number:03}" if known is not None and known.number is not None else currency
