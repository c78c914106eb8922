"""Which payment a message means. Stated precedence, and nothing is guessed.

Same network and same card always; a card and what it replaced are one. Then one way after the other, in the order that
the link's policy names: the first way that finds anything decides, and if it finds several, the message is ambiguous
and moves nothing. Reversals and advices look among the messages that were answered, completions and clearing among
payments.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from authoriser.ledger.commands import NO_REFERENCE, OriginalReference, ReversalRequest
from authoriser.ledger.common import DAY_MS, utc_mmdd
from authoriser.ledger.records import Particulars, Tombstone
from authoriser.ledger.state import Account, KeptAnswer, Payment

ORIGINAL_MTIS = frozenset({"0100", "0120", "0200", "0220"})
GONE = frozenset({"reversed", "voided", "superseded", "released"})
"""Ends of a payment after which a reversal has nothing to do: its hold is gone and its limits are given back. Only what
a message posted may still have to be unposted."""
FUEL_DISPENSER = "5542"
"""ISO 18245: automated fuel dispensers, whose completion names a new STAN and replaces the hold."""


class Match(Struct, frozen=True):
    """`key` is the original's key, "" where there is none; `by` is the way that found it.

    `candidates` are the payments (0: a message without one) of everything that fitted, more than one where it is
    ambiguous.
    """

    key: str = ""
    kept: KeptAnswer | None = None
    by: str = ""
    candidates: tuple[int, ...] = ()


class Found(Struct, frozen=True):
    """The payment that a completion or clearing means; None with `candidates` where several fit."""

    payment: Payment | None = None
    by: str = ""
    candidates: tuple[int, ...] = ()


# ---- among messages


Messages = list[tuple[str, KeptAnswer]]


def find_original(
    account: Account,
    cards: frozenset[str],
    said: Particulars,
    named: OriginalReference,
    order: tuple[str, ...],
    now_ms: int,
) -> Match:
    """The original that a reversal or advice means, among the answers that `account` keeps for these cards."""
    originals = list(_originals(account, cards, said.network, now_ms))
    for way in order:
        found = _MESSAGE_WAYS[way](account, originals, said, named)
        if found:
            return _match(account, originals, found, way)
    return Match()


def _match(account: Account, originals: Messages, found: Messages, way: str) -> Match:
    """One message, or several that are one transaction, or of one payment; else it is ambiguous.

    A request and the stand-in's advice of it share their numbers, and either may be the one that holds something: where
    we declined or our answer went void, the advice's payment is what the network means by the request.
    """
    roots = {kept.sibling or key for key, kept in found}
    payments = {kept.hold_id for _key, kept in found}
    if len(roots) > 1 and (len(payments) > 1 or 0 in payments):
        return Match("", None, way, tuple(kept.hold_id for _key, kept in found))
    together = found
    if len(roots) == 1:
        (root,) = roots
        together = found + [pair for pair in originals if pair[1].sibling == root and pair not in found]
    key, kept = max(together, key=lambda pair: _open(account, *pair))
    # A stand-in's word about an increment: the part is kept with the increment.
    if kept.part_of in account.kept:
        key, kept = kept.part_of, account.kept[kept.part_of]
    return Match(key, kept, way, (kept.hold_id,))


def _open(account: Account, key: str, kept: KeptAnswer) -> tuple[bool, bool, bool]:
    """How much a message's payment may be meant: one that has something open, one that was not undone, its first."""
    payment = account.payments.get(kept.hold_id)
    if payment is None:
        return False, False, False
    something = bool(payment.held_minor or payment.online_minor)
    return something, payment.ended not in GONE, payment.key == key


def _originals(
    account: Account, cards: frozenset[str], network: str, now_ms: int
) -> Iterator[tuple[str, KeptAnswer]]:
    for key, kept in account.kept.items():
        said = kept.particulars
        ours = kept.card_id in cards and kept.forget_ms > now_ms
        if ours and said.network == network and said.mti in ORIGINAL_MTIS:
            yield key, kept


def kept_answer(account: Account, key: str, now_ms: int) -> KeptAnswer | None:
    """The answer under a key, unless its time is over: whether a record has come by to drop it must not matter."""
    kept = account.kept.get(key)
    return kept if kept is not None and kept.forget_ms > now_ms else None


def _by_reference(
    _account: Account, originals: Messages, _said: Particulars, named: OriginalReference
) -> Messages:
    if not named.stan:
        return []
    return [pair for pair in originals if reference_fits(named, pair[1].particulars)]


def _by_retrieval(
    _account: Account, originals: Messages, said: Particulars, _named: OriginalReference
) -> Messages:
    if not said.rrn:
        return []
    own = (said.rrn, said.stan, said.acquirer)
    return [pair for pair in originals if _retrieval(pair[1].particulars) == own]


def _retrieval(said: Particulars) -> tuple[str, str, str]:
    return said.rrn, said.stan, said.acquirer


def _by_network_id(
    account: Account, originals: Messages, said: Particulars, _named: OriginalReference
) -> Messages:
    """All messages of a payment bear its id: the payment's first message stands for them."""
    if not said.network_id:
        return []
    answers = dict(originals)
    found = [pair for pair in originals if pair[1].particulars.network_id == said.network_id]
    payments = {kept.hold_id for _key, kept in found if kept.hold_id}
    if not payments:
        return found
    firsts = [
        (payment.key, answers[payment.key])
        for number in sorted(payments)
        if (payment := account.payments.get(number)) is not None and payment.key in answers
    ]
    return firsts or found


_MESSAGE_WAYS: dict[str, Callable[[Account, Messages, Particulars, OriginalReference], Messages]] = {
    "reference": _by_reference,
    "retrieval": _by_retrieval,
    "network_id": _by_network_id,
}
"""`reference` is DE90, a zero-filled part of it absent; `retrieval` is RRN, STAN and DE32; `network_id` the network's
own."""


def reference_fits(named: OriginalReference, original: Particulars) -> bool:
    """Whether DE90, as far as it is filled, names this message."""
    return bool(
        named.stan == original.stan
        and named.mti in {"", original.mti, _ASKED.get(original.mti)}
        and (not named.transmission or named.transmission == original.transmission)
        and (not named.acquirer or named.acquirer == original.acquirer)
    )


# ---- among payments


def remembered(account: Account, hold_id: int, now_ms: int) -> Payment | None:
    """A payment by its number, unless its time is over: whether a record has come by to drop it must not matter."""
    payment = account.payments.get(hold_id)
    if payment is None or (payment.forget_ms <= now_ms and not payment.held_minor):
        return None
    return payment


def payments_of(
    account: Account, cards: frozenset[str], network: str, kind: str, now_ms: int
) -> list[Payment]:
    """The payments of a kind that these cards made over a network and that are not outlived, oldest first."""
    return [
        payment
        for payment in account.payments.values()
        if payment.card_id in cards
        and payment.particulars.network == network
        and payment.kind == kind
        and (payment.forget_ms > now_ms or payment.held_minor)
    ]


def find_payment(
    payments: list[Payment],
    said: Particulars,
    amount_minor: int,
    order: tuple[str, ...],
    *,
    confirms: bool = False,
) -> Found:
    """The payment that a completion or a clearing's row means. `amount_minor` is its own, the fee with it.

    `confirms`: it is the file's word for what may be posted already. Of several that fit, the one that waits for the
    confirmation of this very amount is meant.
    """
    for way in order:
        found = _PAYMENT_WAYS[way](payments, said, amount_minor)
        if found:
            meant = [payment for payment in found if payment.ended not in GONE] or found[-1:]
            # An increment of what had expired began anew: what comes for both means the one that lives.
            if len(meant) > 1:
                meant = [payment for payment in meant if not _outlived(payment)] or meant
            waiting = [payment for payment in meant if payment.online_minor == amount_minor > 0]
            if confirms and len(waiting) == 1:
                meant = waiting
            candidates = tuple(payment.hold_id for payment in meant)
            return Found(meant[0] if len(meant) == 1 else None, way, candidates)
    return Found()


def _outlived(payment: Payment) -> bool:
    return payment.ended == "expired" and not payment.captured_minor


def _payments_by_network_id(payments: list[Payment], said: Particulars, _amount: int) -> list[Payment]:
    if not said.network_id:
        return []
    found = [payment for payment in payments if payment.particulars.network_id == said.network_id]
    if len(found) > 1 and said.approval_code:
        return [payment for payment in found if said.approval_code in payment.approval_codes] or found
    return found


def _payments_by_code(payments: list[Payment], said: Particulars, _amount: int) -> list[Payment]:
    code = said.approval_code
    if not code:
        return []
    return [
        payment
        for payment in payments
        if code in payment.approval_codes and payment.particulars.acquirer == said.acquirer
    ]


def _payments_alike(payments: list[Payment], said: Particulars, amount_minor: int) -> list[Payment]:
    if not said.merchant_id:
        return []
    return [
        payment
        for payment in payments
        if (
            payment.online_minor == amount_minor
            if payment.ended == "captured"
            else not payment.ended and payment.authorised_minor - payment.captured_minor == amount_minor
        )
        and payment.particulars.merchant_id == said.merchant_id
        and said.transmission[:4] in near_dates(payment.placed_ms)
    ]


def near_dates(placed_ms: int) -> tuple[str, str, str]:
    """The UTC date of a payment and its neighbours, MMDD: a shop's own date may be either."""
    return utc_mmdd(placed_ms - DAY_MS), utc_mmdd(placed_ms), utc_mmdd(placed_ms + DAY_MS)


_PAYMENT_WAYS: dict[str, Callable[[list[Payment], Particulars, int], list[Payment]]] = {
    "network_id": _payments_by_network_id,
    "approval_code": _payments_by_code,
    "unique": _payments_alike,
}
"""`approval_code` is DE38 and DE32; `unique` is what is still to be captured, the shop (DE42) and the date."""

PAYMENT_WAYS = tuple(_PAYMENT_WAYS)
MESSAGE_WAYS = tuple(_MESSAGE_WAYS)


def cleared_before(
    account: Account,
    cards: frozenset[str],
    said: Particulars,
    kind: str,
    total_minor: int,
    order: tuple[str, ...],
    now_ms: int,
) -> bool:
    """Whether a file has posted, with no payment of ours to it, what this completion posts: by the ways of `order`."""
    rows = [
        (row, kept.amount_minor + kept.fee_minor)
        for kept in account.cleared.values()
        if (row := kept.particulars) is not None
        and kept.kind == kind
        and kept.card_id in cards
        and row.network == said.network
        and kept.forget_ms > now_ms
    ]
    for row, row_minor in rows:
        fits = {
            "network_id": said.network_id and said.network_id == row.network_id,
            "approval_code": said.approval_code
            and (said.approval_code, said.acquirer) == (row.approval_code, row.acquirer),
            "unique": said.merchant_id
            and (said.merchant_id, said.transmission[:4], total_minor)
            == (row.merchant_id, row.transmission[:4], row_minor),
        }
        if any(fits[way] for way in order):
            return True
    return False


def find_grown(
    account: Account, cards: frozenset[str], said: Particulars, named: OriginalReference, now_ms: int
) -> tuple[Payment | None, str]:
    """The live payment that an increment adds to: by the network's id, by DE90, by RRN and DE32."""
    live = [payment for payment in payments_of(account, cards, said.network, "", now_ms) if not payment.ended]
    if said.network_id:
        found = [payment for payment in live if payment.particulars.network_id == said.network_id]
        if len(found) == 1:
            return found[0], "network_id"
    if named is not NO_REFERENCE and named.stan:
        found = [payment for payment in live if reference_fits(named, payment.particulars)]
        if len(found) == 1:
            return found[0], "reference"
    if said.rrn:
        found = [
            payment
            for payment in live
            if payment.particulars.rrn == said.rrn and payment.particulars.acquirer == said.acquirer
        ]
        if len(found) == 1:
            return found[0], "retrieval"
    return None, ""


def find_fuelled(
    account: Account, cards: frozenset[str], said: Particulars, now_ms: int
) -> tuple[Payment | None, str]:
    """The hold that a fuel dispenser's advice replaces: DE38 and DE32, else RRN and DE32. Fuel only."""
    if said.mcc != FUEL_DISPENSER:
        return None, ""
    live = [
        payment
        for payment in payments_of(account, cards, said.network, "", now_ms)
        if not payment.ended and payment.particulars.acquirer == said.acquirer
    ]
    found = [
        payment for payment in live if said.approval_code and said.approval_code in payment.approval_codes
    ]
    if len(found) == 1:
        return found[0], "approval_code"
    found = [payment for payment in live if said.rrn and payment.particulars.rrn == said.rrn]
    return (found[0], "retrieval") if len(found) == 1 else (None, "")


# ---- reversals that come first


def tombstone_for(request: ReversalRequest, card_id: str, forget_ms: int) -> Tombstone | None:
    """The tombstone that a full reversal without its original leaves, None where it names too little.

    Too little is a STAN alone: it comes again within days, and would decline somebody's next coffee. So the
    transmission time (of DE90) or the RRN must be there too.
    """
    if request.new_total_minor:
        return None  # a new total of zero is a full reversal, said another way
    named, said = request.original, request.particulars
    if named.stan and named.transmission:
        return Tombstone(
            card_id, said.network, named.mti, named.stan, named.transmission, named.acquirer, "", forget_ms
        )
    if named.stan and said.rrn:
        return Tombstone(
            card_id, said.network, named.mti, named.stan, "", named.acquirer, said.rrn, forget_ms
        )
    if said.stan and said.rrn:
        return Tombstone(card_id, said.network, "", said.stan, "", said.acquirer, said.rrn, forget_ms)
    return None


_ASKED = {"0120": "0100", "0220": "0200"}
"""What an advice stands for: its original's reversal may have named the request that never came to us."""


def buried(account: Account, cards: frozenset[str], said: Particulars, now_ms: int) -> bool:
    """Whether a tombstone declines this request, or empties this advice: its reversal came first."""
    return any(
        stone.card_id in cards
        and stone.network == said.network
        and stone.forget_ms > now_ms
        and stone.stan == said.stan
        and stone.mti in {"", said.mti, _ASKED.get(said.mti)}
        and stone.transmission in {"", said.transmission}
        and stone.acquirer in {"", said.acquirer}
        and stone.rrn in {"", said.rrn}
        for stone in account.tombstones
    )
