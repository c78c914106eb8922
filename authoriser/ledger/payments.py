"""What records do to payments and to their cards' counters: the part of `apply` that is about one payment.

Owns every change of a `Payment`. Amounts in records are differences, so each is checked here against what is there: a
journal that contradicts itself must not be followed.
"""

from authoriser.ledger import records as r
from authoriser.ledger.state import Account, Card, Part, Payment
from rules import NO_USAGE, Counted, Spend
from rules import usage as limits_used

POSTING = frozenset({"0200", "0220"})
"""First messages of payments that they posted themselves."""
COUNTS, BEGINS_AGAIN = 1, 2
"""What an approval does to the contactless counters (`Counted.contactless`)."""


def place(account: Account, record: r.Decided, placed: r.HoldPlaced) -> Payment:
    """A payment begins: with a hold, or captured at once."""
    said = record.particulars
    codes = tuple(code for code in (record.approval_code, said.approval_code) if code)
    authorised_minor = record.approved_minor or placed.amount_minor
    payment = Payment(
        hold_id=placed.hold_id,
        card_id=record.card_id,
        key=record.key,
        held_minor=placed.amount_minor,
        authorised_minor=authorised_minor,
        captured_minor=placed.captured_minor,
        placed_ms=record.at_ms,
        expires_ms=placed.expires_ms,
        forget_ms=placed.forget_ms or record.forget_ms,
        approval_codes=codes,
        particulars=said,
        kind=placed.kind,
        online_minor=placed.captured_minor,
        fee_minor=placed.fee_minor,
        transaction_minor=said.transaction_minor,
        # What posts at once has nothing to come, even where it posts nothing: a rebate may be all of it.
        ended="captured" if placed.captured_minor or said.mti in POSTING else "",
        counted=record.counted,
    )
    account.payments[placed.hold_id] = payment
    account.held_minor += placed.amount_minor
    account.next_forget_ms = min(account.next_forget_ms, payment.forget_ms)
    return payment


def move(account: Account, moved: r.Moved) -> None:
    """Change a payment as a record says. Raises AssertionError or KeyError where the record contradicts it."""
    payment = account.payments[moved.hold_id]
    payment.held_minor += moved.held_minor
    account.held_minor += moved.held_minor
    payment.authorised_minor += moved.authorised_minor
    payment.captured_minor += moved.captured_minor
    payment.online_minor += moved.online_minor
    payment.transaction_minor += moved.transaction_minor
    payment.fee_minor += moved.fee_minor
    amounts = (payment.held_minor, payment.authorised_minor, payment.captured_minor, payment.online_minor)
    assert min(amounts) >= 0, "no amount of a payment is below zero"
    if moved.expires_ms:
        payment.expires_ms = moved.expires_ms
    if moved.forget_ms:
        payment.forget_ms = moved.forget_ms
    if moved.approval_code:
        payment.approval_codes = (*payment.approval_codes, moved.approval_code)
    if moved.ended:
        payment.ended = moved.ended
    if moved.returned_minor or moved.returned_times:
        _give_back(account, payment, moved)


def speak(account: Account, hold_id: int, number: int) -> None:
    """The network has spoken of the payment in record `number`: no void undoes what was approved before."""
    payment = account.payments.get(hold_id)
    if payment is not None:
        payment.spoken_no = number


def keep_first_answer(account: Account, hold_id: int, forget_ms: int) -> None:
    """A payment that lives longer must still be found by its first message's key."""
    kept = account.kept.get(account.payments[hold_id].key)
    if kept is not None:
        kept.forget_ms = max(kept.forget_ms, forget_ms)


# ---- limits


def count(account: Account, record: r.Decided, counted: Counted, number: int, approved_minor: int) -> None:
    """An approval, as record `number`, counts for its card. One that adds to a payment is no second payment."""
    card = account.cards[record.card_id]
    times = 1
    if record.hold is None:
        times = 0
        payment = account.payments[record.moved[0].hold_id]
        payment.parts = (*payment.parts, Part(number, record.card_id, counted, approved_minor))
    _use(card, counted, approved_minor, times)
    spend = Spend(record.at_ms, number, approved_minor, counted.classes)
    if card.recent is None:
        card.recent = []
    limits_used.remember(card.recent, spend)
    if counted.contactless == COUNTS:
        card.contactless_count += times
        card.contactless_minor += approved_minor
    elif counted.contactless == BEGINS_AGAIN:
        card.contactless_count = card.contactless_minor = 0
        card.contactless_from_no = number


def _use(card: Card, counted: Counted, amount_minor: int, times: int) -> None:
    card.spent = limits_used.grown(card.spent or NO_USAGE, counted.local_day, amount_minor, times)
    if counted.classes:
        if card.usage is None:
            card.usage = {}
        limits_used.count(card.usage, counted, amount_minor, times)


def _give_back(account: Account, payment: Payment, moved: r.Moved) -> None:
    """Undo what a payment counted for, part by part. With an amount below zero, count more of it: a stand-in approved
    more.
    """
    rest_minor = moved.returned_minor
    for returned in moved.returned:
        part = next(part for part in payment.parts if part.number == returned.number)
        _uncount(account, part.card_id, part.counted, part.number, returned.amount_minor, 0)
        left = Part(part.number, part.card_id, part.counted, part.amount_minor - returned.amount_minor)
        assert left.amount_minor >= 0, "no part of a payment gives back more than it counted"
        payment.parts = tuple([left if other is part else other for other in payment.parts])
        rest_minor -= returned.amount_minor
    counted = moved.counted or payment.counted
    if counted is not None and (rest_minor or moved.returned_times):
        _uncount(account, payment.card_id, counted, payment.hold_id, rest_minor, moved.returned_times)


def _uncount(
    account: Account, card_id: str, counted: Counted, number: int, amount_minor: int, times: int
) -> None:
    """Take what record `number` counted from its card, and from those that went on from that card's counters."""
    for card in _counting(account, account.cards[card_id], number):
        if card.recent is None:
            continue
        _use(card, counted, -amount_minor, -times)
        limits_used.forget(card.recent, number, amount_minor)
        if counted.contactless == COUNTS and number > card.contactless_from_no:
            card.contactless_count = max(0, card.contactless_count - times)
            card.contactless_minor = max(0, card.contactless_minor - amount_minor)


def _counting(account: Account, card: Card, number: int) -> list[Card]:
    """A card, and its successors if it was replaced after record `number`: each began with what the one before had."""
    if card.replaced_no <= number:
        return [card]
    name, ids = card.family or card.card_id, list(account.cards)  # in the order in which they were issued
    later = (account.cards[card_id] for card_id in ids[ids.index(card.card_id) + 1 :])
    return [card, *(other for other in later if other.family == name)]


# ---- journals of version 0.1


def moves_of_old(record: r.Record) -> tuple[r.Moved, ...]:
    """The moves of a record that was written before records had any: they said only what was released."""
    if isinstance(record, r.Reversed) and record.hold_id and record.released_minor:
        over = not record.remaining_minor
        return (
            r.Moved(
                record.hold_id,
                held_minor=-record.released_minor,
                authorised_minor=-record.released_minor,
                ended="reversed" if over else "",
            ),
        )
    if isinstance(record, r.HoldVoided | r.HoldExpired) and record.released_minor:
        voided = isinstance(record, r.HoldVoided)
        return (
            r.Moved(
                record.hold_id,
                held_minor=-record.released_minor,
                authorised_minor=-record.released_minor if voided else 0,
                ended="voided" if voided else "expired",
            ),
        )
    return ()
