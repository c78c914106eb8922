"""Reversals: 0400 and 0420, always acknowledged. What is still open of their original is given back.

Owns how much that is. A full reversal of a payment's first message gives back everything that is held and everything
that a message posted; one of an increment, or of a completion, what that message brought. DE95 is the payment's new
total and never enlarges it. What a clearing file captured is not reversed: a refund in the next file is.
"""

from msgspec import Struct

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.common import (
    exception,
    family,
    find_card,
    has_room,
    kept_reply,
    on_the_hour,
    parts_named,
    postings,
    refused,
    returned_parts,
    settlement_book,
)
from authoriser.ledger.matching import GONE, Match, find_original, kept_answer, remembered, tombstone_for
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.payments import POSTING
from authoriser.ledger.state import Account, Card, KeptAnswer, Payment, ShardState
from rules import Reason


class Given(Struct, frozen=True):
    """What a reversal that found its original gives back."""

    match: Match
    payment: Payment | None = None
    moved: r.Moved | None = None
    entries: tuple[r.Entry, ...] = ()


def reverse(state: ShardState, command: c.ReversalRequest, now_ms: int, policy: c.Policy) -> Outcome:
    """Decide an 0400 or 0420. Refused (and so met with silence) only where twice the bound of answers is kept."""
    account, card, kept = find_card(state, command.token, command.key)
    if kept is not None:
        return kept_reply(kept, command.key, account.account_id if account is not None else "")
    if not has_room(state, account, policy, now_ms, 2):
        return refused(policy)
    if account is None or card is None:
        noted = _noted(command, now_ms, "reversal_for_unknown_card", "no card of ours has this number")
        return _answer(command, now_ms, policy, None, None, noted=noted)
    cards = family(account, card)
    match = find_original(account, cards, command.particulars, command.original, policy.matching, now_ms)
    if match.kept is not None:
        return _undo(command, now_ms, policy, account, card, match, match.kept)
    if match.candidates:
        detail = f"{len(match.candidates)} originals fit by {match.by}; none was released"
        noted = _noted(
            command, now_ms, "reversal_ambiguous", detail, account.account_id, _payments(match.candidates)
        )
        return _answer(command, now_ms, policy, account, card, noted=noted)
    tombstone = tombstone_for(command, card.card_id, now_ms + policy.tombstone_lifetime_ms)
    return _answer(command, now_ms, policy, account, card, tombstone=tombstone)


def _payments(candidates: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({number for number in candidates if number}))


def _undo(
    command: c.ReversalRequest,
    now_ms: int,
    policy: c.Policy,
    account: Account,
    card: Card,
    match: Match,
    kept: KeptAnswer,
) -> Outcome:
    payment = remembered(account, kept.hold_id, now_ms)
    if payment is None or (payment.ended in GONE and not payment.online_minor):
        noted = None
        if not kept.hold_id and kept.approved_minor and kept.particulars.mti == "0220":
            detail = "it had posted to suspense; what came of that since is to be seen there"
            noted = _noted(command, now_ms, "reversal_of_suspended", detail, account.account_id)
        return _answer(command, now_ms, policy, account, card, given=Given(match), noted=noted)
    first = kept_answer(account, payment.key, now_ms)
    moved, entries = undone(payment, match.key, kept, first, command.new_total_minor, now_ms)
    noted = None
    total_minor = _in_our_currency(payment, command.new_total_minor or 0)
    if total_minor < payment.captured_minor and not (moved.held_minor or moved.captured_minor):
        detail = "it is captured; what is posted stays until a refund comes"
        noted = _noted(
            command, now_ms, "reversal_after_capture", detail, account.account_id, (payment.hold_id,)
        )
    given = Given(match, payment, moved, entries)
    return _answer(command, now_ms, policy, account, card, given=given, noted=noted)


class _Posted(Struct, frozen=True):
    """What a message has posted and nobody has given back, the fee with it (of a refund beside it)."""

    minor: int
    fee_minor: int
    refund: bool

    def fee_in(self, unposted_minor: int) -> int:
        """How much fee is in what is unposted: the shop's own amount comes back first."""
        if unposted_minor == self.minor:
            return self.fee_minor
        return 0 if self.refund else max(0, unposted_minor - self.minor + self.fee_minor)


def undone(
    payment: Payment,
    key: str,
    kept: KeptAnswer | None,
    first: KeptAnswer | None,
    new_total_minor: int | None,
    now_ms: int,
) -> tuple[r.Moved, tuple[r.Entry, ...]]:
    """What a reversal gives back of a payment, as a move and its postings. `key` and `kept` are its original's.

    `first` is the answer to the payment's first message, `new_total_minor` DE95, in the shop's currency. Without `kept`
    the whole payment is meant.
    """
    of_completion = kept is not None and kept.particulars.mti == "0220" and key != payment.key
    # What a completion posted is captured: only its own reversal unposts it. A single message posted all by itself.
    posting = kept if of_completion else first
    refund = payment.kind == "refund"
    posted = _Posted(payment.online_minor, payment.fee_minor, refund)
    if posting is not None:
        posted = _Posted(posting.approved_minor, posting.fee_minor, refund)
    unpostable_minor = 0
    if of_completion or payment.particulars.mti in POSTING:
        unpostable_minor = min(payment.online_minor, posted.minor)
    if new_total_minor:
        return _reduced(payment, _in_our_currency(payment, new_total_minor), unpostable_minor, posted, now_ms)
    if kept is not None and of_completion:
        left_minor = None if unpostable_minor else payment.authorised_minor
        fee_minor = posted.fee_in(unpostable_minor)
        return _given_back(payment, 0, unpostable_minor, now_ms, left_minor=left_minor, fee_minor=fee_minor)
    if kept is not None and kept.part_of:
        released = min(kept.approved_minor, payment.held_minor)
        left_minor = max(payment.captured_minor, payment.authorised_minor - kept.approved_minor)
        return _given_back(payment, released, 0, now_ms, left_minor=left_minor, part_no=kept.number)
    fee_minor = posted.fee_in(unpostable_minor)
    return _given_back(payment, payment.held_minor, unpostable_minor, now_ms, whole=True, fee_minor=fee_minor)


def _in_our_currency(payment: Payment, new_total_minor: int) -> int:
    """A total in the shop's currency at the payment's own rate, rounded up: a hold is rather too large than too
    small.
    """
    if not payment.transaction_minor:
        return new_total_minor
    return -(-payment.authorised_minor * new_total_minor // payment.transaction_minor)


def _reduced(
    payment: Payment, total_minor: int, unpostable_minor: int, posted: _Posted, now_ms: int
) -> tuple[r.Moved, tuple[r.Entry, ...]]:
    """To a new total, which never enlarges: of what messages posted, then of what is held beyond what is captured."""
    total_minor = min(total_minor, max(payment.authorised_minor, payment.captured_minor))
    unposted = min(unpostable_minor, max(0, payment.captured_minor - total_minor))
    held_minor = min(payment.held_minor, max(0, total_minor - (payment.captured_minor - unposted)))
    left_minor = max(total_minor, payment.captured_minor - unposted)
    released_minor, fee_minor = payment.held_minor - held_minor, posted.fee_in(unposted)
    return _given_back(payment, released_minor, unposted, now_ms, left_minor=left_minor, fee_minor=fee_minor)


def _given_back(
    payment: Payment,
    released_minor: int,
    unposted_minor: int,
    now_ms: int,
    *,
    whole: bool = False,
    left_minor: int | None = None,
    fee_minor: int = 0,
    part_no: int = 0,
) -> tuple[r.Moved, tuple[r.Entry, ...]]:
    """`whole`: nothing more is expected of the payment, whatever of it is captured. `left_minor` is what stays
    approved, None for what is still held and captured. `fee_minor` of what is unposted was a fee; of all of it, all
    fees are. `part_no` is the record of the message that is reversed where that is not the payment's first, else 0.
    """
    held_minor = payment.held_minor - released_minor
    captured_minor = payment.captured_minor - unposted_minor
    over = not held_minor and not captured_minor and (whole or released_minor or unposted_minor)
    if left_minor is None:
        left_minor = captured_minor + held_minor
    authorised_minor = min(0, left_minor - payment.authorised_minor)
    if over:
        fee_minor = payment.fee_minor
    currency = said_currency(payment)
    entries: tuple[r.Entry, ...] = ()
    if unposted_minor:
        sign = -1 if payment.kind == "refund" else 1
        back_minor = unposted_minor if payment.kind == "refund" else unposted_minor - fee_minor
        book = settlement_book(payment.particulars.network, now_ms, currency)
        entries = postings("reversal", sign * back_minor, fee_minor, book, currency)
    ended = payment.ended
    if over:
        ended = "reversed"
    elif not held_minor and captured_minor and not payment.ended and (whole or released_minor):
        ended = "captured"
    moved = r.Moved(
        payment.hold_id,
        held_minor=-released_minor,
        authorised_minor=authorised_minor,
        captured_minor=-unposted_minor,
        online_minor=-unposted_minor,
        transaction_minor=_transaction_minor(payment, authorised_minor),
        ended=ended if ended != payment.ended else "",
        returned_minor=-authorised_minor,
        returned_times=1 if over else 0,
        fee_minor=-fee_minor if unposted_minor else 0,
        returned=returned_parts(payment, -authorised_minor, 0 if over else part_no),
    )
    return moved, entries


def said_currency(payment: Payment) -> str:
    """The account's currency, in which every amount of a payment is."""
    return payment.particulars.currency


def _transaction_minor(payment: Payment, authorised_minor: int) -> int:
    """The same share of the total in the shop's currency, so that a later DE95 meets the same rate."""
    if not payment.transaction_minor or not payment.authorised_minor:
        return 0
    left = payment.authorised_minor + authorised_minor
    return payment.transaction_minor * left // payment.authorised_minor - payment.transaction_minor


def _answer(
    command: c.ReversalRequest,
    now_ms: int,
    policy: c.Policy,
    account: Account | None,
    card: Card | None,
    *,
    given: Given | None = None,
    tombstone: r.Tombstone | None = None,
    noted: r.ExceptionNoted | None = None,
) -> Outcome:
    reason = Reason.NO_ORIGINAL if given is None else Reason.REVERSAL_DONE
    match = given.match if given is not None else Match()
    payment, moved = (given.payment, given.moved) if given is not None else (None, None)
    response_code = policy.response_codes[reason]
    record = r.Reversed(
        at_ms=now_ms,
        account_id=account.account_id if account is not None else "",
        card_id=card.card_id if card is not None else "",
        last_four=command.last_four,
        key=command.key,
        particulars=command.particulars,
        reason=reason,
        response_code=response_code,
        original_key=match.key,
        hold_id=payment.hold_id if payment is not None else 0,
        released_minor=-moved.held_minor if moved is not None else 0,
        remaining_minor=payment.held_minor + moved.held_minor
        if payment is not None and moved is not None
        else 0,
        tombstone=tombstone,
        forget_ms=on_the_hour(now_ms + policy.reversal_key_lifetime_ms),
        moved=(moved,) if moved is not None else (),
        entries=given.entries if given is not None else (),
        matched_by=match.by,
        named=parts_named(command.original),
    )
    return Outcome(
        records=(record,) if noted is None else (record, noted),
        reply=c.Reply(reason, response_code),
        account_id=record.account_id,
        key=command.key,
    )


def _noted(
    command: c.ReversalRequest,
    now_ms: int,
    kind: str,
    detail: str,
    account_id: str = "",
    candidates: tuple[int, ...] = (),
) -> r.ExceptionNoted:
    return exception(
        command.particulars,
        command.key,
        command.last_four,
        now_ms,
        kind,
        detail,
        account_id=account_id,
        candidates=candidates,
        new_total_minor=command.new_total_minor,
    )
