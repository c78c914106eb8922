"""From a decoded message to a command of the ledger: the last place that sees a PAN.

Owns which command a message is, whose card it names, and its key. What it says besides is read in `said`. Raises
DecodeError, naming the field, for whatever a decision could not do without. What must not survive the decision (DE35,
45, 52, 55) is not copied from here into anything.
"""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from authoriser.authentication import Authenticator, NotChecked, with_network
from authoriser.ledger.commands import (
    NO_REFERENCE,
    Advice,
    AuthorisationRequest,
    OriginalReference,
    ReversalRequest,
)
from authoriser.ledger.records import Particulars
from authoriser.said import Place, Reader, place_of
from isowire import (
    Condition,
    DecodeError,
    Dialect,
    Message,
    NetworkData,
    check_datetime_mmddhhmmss,
    clear_repeat,
    luhn_valid,
    pan_of,
    parse_original_data_elements,
)
from rules import Transaction

_TRANSACTIONS = {
    "00": Transaction.PURCHASE,
    "01": Transaction.CASH,
    "09": Transaction.CASHBACK,
    "17": Transaction.CASH,
    "20": Transaction.REFUND,
    "30": Transaction.INQUIRY,
    "31": Transaction.INQUIRY,
}
"""DE3, first two digits (ISO 8583:1987): what is decided here."""

_ASKING = frozenset({"3", "4", "7", "11", "49"})
_NEEDED = {
    **dict.fromkeys(("0100", "0120", "0200", "0220"), _ASKING),
    **dict.fromkeys(("0400", "0420"), frozenset({"7", "11"})),
}
"""Fields without which there is no command, whatever a dialect says."""

_SIBLING = {"0120": "0100", "0220": "0200"}
"""Advice -> the request that would have come to us."""

_FIRST = {mti[:3] + repeat: mti for mti in _NEEDED for repeat in "01"}
"""MTI -> the same without its repeat digit."""

_HOUR_MS = 3_600_000

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
    """Whose card a message names. `token` is None where the number fails Luhn: it is nobody's.

    A duplicate key is `before`, an MTI, and `behind`.
    """

    token: bytes | None
    last_four: str
    before: str
    behind: str

    def key(self, mti: str) -> str:
        return f"{self.before}{mti}{self.behind}"


class Translator:
    """Makes commands of one link's messages."""

    def __init__(
        self,
        *,
        link: str,
        network: str,
        dialect: Dialect,
        tokens: Tokens,
        authenticator: Authenticator | None = None,
    ) -> None:
        """Raises DialectError for a currency under [currency_exponents] that ISO 4217 doesn't have."""
        self._network = network
        self._reader = Reader(link=link, network=network, dialect=dialect)
        self._mandatory = {
            mti: needed | frozenset(dialect.mandatory.get(mti, ())) for mti, needed in _NEEDED.items()
        }
        self._conditional = dialect.conditional
        self._approving = dialect.semantics.approving
        self._network_id = dialect.semantics.network_id
        self._good_transmission = ""
        self._key_fields = dialect.key_fields
        self._tokens = tokens
        self._authenticator = authenticator if authenticator is not None else NotChecked()

    def authorisation(self, message: Message) -> AuthorisationRequest:
        """An 0100/0101 or 0200/0201. Raises whatever the authenticator does, too."""
        mti, data, identity, particulars = self._read(message)
        fields = message.fields
        transaction = _transaction(fields, particulars)
        entry = self._reader.entry(message)
        checks = self._authenticator.check(message, transaction, entry)
        cashback_minor = 0
        if transaction is Transaction.CASHBACK:
            cashback_minor = self._reader.cash_part_minor(fields, particulars)
        return AuthorisationRequest(
            particulars=particulars,
            key=identity.key(mti),
            token=identity.token,
            last_four=identity.last_four,
            transaction=transaction,
            stated_expiry=fields.get("14", ""),
            entry=entry,
            checks=with_network(checks, data.on_behalf),
            original=_original(fields) if data.increment else NO_REFERENCE,
            cashback_minor=cashback_minor,
            fee_minor=self._reader.fee_minor(fields),
            hold_lifetime_ms=data.hold_lifetime_hours * _HOUR_MS,
            account_type=fields["3"][2:4],
            increment=data.increment,
            partial_allowed=data.partial_approval and self._reader.can_write(particulars),
        )

    def advice(self, message: Message) -> Advice:
        """An 0120/0121 or 0220/0221. An 0220 without DE39 tells of what was done, and so approves."""
        mti, data, identity, particulars = self._read(message)
        fields = message.fields
        action_code = fields.get("39", "")
        return Advice(
            particulars=particulars,
            key=identity.key(mti),
            sibling_key=identity.key(_SIBLING[mti]),
            token=identity.token,
            last_four=identity.last_four,
            transaction=_transaction(fields, particulars),
            approving=action_code in self._approving or (not action_code and mti == "0220"),
            action_code=action_code,
            entry=self._reader.entry(message),
            original=_original(fields),
            fee_minor=self._reader.fee_minor(fields),
            hold_lifetime_ms=data.hold_lifetime_hours * _HOUR_MS,
            final=data.final,
            increment=data.increment,
        )

    def reversal(self, message: Message) -> ReversalRequest:
        """An 0400/0401 or 0420/0421."""
        mti, _, identity, particulars = self._read(message)
        return ReversalRequest(
            particulars=particulars,
            key=identity.key(mti),
            token=identity.token,
            last_four=identity.last_four,
            original=_original(message.fields),
            new_total_minor=self._reader.replacement_minor(message.fields),
        )

    def _read(self, message: Message) -> tuple[str, NetworkData, Identity, Particulars]:
        """What every command is made of; the MTI without its repeat digit."""
        mti = _FIRST[message.mti]
        fields = message.fields
        self._require(mti, message)
        data = self._reader.network_data(message)
        place = place_of(fields.get("42", ""), fields.get("43", ""))
        identity = self._identity(message, data, place)
        return mti, data, identity, self._reader.particulars(mti, fields, data, place)

    def _require(self, mti: str, message: Message) -> None:
        fields = message.fields
        missing: set[str] | frozenset[str] = self._mandatory[mti] - fields.keys()
        if not missing and mti in self._conditional:
            missing = _missing(self._conditional[mti], fields)
        if missing:
            number = min(missing, key=int)
            raise DecodeError(field=number, found="nothing", expected=f"DE{number} in a {message.mti}")
        transmission = fields["7"]
        if transmission != self._good_transmission:  # messages of one second say the same
            check_datetime_mmddhhmmss(transmission, "7")
            self._good_transmission = transmission

    def _identity(self, message: Message, data: NetworkData, place: Place) -> Identity:
        pan = pan_of(message)
        if pan is None:
            raise DecodeError(field="2", found="nothing", expected="a PAN, in DE2 or in DE35")
        get = message.fields.get
        if place.many_digits or pan in get("37", ""):
            _refuse_own_number(pan, message)
        name = data.network_id
        if len(name) >= len(pan) and self._network_id is not None and pan in _NO_DIGIT.sub("", name):
            raise _own_number(self._network_id.field)
        token = self._tokens(pan)
        return Identity(
            token if self._tokens.somebodys(pan) else None,
            pan[-4:],
            f"{self._network}|{token[:TOKEN_BYTES].hex()}|",
            "".join([f"|{get(number, '')}" for number in self._key_fields]),
        )


def _transaction(fields: Mapping[str, str], said: Particulars) -> Transaction:
    transaction = _TRANSACTIONS.get(fields["3"][:2], Transaction.UNSUPPORTED)
    if transaction is Transaction.PURCHASE and not said.amount_minor and not said.transaction_minor:
        return Transaction.VERIFICATION
    return transaction


def _original(fields: Mapping[str, str]) -> OriginalReference:
    if "90" not in fields:
        return NO_REFERENCE
    named = parse_original_data_elements(fields["90"])
    return OriginalReference(
        mti=clear_repeat(named.mti) if named.mti else "",
        stan=named.stan or "",
        transmission=named.transmission or "",
        acquirer=named.acquirer or "",
    )


def _missing(conditions: tuple[Condition, ...], fields: Mapping[str, str]) -> frozenset[str]:
    return frozenset(
        condition.field
        for condition in conditions
        if condition.field not in fields and condition.holds(fields)
    )


def _refuse_own_number(pan: str, message: Message) -> None:
    for number in _KEPT_TEXTS:
        if pan in _NO_DIGIT.sub("", message.fields.get(number, "")):
            raise _own_number(number)


def _own_number(field: str) -> DecodeError:
    return DecodeError(field=field, found="the card's number", expected="no card number in it")
