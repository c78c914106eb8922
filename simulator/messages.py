"""The network's messages as dictionaries and bytes: 0100, 0101, 0400, 0401, 0420, 0421, 0800. `followups` has the rest.

Owns what ISO 8583:1987 says stands in each. Must not know who sends them when. What is sent is written by isowire, as
any program would that uses it; what comes back is read by pyiso8583 directly, so that a bug of ours can't hide on both
sides. The tests hold what isowire writes here against pyiso8583, byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache

import iso8583
from iso8583.specs import default_ascii

from isowire import Codec, EncodeError, Message, load_dialect
from simulator.errors import SimulatorError

DIALECT = "iso87-ascii"
SPEC = default_ascii
"""pyiso8583's layout of the same: ASCII throughout, bitmaps as hexadecimal characters."""

Fields = dict[str, str]
"""As pyiso8583 takes and gives them: "t" is the MTI, "2" to "128" the fields."""

STAN_MAX = 999_999
"""DE11 is six digits."""

SIGN_ON, SIGN_OFF, ECHO = "001", "002", "301"
"""DE70, ISO 8583:1987 annex B: the three that every network has."""

PURCHASE = "000000"
"""DE3: goods and services, default accounts."""

# What may be shown of a message anywhere. PAN, expiry, tracks, PIN block, chip data and what nobody thought of may not.
_SAFE = "t 3 4 7 11 12 13 15 18 19 22 25 32 33 37 38 39 41 42 43 49 70 90 95"
SAFE_FIELDS = frozenset(_SAFE.split())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card is used: what DE18, 32, 41, 42 and 43 carry."""

    merchant_id: str
    terminal_id: str
    name: str
    city: str
    country: str
    """ISO 3166 alphabetic, two letters."""
    mcc: str
    acquirer: str
    zone: tzinfo
    """Of the merchant's till: DE12 and 13 are local."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One use of a card, before it has a moment and a number."""

    pan: str = field(repr=False)
    expiry: str = field(repr=False)
    amount_minor: int
    """0 asks about the card only."""
    currency_number: str
    place: Place
    entry_mode: str
    condition: str
    """DE25: 00 normal, 08 mail or telephone, 59 electronic commerce."""


def transmission(at: datetime) -> str:
    """DE7, MMDDhhmmss, of an aware moment; it is always UTC."""
    return at.strftime("%m%d%H%M%S")


def retrieval_reference(at: datetime, stan: str) -> str:
    """DE37 as acquirers make it: last digit of the year, day of the year, hour, STAN."""
    return f"{at.year % 10}{at.timetuple().tm_yday:03d}{at.hour:02d}{stan}"


def card_acceptor(name: str, city: str, country: str) -> str:
    """DE43: 25 characters of name, 13 of city, 2 of country."""
    return f"{name[:25]:<25}{city[:13]:<13}{country[:2]:<2}"


def authorisation(payment: Payment, *, stan: str, at: datetime) -> Fields:
    """A 0100. `at` is aware and UTC."""
    place = payment.place
    local = at.astimezone(place.zone)
    return {
        "t": "0100",
        "2": payment.pan,
        "3": PURCHASE,
        "4": f"{payment.amount_minor:012d}",
        "7": transmission(at),
        "11": stan,
        "12": local.strftime("%H%M%S"),
        "13": local.strftime("%m%d"),
        "14": payment.expiry,
        "18": place.mcc,
        "22": payment.entry_mode,
        "25": payment.condition,
        "32": place.acquirer,
        "37": retrieval_reference(at, stan),
        "41": f"{place.terminal_id:<8}",
        "42": f"{place.merchant_id:<15}",
        "43": card_acceptor(place.name, place.city, place.country),
        "49": payment.currency_number,
    }


def repeat(request: Mapping[str, str]) -> Fields:
    """The same request once more: the repeat digit set, everything else as it was, DE7, 11 and 37 too."""
    return {**request, "t": request["t"][:3] + "1"}


def reversal(
    original: Mapping[str, str],
    *,
    stan: str,
    at: datetime,
    approval_code: str = "",
    advice: bool = False,
    new_total_minor: int | None = None,
) -> Fields:
    """A 0400, or a 0420 as `advice`, of a 0100 sent before. `new_total_minor` makes it partial (DE95).

    DE37 stays the original's, as acquirers keep it over the life of a transaction; DE38 is there when it is known.
    """
    kept = ("2", "3", "4", "14", "18", "22", "25", "32", "37", "41", "42", "43", "49")
    fields = {name: original[name] for name in kept if name in original}
    fields |= {
        "t": "0420" if advice else "0400",
        "7": transmission(at),
        "11": stan,
        "12": original["12"],
        "13": original["13"],
        "90": original_data_elements(original),
    }
    if approval_code:
        fields["38"] = approval_code
    if new_total_minor is not None:
        # Actual amounts, transaction and settlement, then the two fees, each a sign and eight digits.
        fields["95"] = f"{new_total_minor:012d}{0:012d}D{0:08d}D{0:08d}"
    return fields


def original_data_elements(original: Mapping[str, str]) -> str:
    """DE90: MTI, STAN, DE7, acquirer and forwarder, the last two right-justified in eleven digits."""
    forwarder = original.get("33", "")
    return f"{original['t']}{original['11']}{original['7']}{original['32']:0>11}{forwarder:0>11}"


def network_management(code: str, *, stan: str, at: datetime) -> Fields:
    """A 0800 that signs on, signs off or echoes: `code` is DE70."""
    return {"t": "0800", "7": transmission(at), "11": stan, "70": code}


def management_answer(asked: Mapping[str, str], *, known: bool) -> Fields:
    """The 0810 to an issuer's 0800: DE39 00, or 12 where DE70 is nothing that is `known`."""
    echoed = {name: asked[name] for name in ("7", "11", "24", "33", "70") if name in asked}
    return {"t": "0810", **echoed, "39": "00" if known else "12"}


def response_mti(mti: str) -> str:
    """What answers it: 0100 and 0101 by 0110, 0420 and 0421 by 0430."""
    return f"{mti[:2]}{int(mti[2]) + 1}0"


def masked(name: str, value: str) -> str:
    """What may be shown of a field: a card number as its last four, other sensitive fields not at all."""
    if name in SAFE_FIELDS:
        return value
    if name == "2":
        return "*" * max(len(value) - 4, 0) + value[-4:]
    return f"({len(value)} characters, not shown)"


def encode(fields: Mapping[str, str]) -> bytes:
    """The message's bytes, without a length header. `fields` is not changed. Raises SimulatorError, safe to print."""
    numbered = {name: value for name, value in fields.items() if name != "t"}
    try:
        return _codec().encode(Message(fields["t"], numbered))
    except EncodeError as problem:
        raise SimulatorError(f"a message of ours does not encode: {problem}") from None


@lru_cache(maxsize=1)
def _codec() -> Codec:
    return Codec(load_dialect(DIALECT))


def decode(payload: bytes) -> Fields:
    """A message's fields. Raises SimulatorError, safe to print."""
    try:
        fields = iso8583.decode(payload, SPEC)[0]
    except iso8583.DecodeError as problem:
        # After the comma it quotes bytes of the message.
        what = problem.msg.partition(",")[0].partition("(")[0].strip()
        raise SimulatorError(
            f"pyiso8583 cannot decode it: {what}, field {problem.field} at byte {problem.pos}"
        ) from None
    return {name: value for name, value in fields.items() if name not in {"h", "p", "1"}}
