"""From a decoded message to a command of the ledger: the last place that sees a PAN, and the first that names money.

Owns which fields mean what. Raises DecodeError, naming the field, for whatever a decision could not do without. What
must not survive the decision (DE35, 45, 52, 55) is not copied from here into anything.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from authoriser.ledger.commands import AuthorisationRequest, OriginalReference, ReversalRequest
from authoriser.ledger.records import Particulars
from authoriser.telemetry.scrub import mask_pans
from authoriser.texts import CURRENCIES
from isowire import (
    DecodeError,
    Dialect,
    Message,
    check_datetime_mmddhhmmss,
    clear_repeat,
    luhn_valid,
    pan_of,
    parse_amount,
    parse_original_data_elements,
    parse_replacement_amount,
)
from rules import Transaction

_TRANSACTIONS = {"00": Transaction.PURCHASE, "01": Transaction.CASH, "09": Transaction.CASHBACK}
"""DE3, first two digits (ISO 8583:1987): what is decided here. Only 0100 asks; a 0200 is not supported yet."""

_MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]?){12}")
"""Cheap to ask: few shops have a number so long in their name."""

_NO_DIGIT = re.compile(r"[^0-9]")

_KEPT_TEXTS = ("37", "42", "43")
"""Texts long enough for a PAN that go into the journal and into events. Blanks and dashes do not hide it."""

REMEMBERED_MAX = 1_000_000
"""Numbers whose tokens are remembered: about 200 bytes each. The HMAC that it saves takes 1.5 us."""

TOKEN_BYTES = 8
"""Of the PAN's token in a duplicate key: 64 bits part the cards of one issuer."""


class Tokens:
    """PAN to token, with a plain dictionary in front of the HMAC. PANs stay in this process's memory."""

    def __init__(self, token: Callable[[str], bytes], remembered_max: int = REMEMBERED_MAX) -> None:
        self._token = token
        self._remembered: dict[str, bytes] = {}
        self._remembered_max = remembered_max

    def __call__(self, pan: str) -> bytes:
        """Remembers numbers that pass Luhn; one that does not is nobody's and would only fill the memory."""
        token = self._remembered.get(pan)
        if token is None:
            token = self._token(pan)
            if luhn_valid(pan):
                if len(self._remembered) >= self._remembered_max:
                    self._remembered.clear()
                self._remembered[pan] = token
        return token

    def somebodys(self, pan: str) -> bool:
        """Whether the number passes Luhn, and so could be a card's."""
        return pan in self._remembered or luhn_valid(pan)


class Identity(Struct, frozen=True, gc=False):
    """Whose card a message names. `token` is None where the number fails Luhn: it is nobody's."""

    token: bytes | None
    last_four: str
    key: str


class Translator:
    """Makes commands of one link's messages."""

    def __init__(self, *, link: str, network: str, dialect: Dialect, tokens: Tokens) -> None:
        self._link = link
        self._network = network
        self._mandatory = {mti: frozenset(numbers) for mti, numbers in dialect.mandatory.items()}
        self._good_transmission = ""
        self._key_fields = dialect.key_fields
        self._tokens = tokens

    def authorisation(self, message: Message) -> AuthorisationRequest:
        """An 0100/0101 (or 0200/0201, which the rules refuse as unsupported)."""
        mti = clear_repeat(message.mti)
        fields = message.fields
        self._require(mti, message)
        particulars = self._particulars(mti, fields)
        identity = self._identity(mti, message)
        transaction = Transaction.UNSUPPORTED
        if mti == "0100":
            transaction = _TRANSACTIONS.get(fields["3"][:2], Transaction.UNSUPPORTED)
            if transaction is Transaction.PURCHASE and not particulars.amount_minor:
                transaction = Transaction.VERIFICATION
        return AuthorisationRequest(
            particulars=particulars,
            key=identity.key,
            token=identity.token,
            last_four=identity.last_four,
            transaction=transaction,
            stated_expiry=fields.get("14", ""),
        )

    def reversal(self, message: Message) -> ReversalRequest:
        """An 0400/0401 or 0420/0421."""
        mti = clear_repeat(message.mti)
        fields = message.fields
        self._require(mti, message)
        original = OriginalReference()
        if "90" in fields:
            named = parse_original_data_elements(fields["90"])
            original = OriginalReference(
                mti=clear_repeat(named.mti) if named.mti else "",
                stan=named.stan or "",
                transmission=named.transmission or "",
                acquirer=named.acquirer or "",
            )
        identity = self._identity(mti, message)
        return ReversalRequest(
            particulars=self._particulars(mti, fields),
            key=identity.key,
            token=identity.token,
            last_four=identity.last_four,
            original=original,
            new_total_minor=parse_replacement_amount(fields["95"]) if "95" in fields else None,
        )

    def _require(self, mti: str, message: Message) -> None:
        fields = message.fields
        missing = self._mandatory.get(mti, frozenset()) - fields.keys()
        if missing:
            number = min(missing, key=int)
            raise DecodeError(field=number, found="nothing", expected=f"DE{number} in a {message.mti}")
        transmission = fields["7"]
        if transmission != self._good_transmission:  # messages of one second say the same
            check_datetime_mmddhhmmss(transmission, "7")
            self._good_transmission = transmission

    def _identity(self, mti: str, message: Message) -> Identity:
        pan = pan_of(message)
        if pan is None:
            raise DecodeError(field="2", found="nothing", expected="a PAN, in DE2 or in DE35")
        get = message.fields.get
        if pan in get("37", "") or _MANY_DIGITS.search(f"{get('42', '')}~~{get('43', '')}"):
            _refuse_own_number(pan, message)
        token = self._tokens(pan)
        parts = [
            self._network,
            token[:TOKEN_BYTES].hex(),
            mti,
            *[get(number, "") for number in self._key_fields],
        ]
        return Identity(token if self._tokens.somebodys(pan) else None, pan[-4:], "|".join(parts))

    def _particulars(self, mti: str, fields: dict[str, str]) -> Particulars:
        get = fields.get
        place = get("43", "")
        merchant = place[:25].strip()
        if _MANY_DIGITS.search(merchant):
            merchant = mask_pans(merchant)  # another card's number, that a shop typed into its name
        return Particulars(
            network=self._network,
            link=self._link,
            mti=mti,
            transmission=fields["7"],
            stan=fields["11"],
            rrn=get("37", ""),
            acquirer=get("32", "").lstrip("0"),
            processing_code=get("3", ""),
            amount_minor=parse_amount(fields["4"], "4") if "4" in fields else 0,
            currency=_numeric(get("49", "")),
            mcc=get("18", ""),
            entry_mode=get("22", ""),
            terminal_id=get("41", "").strip(),
            merchant_id=get("42", "").strip(),
            merchant=merchant,
            city=place[25:38].strip(),
            country=place[38:].strip(),
        )


def _refuse_own_number(pan: str, message: Message) -> None:
    for number in _KEPT_TEXTS:
        if pan in _NO_DIGIT.sub("", message.fields.get(number, "")):
            raise DecodeError(field=number, found="the card's number", expected="no card number in it")


def _numeric(currency: str) -> str:
    """DE49 is three digits or three letters (ISO 4217); accounts go by the digits."""
    if currency.isdigit():
        return currency
    known = CURRENCIES.get(currency)
    return f"{known.number:03}" if known is not None and known.number is not None else currency
