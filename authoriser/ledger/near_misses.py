"""What a message was not about, and almost: payments and earlier messages of its account, compared part by part.

For people who ask why a clearing or reversal found nothing. Nothing is decided by this: how much a part weighs is only
the order in which they are shown. Pure. Amounts are minor units.
"""

from collections.abc import Iterator

from msgspec import Struct

from authoriser.ledger import records as r
from authoriser.ledger.commands import OriginalReference
from authoriser.ledger.common import utc_mmdd
from authoriser.ledger.matching import ORIGINAL_MTIS, near_dates, remembered
from authoriser.ledger.state import Account, KeptAnswer, Payment

NEAR_MISSES_MAX = 5
"""More than these no one compares by eye."""

NEAR_ENOUGH = 3
"""Of WEIGHTS: acquirer, day and second alone make no near miss, a card that pays all day has many of them."""

WEIGHTS = {
    "network id": 8,
    "approval code": 6,
    "RRN": 5,
    "STAN": 4,
    "amount": 3,
    "merchant": 3,
    "sent at (DE7)": 1,
    "acquirer": 1,
    "date": 1,
}
"""How much it says that a part agrees: what is made to be unique first."""


Message = r.Decided | r.Reversed | r.Cleared


class Part(Struct, frozen=True):
    """One thing that a message says, beside what a payment (or an earlier message) has there.

    `amount` holds integers of minor units.
    """

    name: str
    sought: str | int
    there: str | int
    agrees: bool


class NearMiss(Struct, frozen=True):
    """What was not meant, and almost fits. `hold_id` 0: an earlier message that began no payment.

    `state` says what it was at that moment: open, captured, reversed, forgotten, ... or why a message was answered so.
    `same_card` counts a card and what it replaced as one.
    """

    hold_id: int
    mti: str
    last_four: str
    same_card: bool
    at: str
    state: str
    parts: tuple[Part, ...]


def near_payments(
    account: Account, record: Message, cards: frozenset[str], amount_minor: int, found: int
) -> tuple[NearMiss, ...]:
    """Payments that a clearing, completion or increment almost names. `found` is the one that it does name, or 0."""
    said = record.particulars
    near = []
    for payment in account.payments.values():
        if payment.hold_id == found:
            continue
        parts = tuple(_payment_parts(said, payment, amount_minor))
        if _score(parts) >= NEAR_ENOUGH:
            near.append(_near_payment(account, payment, cards, parts, record.at_ms))
    return _best(near)


def _payment_parts(said: r.Particulars, payment: Payment, amount_minor: int) -> Iterator[Part]:
    there = payment.particulars
    if said.network_id:
        yield _part("network id", said.network_id, there.network_id)
    if said.approval_code:
        codes = payment.approval_codes
        yield Part("approval code", said.approval_code, " ".join(codes), said.approval_code in codes)
    if said.acquirer:
        yield _part("acquirer", said.acquirer, there.acquirer)
    yield _part("amount", amount_minor, payment.authorised_minor - payment.captured_minor)
    if said.merchant_id:
        yield _part("merchant", said.merchant_id, there.merchant_id)
    if said.transmission:
        date = said.transmission[:4]
        yield Part("date", date, utc_mmdd(payment.placed_ms), date in near_dates(payment.placed_ms))
    if said.rrn:
        yield _part("RRN", said.rrn, there.rrn)
    if there.network != said.network:
        yield _part("network", said.network, there.network)


def _near_payment(
    account: Account, payment: Payment, cards: frozenset[str], parts: tuple[Part, ...], now_ms: int
) -> NearMiss:
    said = payment.particulars
    return NearMiss(
        payment.hold_id,
        said.mti,
        account.cards[payment.card_id].last_four,
        payment.card_id in cards,
        said.transmission,
        _state(account, payment, now_ms),
        parts,
    )


def near_messages(
    account: Account,
    record: r.Decided | r.Reversed,
    cards: frozenset[str],
    named: OriginalReference,
    found: int,
) -> tuple[NearMiss, ...]:
    """Earlier messages that a reversal or advice almost names. `found` is the payment that it does name, or 0."""
    said = record.particulars
    near = []
    for kept in account.kept.values():
        there = kept.particulars
        if there.mti not in ORIGINAL_MTIS or (kept.hold_id and kept.hold_id == found):
            continue
        parts = tuple(_message_parts(said, named, there))
        if _score(parts) >= NEAR_ENOUGH:
            near.append(_near_message(account, kept, cards, parts, record.at_ms))
    return _best(near)


def _message_parts(said: r.Particulars, named: OriginalReference, there: r.Particulars) -> Iterator[Part]:
    """DE90 where it is filled; where it is not, what the message itself says in its place."""
    stan = named.stan or said.stan
    if named.mti:
        yield _part("MTI", named.mti, there.mti)
    yield _part("STAN", stan, there.stan)
    if named.transmission:
        yield _part("sent at (DE7)", named.transmission, there.transmission)
    if named.acquirer or said.acquirer:
        yield _part("acquirer", named.acquirer or said.acquirer, there.acquirer)
    if said.rrn:
        yield _part("RRN", said.rrn, there.rrn)
    if said.network_id:
        yield _part("network id", said.network_id, there.network_id)
    if said.amount_minor:
        yield _part("amount", said.amount_minor, there.amount_minor)
    if said.merchant_id:
        yield _part("merchant", said.merchant_id, there.merchant_id)
    if there.network != said.network:
        yield _part("network", said.network, there.network)


def _near_message(
    account: Account, kept: KeptAnswer, cards: frozenset[str], parts: tuple[Part, ...], now_ms: int
) -> NearMiss:
    payment = account.payments.get(kept.hold_id)
    state = kept.reason.value
    if payment is not None:
        state = _state(account, payment, now_ms)
    return NearMiss(
        kept.hold_id if payment is not None else 0,
        kept.particulars.mti,
        account.cards[kept.card_id].last_four,
        kept.card_id in cards,
        kept.particulars.transmission,
        state,
        parts,
    )


def _state(account: Account, payment: Payment, now_ms: int) -> str:
    if remembered(account, payment.hold_id, now_ms) is None:
        return "forgotten"
    return payment.ended or ("open refund" if payment.kind else "open")


def _part(name: str, sought: str | int, there: str | int) -> Part:
    return Part(name, sought, there, sought == there)


def _score(parts: tuple[Part, ...]) -> int:
    return sum(WEIGHTS.get(part.name, 0) for part in parts if part.agrees)


def _best(near: list[NearMiss]) -> tuple[NearMiss, ...]:
    """This card's first, then by how much agrees; of equals the newest first."""
    near.reverse()
    near.sort(key=lambda miss: (not miss.same_card, -_score(miss.parts), _differing(miss.parts)))
    return tuple(near[:NEAR_MISSES_MAX])


def _differing(parts: tuple[Part, ...]) -> int:
    return sum(not part.agrees for part in parts)
