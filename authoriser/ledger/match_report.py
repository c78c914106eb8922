"""Why a message did or did not find its payment: each way of matching tried by itself, and what came near.

For people who ask afterwards, so it is as slow as it likes; it moves nothing. It asks the very functions of matching.py
that decided, one way at a time, over the account as it was just before the record. Pure: state and record in, report
out. Amounts are minor units, and no key of a duplicate stands in a report: it holds a part of the card's token.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from authoriser.ledger import records as r
from authoriser.ledger.commands import NO_REFERENCE, OriginalReference
from authoriser.ledger.common import family
from authoriser.ledger.matching import (
    FUEL_DISPENSER,
    GONE,
    ORIGINAL_MTIS,
    find_fuelled,
    find_grown,
    find_original,
    find_payment,
    kept_answer,
    payments_of,
    remembered,
)
from authoriser.ledger.near_misses import Message, NearMiss, near_messages, near_payments
from authoriser.ledger.state import Account, Payment, ShardState


class Way(Struct, frozen=True):
    """One way of matching. `sought` is what it looks for, empty where the message does not say it.

    `found` are the payments that fitted (0: a message without one). `decided` marks the way that ended the search;
    those after it were not tried at the time.
    """

    name: str
    sought: tuple[tuple[str, str | int], ...]
    found: tuple[int, ...]
    decided: bool = False
    tried: bool = True


class MatchReport(Struct, frozen=True):
    """`among`: payments, messages, or nothing (`why_nothing` says why: unknown_card, wrong_currency, is_request).

    `hold_id` and `by` are what the search finds, `candidates` what was ambiguous. `undone` is how that payment had
    ended, or "forgotten", where that makes it as good as not found. `remembered` is how much there was to look through
    for this card and network. `agrees` False: the record says otherwise, so another order or program decided it.
    """

    among: str
    why_nothing: str = ""
    ways: tuple[Way, ...] = ()
    hold_id: int = 0
    by: str = ""
    candidates: tuple[int, ...] = ()
    undone: str = ""
    remembered: int = 0
    near: tuple[NearMiss, ...] = ()
    agrees: bool = True


Sought = tuple[tuple[str, str | int], ...]


def match_report(
    state: ShardState, record: Message, matching: tuple[str, ...], clearing_matching: tuple[str, ...]
) -> MatchReport:
    """What the search for `record`'s payment looked for and found. `state` is that just before the record.

    `matching` and `clearing_matching` are the orders of its link's policy.
    """
    if _only_asks(record):
        return MatchReport("nothing", "is_request")
    account = state.accounts.get(record.account_id)
    if account is None or record.card_id not in account.cards:
        return MatchReport("nothing", "unknown_card")
    said = record.particulars
    if isinstance(record, r.Reversed):
        return _of_reversal(account, record, matching)
    if said.currency != account.currency and (isinstance(record, r.Cleared) or said.mti in {"0120", "0220"}):
        return MatchReport("nothing", "wrong_currency")
    if isinstance(record, r.Cleared):
        return _of_clearing(account, record, clearing_matching)
    if said.mti == "0220":
        return _of_completion(account, record, clearing_matching)
    if said.mti == "0120":
        return _of_advice(account, record, matching)
    return _of_increment(account, record)


def _only_asks(record: Message) -> bool:
    """A request that adds to no payment. An increment without DE90 that found none looks the same."""
    return (
        isinstance(record, r.Decided)
        and record.particulars.mti in {"0100", "0200"}
        and not record.named
        and not record.matched_by
    )


def sibling_key(key: str, mti: str) -> str:
    """The key that a message would have under another MTI: its third part (`network|card|MTI|...`)."""
    parts = key.split("|")
    return "|".join((*parts[:2], mti, *parts[3:]))


# ---- one search each


def _of_clearing(account: Account, record: r.Cleared, order: tuple[str, ...]) -> MatchReport:
    said, refund = record.particulars, record.kind == "refund"
    cards = _cards(account, record)
    amount_minor = record.amount_minor + (0 if refund else record.fee_minor)
    purchases = payments_of(account, cards, said.network, "", record.at_ms)
    refunds = payments_of(account, cards, said.network, "refund", record.at_ms) if refund else []
    ways: list[Way] = []
    if refund:
        prefix = "refunds, by "
        ways += [_payment_way(way, refunds, said, amount_minor, prefix, confirms=True) for way in order]
    presented = record.kind == "presentment"
    if not presented:
        order = tuple(way for way in order if way != "unique")
    ways += [_payment_way(way, purchases, said, amount_minor, confirms=presented) for way in order]
    report = _with_undone(_report("payments", ways, len(purchases) + len(refunds)), account, record.at_ms)
    by = "" if report.candidates else report.by
    agrees = (report.hold_id, by) == (record.hold_id, record.matched_by)
    near = near_payments(account, record, cards, amount_minor, report.hold_id)
    return replace(report, agrees=agrees, near=near)


def _of_completion(account: Account, record: r.Decided, order: tuple[str, ...]) -> MatchReport:
    said = record.particulars
    cards = _cards(account, record)
    kind = "refund" if said.processing_code.startswith("20") else ""
    payments = payments_of(account, cards, said.network, kind, record.at_ms)
    amount_minor = record.approved_minor or said.amount_minor
    ways = [_sibling_way(account, record, "0200")]
    ways += [_payment_way(way, payments, said, amount_minor) for way in order]
    report = _with_undone(_report("payments", ways, len(payments)), account, record.at_ms)
    near = near_payments(account, record, cards, amount_minor, report.hold_id)
    return replace(report, agrees=record.matched_by in {"", report.by}, near=near)


def _of_increment(account: Account, record: r.Decided) -> MatchReport:
    said, named = record.particulars, _named(record)
    cards = _cards(account, record)
    nothing = replace(said, network_id="", rrn="")
    ways = []
    for way, only, reference in (
        ("network_id", replace(nothing, network_id=said.network_id), NO_REFERENCE),
        ("reference", nothing, named),
        ("retrieval", replace(nothing, rrn=said.rrn), NO_REFERENCE),
    ):
        payment, _by = find_grown(account, cards, only, reference, record.at_ms)
        sought = tuple(
            pair for pair in _sought(way, said, named, 0) if pair[0] != "STAN" or way == "reference"
        )
        ways.append(Way(way, sought, (payment.hold_id,) if payment is not None else ()))
    report = _report("payments", ways, len(payments_of(account, cards, said.network, "", record.at_ms)))
    near = near_payments(account, record, cards, said.amount_minor, report.hold_id)
    return replace(report, agrees=record.matched_by in {"", report.by}, near=near)


def _of_reversal(account: Account, record: r.Reversed, order: tuple[str, ...]) -> MatchReport:
    cards = _cards(account, record)
    tried = [_message_way(way, account, cards, record) for way in order]
    found_key = next((key for way, key in tried if way.found), "")
    report = _report("messages", [way for way, _key in tried], _originals(account, cards, record))
    report = _with_undone(report, account, record.at_ms)
    agrees = (found_key, report.by if found_key else "") == (record.original_key, record.matched_by)
    near = near_messages(account, record, cards, _named(record), report.hold_id)
    return replace(report, agrees=agrees, near=near)


def _of_advice(account: Account, record: r.Decided, matching: tuple[str, ...]) -> MatchReport:
    said = record.particulars
    cards = _cards(account, record)
    ways = [_sibling_way(account, record, "0100")]
    order = sorted(matching, key=lambda way: way != "network_id")
    ways += [_message_way(way, account, cards, record)[0] for way in order]
    if said.mcc == FUEL_DISPENSER:
        for way, only in (
            ("approval_code", replace(said, rrn="")),
            ("retrieval", replace(said, approval_code="")),
        ):
            payment, _by = find_fuelled(account, cards, only, record.at_ms)
            sought = tuple(pair for pair in _sought(way, said, NO_REFERENCE, 0) if pair[0] != "STAN")
            ways.append(
                Way(f"fuel dispensers, by {way}", sought, (payment.hold_id,) if payment is not None else ())
            )
    report = _report("messages", ways, _originals(account, cards, record))
    report = _with_undone(report, account, record.at_ms)
    by = report.by.removeprefix("fuel dispensers, by ")
    near = near_messages(account, record, cards, _named(record), report.hold_id)
    return replace(report, by=by, agrees=record.matched_by in {"", by}, near=near)


def _report(among: str, ways: list[Way], remembered: int) -> MatchReport:
    """The first way that finds anything decides."""
    told: list[Way] = []
    decided: Way | None = None
    for way in ways:
        if decided is None and way.found:
            decided = way
            told.append(replace(way, decided=True))
        else:
            told.append(replace(way, tried=decided is None))
    if decided is None:
        return MatchReport(among, ways=tuple(told), remembered=remembered)
    by = decided.name.removeprefix("refunds, by ")
    if len(decided.found) > 1:
        return MatchReport(among, "", tuple(told), 0, by, decided.found, remembered=remembered)
    return MatchReport(among, "", tuple(told), decided.found[0], by, remembered=remembered)


def _with_undone(report: MatchReport, account: Account, now_ms: int) -> MatchReport:
    if not report.hold_id:
        return report
    payment = remembered(account, report.hold_id, now_ms)
    if payment is None:
        return replace(report, undone="forgotten")
    return replace(report, undone=payment.ended if payment.ended in GONE else "")


def _cards(account: Account, record: Message) -> frozenset[str]:
    return family(account, account.cards[record.card_id])


def _named(record: r.Decided | r.Reversed) -> OriginalReference:
    return OriginalReference(*record.named) if record.named else NO_REFERENCE


# ---- one way each


def _payment_way(
    way: str,
    payments: list[Payment],
    said: r.Particulars,
    amount_minor: int,
    prefix: str = "",
    *,
    confirms: bool = False,
) -> Way:
    found = find_payment(payments, said, amount_minor, (way,), confirms=confirms)
    return Way(prefix + way, _sought(way, said, NO_REFERENCE, amount_minor), found.candidates)


def _message_way(
    way: str, account: Account, cards: frozenset[str], record: r.Decided | r.Reversed
) -> tuple[Way, str]:
    """The way, and the key of what it found, "" where it found none or several."""
    said, named = record.particulars, _named(record)
    match = find_original(account, cards, said, named, (way,), record.at_ms)
    return Way(way, _sought(way, said, named, 0), match.candidates), match.key


def _sibling_way(account: Account, record: r.Decided, mti: str) -> Way:
    """The request that this advice stands for, had it come to us: same key, other MTI."""
    kept = kept_answer(account, sibling_key(record.key, mti), record.at_ms)
    known = remembered(account, kept.hold_id, record.at_ms) if kept is not None else None
    # Of a completion, only one that still stands: what was undone is looked for in the other ways too.
    stands = known is not None and (mti == "0100" or known.ended not in GONE)
    found = (known.hold_id,) if known is not None and stands else ()
    said = record.particulars
    return Way("key", (("MTI", mti), ("STAN", said.stan), ("sent at (DE7)", said.transmission)), found)


def _sought(way: str, said: r.Particulars, named: OriginalReference, amount_minor: int) -> Sought:
    """What a way looks for in this message; empty where the message lacks what the way cannot do without."""
    needs, parts = _SOUGHT[way](said, named, amount_minor)
    return tuple((name, value) for name, value in parts if value != "") if needs else ()


_SOUGHT: dict[str, Callable[[r.Particulars, OriginalReference, int], tuple[str, Sought]]] = {
    "network_id": lambda said, _named, _amount: (said.network_id, (("network id", said.network_id),)),
    "approval_code": lambda said, _named, _amount: (
        said.approval_code,
        (("approval code", said.approval_code), ("acquirer", said.acquirer)),
    ),
    "unique": lambda said, _named, amount: (
        said.merchant_id,
        (("amount", amount), ("merchant", said.merchant_id), ("date", said.transmission[:4])),
    ),
    "reference": lambda _said, named, _amount: (
        named.stan,
        (
            ("MTI", named.mti),
            ("STAN", named.stan),
            ("sent at (DE7)", named.transmission),
            ("acquirer", named.acquirer),
        ),
    ),
    "retrieval": lambda said, _named, _amount: (
        said.rrn,
        (("RRN", said.rrn), ("STAN", said.stan), ("acquirer", said.acquirer)),
    ),
}


def _originals(account: Account, cards: frozenset[str], record: Message) -> int:
    network = record.particulars.network
    return sum(
        kept.card_id in cards
        and kept.particulars.network == network
        and kept.particulars.mti in ORIGINAL_MTIS
        and kept.forget_ms > record.at_ms
        for kept in account.kept.values()
    )
