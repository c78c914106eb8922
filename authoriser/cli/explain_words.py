"""A journal record as a person would tell it: a title, and rows of a word and what it says.

Owns the words. Follows the payments of a story while it tells, so that a change is told as from and to. No key of a
duplicate and no token is ever looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from authoriser.cli.money import currencies, format_amount
from authoriser.explaining.reading import Read
from authoriser.ledger import records as r
from authoriser.ledger.payments import moves_of_old
from authoriser.texts import iso_time
from rules import Reason
from rules.reasons import operator_advice

Row = tuple[str, str]

MESSAGES = {
    "0100": "authorisation request",
    "0120": "stand-in advice",
    "0200": "single-message request",
    "0220": "completion, or forced posting",
    "0400": "reversal",
    "0420": "reversal advice",
}
TRANSACTIONS = {
    "00": "purchase",
    "01": "cash",
    "09": "purchase with cashback",
    "20": "refund",
    "30": "balance inquiry",
    "31": "balance inquiry",
}
"""DE3's first two digits, as they are decided here."""

WAYS = {
    "key": "its own request's key",
    "network_id": "the network's id",
    "reference": "DE90",
    "retrieval": "RRN, STAN and acquirer",
    "approval_code": "approval code and acquirer",
    "unique": "amount, merchant and date",
}
"""How a message finds its payment."""

_OUTCOMES = {
    "matched": "matched its payment",
    "forced": "forced: posted without a payment to release",
    "reconciled": "reconciled: a message had posted it, so it posts nothing",
    "ambiguous": "ambiguous: posted, and no hold released",
    "suspense": "in suspense: no card of ours, or another currency",
}


class PaymentSums(Struct):
    """What records have made of a payment so far, in minor units of `currency` (ISO 4217 digits)."""

    hold_id: int
    currency: str
    kind: str
    held_minor: int = 0
    authorised_minor: int = 0
    captured_minor: int = 0
    expires_ms: int = 0
    ended: str = ""


def money(amount_minor: int, currency: str) -> str:
    """12.34 EUR; minor units as they are where nobody knows the currency."""
    known = currencies().get(currency)
    if known is None:
        return f"{amount_minor} {currency}".strip()
    return format_amount(amount_minor, known.code, known.exponent)


def moment(at_ms: int) -> str:
    """2026-01-02 03:04:05.678, UTC."""
    return iso_time(at_ms)[:-1].replace("T", " ")


def reason_words(reason: Reason) -> str:
    return reason.value.replace("_", " ")


class Teller:
    """Tells the records of one story, in their order. `payments` is where each payment stands after the last one."""

    def __init__(self) -> None:
        self.payments: dict[int, PaymentSums] = {}

    def tell(self, read: Read) -> tuple[str, list[Row]]:
        """Title and rows of the next record."""
        record = read.record
        rows = list(self._own(record))
        rows += self._effects(record)
        return title(record), rows

    def _own(self, record: r.Record) -> Iterator[Row]:
        if isinstance(record, r.Decided):
            yield from _decided(record)
        elif isinstance(record, r.Reversed):
            yield from _reversed(record)
        elif isinstance(record, r.Cleared):
            yield from _cleared(record)
        elif isinstance(record, r.HoldVoided):
            yield (
                "answer",
                f"{reason_words(record.reason)}, for repeats from now on (DE39 {record.response_code})",
            )
        elif isinstance(record, r.ExceptionNoted):
            yield "about", record.detail
            if record.candidates:
                yield "fit", "payments " + ", ".join(map(str, record.candidates))
            yield "list", f"exception {record.exception_id}"
        if (audit := getattr(record, "audit", None)) is not None:
            yield "by", f"{audit.actor} (uid {audit.uid}): {audit.reason}"

    def _effects(self, record: r.Record) -> Iterator[Row]:
        if isinstance(record, r.Decided) and record.hold is not None:
            yield "payment", self._begun(record, record.hold)
        for moved in getattr(record, "moved", None) or moves_of_old(record):
            yield "payment", self._moved(moved)
        for entry in getattr(record, "entries", ()):
            yield "posted", _entry(entry)

    def _begun(self, record: r.Decided, hold: r.HoldPlaced) -> str:
        currency = record.particulars.currency
        sums = PaymentSums(
            hold.hold_id,
            currency,
            hold.kind,
            hold.amount_minor,
            record.approved_minor or hold.amount_minor,
            hold.captured_minor,
            hold.expires_ms,
            "captured" if hold.captured_minor else "",
        )
        self.payments[hold.hold_id] = sums
        if hold.captured_minor:
            return f"{hold.hold_id} begins, posted at once: {money(hold.captured_minor, currency)}"
        if hold.kind:
            return f"{hold.hold_id} begins, a refund that holds nothing: {money(sums.authorised_minor, currency)}"
        until = moment(hold.expires_ms)[:16]
        return f"{hold.hold_id} begins: {money(hold.amount_minor, currency)} held until {until}"

    def _moved(self, moved: r.Moved) -> str:
        sums = self.payments.setdefault(moved.hold_id, PaymentSums(moved.hold_id, "", ""))
        changes = []
        for word, before, change in (
            ("held", sums.held_minor, moved.held_minor),
            ("approved", sums.authorised_minor, moved.authorised_minor),
            ("captured", sums.captured_minor, moved.captured_minor),
        ):
            if change:
                now = money(before + change, sums.currency)
                changes.append(f"{word} {money(before, sums.currency).partition(' ')[0]} -> {now}")
        if moved.approval_code:
            changes.append(f"approval code {moved.approval_code} beside its first")
        if moved.expires_ms > sums.expires_ms:
            changes.append(f"until {moment(moved.expires_ms)[:16]}")
        if moved.returned_minor > 0:
            changes.append(f"{money(moved.returned_minor, sums.currency)} given back to the card's limits")
        sums.held_minor += moved.held_minor
        sums.authorised_minor += moved.authorised_minor
        sums.captured_minor += moved.captured_minor
        sums.expires_ms = moved.expires_ms or sums.expires_ms
        if moved.ended:
            sums.ended = moved.ended
            changes.append(f"ended {moved.ended}")
        return f"{moved.hold_id}: {', '.join(changes) or 'nothing changes'}"


def title(record: r.Record) -> str:
    """What a record is, in a line."""
    if isinstance(record, r.Decided | r.Reversed):
        mti = record.particulars.mti
        return f"{MESSAGES.get(mti, 'message')} ({mti})"
    if isinstance(record, r.Cleared):
        return f"clearing file: {record.kind}"
    if isinstance(record, r.ExceptionNoted):
        return f"for an operator: {record.kind.replace('_', ' ')}"
    if isinstance(record, r.ExceptionSettled):
        return f"an operator settled it: {record.resolution}"
    return _TITLES.get(type(record), type(record).__name__)


_TITLES: dict[type, str] = {
    r.HoldVoided: "no answer left in time: undone",
    r.HoldExpired: "the hold expired",
    r.AnswerUnknown: "answer unknown: the process ended",
    r.HoldReleased: "an operator released the hold",
    r.Adjusted: "an operator adjusted the balance",
}


def asked_words(record: r.Decided) -> str:
    """As "purchase of 25.00 EUR at SHOP, Berlin"."""
    said = record.particulars
    if record.facts is not None:
        transaction = record.facts.transaction.value
    else:
        transaction = TRANSACTIONS.get(said.processing_code[:2], f"processing code {said.processing_code}")
    place = ", ".join(filter(None, (said.merchant, said.city)))
    words = f"{transaction} of {money(said.amount_minor, said.currency)}"
    if said.transaction_currency:
        words += f" ({money(said.transaction_minor, said.transaction_currency)} at the shop)"
    return f"{words} at {place}" if place else words


def _decided(record: r.Decided) -> Iterator[Row]:
    said = record.particulars
    yield "asked", asked_words(record)
    yield "named", _named(said)
    answer = f"{reason_words(record.reason)}, DE39 {record.response_code}"
    if record.approval_code:
        answer += f", approval code {record.approval_code}"
    if record.replied_minor is not None:
        answer += f", for {money(record.replied_minor, said.currency)} of it"
    yield "answer", answer
    if record.reason not in _WELL:
        yield "advice", operator_advice(record.reason)
    for given in record.amounts:
        yield "told", f"{_AMOUNTS.get(given.kind, given.kind)} {money(given.amount_minor, given.currency)}"
    if record.matched_by:
        yield "found by", WAYS.get(record.matched_by, record.matched_by)


_WELL = frozenset(
    {
        Reason.APPROVED,
        Reason.APPROVED_PARTIALLY,
        Reason.VERIFIED,
        Reason.BALANCE_GIVEN,
        Reason.ADVICE_ACCEPTED,
    }
)
"""Answers that leave an operator nothing to do."""

_AMOUNTS = {"01": "balance", "02": "available", "57": "of an original"}


def _reversed(record: r.Reversed) -> Iterator[Row]:
    yield "named", _named(record.particulars)
    if record.named:
        yield "DE90", original_words(record.named)
    yield "answer", f"{reason_words(record.reason)}, DE39 {record.response_code}"
    if record.matched_by:
        yield "found by", WAYS.get(record.matched_by, record.matched_by)
    if record.tombstone is not None:
        until = moment(record.tombstone.forget_ms)[:16]
        yield "waits", f"until {until} its original, should it still come, is declined"


def original_words(named: tuple[str, ...]) -> str:
    """DE90's parts, those that are filled."""
    words = zip(("MTI", "STAN", "sent", "acquirer"), named, strict=True)
    return ", ".join(f"{name} {value}" for name, value in words if value)


def _cleared(record: r.Cleared) -> Iterator[Row]:
    said = record.particulars
    amount = money(record.amount_minor, said.currency)
    if record.fee_minor:
        amount += f", and a fee of {money(record.fee_minor, said.currency)}"
    place = ", ".join(filter(None, (said.merchant, said.city)))
    yield "says", f"{record.kind} of {amount}" + (f" at {place}" if place else "")
    yield "named", _named(said)
    outcome = _OUTCOMES.get(record.outcome, record.outcome)
    if record.difference_minor:
        sign = "more" if record.difference_minor > 0 else "less"
        outcome += f"; {money(abs(record.difference_minor), said.currency)} {sign} than was open of it"
    yield "outcome", outcome
    if record.matched_by:
        yield "found by", WAYS.get(record.matched_by, record.matched_by)


def _named(said: r.Particulars) -> str:
    """The names by which a message can be found again."""
    parts = (
        ("RRN", said.rrn.strip()),
        ("STAN", said.stan),
        ("acquirer", said.acquirer),
        ("sent", said.transmission),
        ("network id", said.network_id),
        ("reference", said.reference),
        ("approval code", said.approval_code),
        ("merchant", said.merchant_id),
        ("MCC", said.mcc),
        ("link", said.link),
    )
    return ", ".join(f"{name} {value}" for name, value in parts if value)


def _entry(entry: r.Entry) -> str:
    currency = entry.book.rpartition(":")[2]
    whose = entry.other or "the account"
    return f"{entry.kind}: {money(entry.amount_minor, currency)} to {whose}, against {entry.book}"
