"""Advices: 0120 tells what a stand-in decided for us, 0220 completes a payment or posts one that nobody asked about.

Facts: answered 00 once durable, whatever the card's state and the funds. Only an approving DE39 holds or posts. A
stand-in's answer supersedes our own; a completion captures its payment's hold, or posts by itself.
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
    local_day,
    on_the_hour,
    parts_named,
    postings,
    refused,
    returned_parts,
    settlement_book,
)
from authoriser.ledger.matching import (
    GONE,
    buried,
    cleared_before,
    find_fuelled,
    find_original,
    find_payment,
    kept_answer,
    payments_of,
    remembered,
)
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.requests import fee_of
from authoriser.ledger.state import Account, Card, Payment, ShardState
from rules import Counted, Reason, Transaction

UNPAID = frozenset({Transaction.VERIFICATION, Transaction.INQUIRY})
"""Of these an authorisation advice holds nothing."""


class Effect(Struct, frozen=True):
    """What an advice does, beside being answered."""

    hold: r.HoldPlaced | None = None
    moved: r.Moved | None = None
    entries: tuple[r.Entry, ...] = ()
    approved_minor: int = 0
    matched_by: str = ""
    counted: Counted | None = None
    noted: r.ExceptionNoted | None = None
    part_of: str = ""


NOTHING = Effect()


def advise(state: ShardState, command: c.Advice, now_ms: int, policy: c.Policy) -> Outcome:
    """Decide an 0120 or 0220. Refused (and so met with silence) only where twice the bound of answers is kept."""
    account, card, kept = find_card(state, command.token, command.key)
    if kept is not None:
        return kept_reply(kept, command.key, account.account_id if account is not None else "")
    if not has_room(state, account, policy, now_ms, 2):
        return refused(policy)
    effect = _effect(state, command, now_ms, policy, account, card)
    hold_id = 0
    if effect.hold is not None:
        hold_id = effect.hold.hold_id
    elif effect.moved is not None:
        hold_id = effect.moved.hold_id
    reason = Reason.ADVICE_ACCEPTED
    response_code = policy.response_codes[reason]
    record = r.Decided(
        at_ms=now_ms,
        account_id=account.account_id if account is not None else "",
        card_id=card.card_id if card is not None else "",
        last_four=command.last_four,
        key=command.key,
        particulars=command.particulars,
        reason=reason,
        response_code=response_code,
        approval_code="",
        hold=effect.hold,
        forget_ms=_forget_ms(effect, hold_id, account, now_ms, policy),
        approved_minor=effect.approved_minor,
        moved=(effect.moved,) if effect.moved is not None else (),
        entries=effect.entries,
        counted=effect.counted,
        matched_by=effect.matched_by,
        sibling=command.sibling_key,
        named=parts_named(command.original),
        part_of=effect.part_of,
    )
    return Outcome(
        records=(record,) if effect.noted is None else (record, effect.noted),
        reply=c.Reply(reason, response_code),
        account_id=record.account_id,
        key=command.key,
    )


def _forget_ms(effect: Effect, hold_id: int, account: Account | None, now_ms: int, policy: c.Policy) -> int:
    """An advice's key lives as long as its hold and the store-and-forward horizon: a reversal may name it."""
    least_ms = now_ms + policy.reversal_key_lifetime_ms
    horizon_ms = policy.reversal_key_lifetime_ms - policy.hold_lifetime_ms
    if effect.hold is not None:
        return on_the_hour(max(least_ms, effect.hold.expires_ms + horizon_ms))
    if effect.moved is not None and account is not None:
        expires_ms = effect.moved.expires_ms or account.payments[hold_id].expires_ms
        return on_the_hour(max(least_ms, expires_ms + horizon_ms))
    return on_the_hour(least_ms)


def _effect(
    state: ShardState,
    command: c.Advice,
    now_ms: int,
    policy: c.Policy,
    account: Account | None,
    card: Card | None,
) -> Effect:
    completes = command.particulars.mti == "0220"
    if account is None or card is None:
        return _of_nobody(command, now_ms, completes=completes)
    if not command.approving:
        return NOTHING if completes else _declined_elsewhere(command, now_ms, policy, account, card)
    if command.particulars.currency != account.currency:
        return _in_another_currency(command, now_ms, account, completes=completes)
    if command.transaction is Transaction.UNSUPPORTED:
        detail = f"processing code {command.particulars.processing_code}: nobody can say who gains; nothing was moved"
        return Effect(noted=_noted(command, now_ms, "advice_unsupported", detail, account))
    if account.tombstones and buried(account, family(account, card), command.particulars, now_ms):
        return NOTHING
    if completes:
        return _completion(state, command, now_ms, policy, account, card)
    return _approved_elsewhere(state, command, now_ms, policy, account, card)


# ---- 0120: a stand-in's decision


class Own(Struct, frozen=True):
    """Our payment that a stand-in speaks of. `part_minor` is what the message meant brought to it, None for all of it;
    `part_no` is that message's record, `part_of` its key where it is an increment.
    """

    payment: Payment | None = None
    matched_by: str = ""
    part_minor: int | None = None
    part_no: int = 0
    part_of: str = ""


def _declined_elsewhere(
    command: c.Advice, now_ms: int, policy: c.Policy, account: Account, card: Card
) -> Effect:
    """What we approved and a stand-in declined: nobody will capture it, so its hold goes.

    A payment that another stand-in has approved is not ours to let go of.
    """
    own = _own_payment(command, now_ms, policy, account, card)
    if own.payment is None:
        own = Own(*find_fuelled(account, family(account, card), command.particulars, now_ms))
    payment = own.payment
    if payment is None or payment.ended or not payment.held_minor or own.part_minor == 0:
        return NOTHING
    if payment.particulars.mti != "0100":
        return NOTHING
    released_minor = payment.held_minor
    left_minor = payment.captured_minor
    if own.part_minor is not None:
        released_minor = min(own.part_minor, payment.held_minor)
        left_minor = max(left_minor, payment.authorised_minor - own.part_minor)
    change_minor = min(0, left_minor - payment.authorised_minor)
    ended = ""
    if released_minor == payment.held_minor:
        ended = "captured" if payment.captured_minor else "superseded"
    moved = r.Moved(
        payment.hold_id,
        held_minor=-released_minor,
        authorised_minor=change_minor,
        ended=ended,
        returned_minor=-change_minor,
        returned_times=1 if ended == "superseded" else 0,
        returned=returned_parts(payment, -change_minor, own.part_no),
    )
    return Effect(moved=moved, matched_by=own.matched_by, part_of=own.part_of)


def _own_payment(command: c.Advice, now_ms: int, policy: c.Policy, account: Account, card: Card) -> Own:
    """Our payment that the stand-in speaks of: by the request's own key, then as a reversal finds its original."""
    key, kept, by = command.sibling_key, kept_answer(account, command.sibling_key, now_ms), "key"
    # Our own answer to the very request decides even where it began nothing: what we declined is a payment of its own.
    if kept is None:
        order = tuple(sorted(policy.matching, key=lambda way: way != "network_id"))
        match = find_original(
            account, family(account, card), command.particulars, command.original, order, now_ms
        )
        key, kept, by = match.key, match.kept, match.by
    if kept is None or not kept.hold_id:
        return Own()
    payment = remembered(account, kept.hold_id, now_ms)
    if payment is None:
        return Own()
    if command.increment and by != "key":
        # An increment that never came to us counts as the first message did.
        return Own(payment, by, 0, payment.hold_id, command.key)
    if kept.part_of:
        return Own(payment, by, kept.approved_minor, kept.number, key)
    grown_minor = _grown_minor(account, payment, now_ms)
    if by == "network_id" or not grown_minor:
        return Own(payment, by)
    return Own(payment, by, max(0, payment.authorised_minor - grown_minor), payment.hold_id)


def _grown_minor(account: Account, payment: Payment, now_ms: int) -> int:
    """What increments brought to a payment: nothing that is said of its first message is about them."""
    return sum(
        kept.approved_minor
        for key, kept in account.kept.items()
        if kept.hold_id == payment.hold_id and kept.part_of == key and kept.forget_ms > now_ms
    )


def _approved_elsewhere(
    state: ShardState, command: c.Advice, now_ms: int, policy: c.Policy, account: Account, card: Card
) -> Effect:
    said = command.particulars
    if command.transaction in UNPAID:
        return NOTHING
    rules = state.rules
    expires_ms = now_ms + (command.hold_lifetime_ms or rules.hold_lifetime_ms(said.mcc))
    remembered_ms = on_the_hour(expires_ms + policy.payment_lifetime_ms)
    number = state.record_no + 1
    if command.transaction is Transaction.REFUND:
        own = _own_payment(command, now_ms, policy, account, card)
        payment = own.payment
        if payment is not None and payment.kind and _stands(own, command, now_ms, policy, account, card):
            moved = _superseded_refund(payment, said, expires_ms, remembered_ms)
            return Effect(moved=moved, approved_minor=said.amount_minor, matched_by=own.matched_by)
        placed = r.HoldPlaced(number, 0, expires_ms, 0, "refund", 0, remembered_ms)
        return Effect(hold=placed, approved_minor=said.amount_minor)
    amount_minor = said.amount_minor + fee_of(said, command.fee_minor)
    own = _own_payment(command, now_ms, policy, account, card)
    if own.payment is None:
        own = Own(*find_fuelled(account, family(account, card), said, now_ms))
    payment = own.payment
    if payment is not None and not payment.kind and _stands(own, command, now_ms, policy, account, card):
        total_minor = amount_minor
        if own.part_minor is not None:
            total_minor += payment.authorised_minor - own.part_minor
        moved = _superseded(payment, own.part_no, command, total_minor, expires_ms, remembered_ms)
        return Effect(
            moved=moved, approved_minor=amount_minor, matched_by=own.matched_by, part_of=own.part_of
        )
    placed = r.HoldPlaced(number, amount_minor, expires_ms, 0, "", 0, remembered_ms)
    # No PIN is told of: a tap counts, and nothing begins the taps again.
    sort = rules.sort(command.transaction, said.mcc, command.entry)
    counted = Counted(local_day(now_ms, account.time_zone), sort.classes, sort.effect)
    return Effect(hold=placed, approved_minor=amount_minor, counted=counted)


def _stands(own: Own, command: c.Advice, now_ms: int, policy: c.Policy, account: Account, card: Card) -> bool:
    """Whether a payment is what an approving advice means. A captured one is only where its very request is named: by
    the network's id alone, one more is approved under it.
    """
    payment = own.payment
    if payment is None or payment.ended not in {"", "captured"}:
        return False
    if not payment.ended or own.matched_by != "network_id":
        return True
    order = tuple(way for way in policy.matching if way != "network_id")
    match = find_original(
        account, family(account, card), command.particulars, command.original, order, now_ms
    )
    return match.kept is not None and match.kept.hold_id == payment.hold_id


def _superseded(
    payment: Payment, part_no: int, command: c.Advice, total_minor: int, expires_ms: int, remembered_ms: int
) -> r.Moved:
    """One hold, with what the advice makes of it, and its DE38. What is captured already is not held once more."""
    held_minor = 0 if payment.ended else max(0, total_minor - payment.captured_minor)
    authorised_minor = max(total_minor, payment.captured_minor)
    change_minor = authorised_minor - payment.authorised_minor
    code = command.particulars.approval_code
    return r.Moved(
        payment.hold_id,
        held_minor=held_minor - payment.held_minor,
        authorised_minor=change_minor,
        transaction_minor=_in_the_shops(payment, command.particulars, change_minor),
        expires_ms=max(payment.expires_ms, expires_ms),
        approval_code=code if code and code not in payment.approval_codes else "",
        returned_minor=-change_minor,
        forget_ms=max(payment.forget_ms, remembered_ms),
        returned=returned_parts(payment, -change_minor, part_no),
    )


def _superseded_refund(payment: Payment, said: r.Particulars, expires_ms: int, remembered_ms: int) -> r.Moved:
    """One refund, with what the advice makes of it, and its DE38. It holds nothing, and no limit knows of it."""
    change_minor = max(said.amount_minor, payment.captured_minor) - payment.authorised_minor
    code = said.approval_code
    return r.Moved(
        payment.hold_id,
        authorised_minor=change_minor,
        transaction_minor=_in_the_shops(payment, said, change_minor),
        expires_ms=max(payment.expires_ms, expires_ms),
        approval_code=code if code and code not in payment.approval_codes else "",
        forget_ms=max(payment.forget_ms, remembered_ms),
    )


def _in_the_shops(payment: Payment, said: r.Particulars, change_minor: int) -> int:
    """What changes in the shop's currency: as the advice says it, or at the payment's own rate."""
    if not payment.transaction_minor or not payment.authorised_minor:
        return 0
    if said.transaction_minor and payment.authorised_minor + change_minor == said.amount_minor:
        return said.transaction_minor - payment.transaction_minor
    left_minor = payment.authorised_minor + change_minor
    return payment.transaction_minor * left_minor // payment.authorised_minor - payment.transaction_minor


# ---- 0220: a completion, or a posting that nobody asked about


def _completion(
    state: ShardState, command: c.Advice, now_ms: int, policy: c.Policy, account: Account, card: Card
) -> Effect:
    said = command.particulars
    refund = command.transaction is Transaction.REFUND
    fee_minor = fee_of(said, command.fee_minor)
    total_minor = said.amount_minor if refund else said.amount_minor + fee_minor
    sibling = kept_answer(account, command.sibling_key, now_ms)
    if sibling is not None and sibling.hold_id:
        payment = remembered(account, sibling.hold_id, now_ms)
        if payment is not None and payment.ended not in GONE:  # our own 0200 has posted it
            return Effect(moved=r.Moved(payment.hold_id), matched_by="key")
    payments = payments_of(account, family(account, card), said.network, "refund" if refund else "", now_ms)
    found = find_payment(payments, said, total_minor, policy.clearing_matching)
    entries = _postings(said, fee_minor, now_ms, refund=refund)
    if found.payment is not None and found.payment.ended not in GONE:
        moved = captured(found.payment, total_minor, fee_minor, final=command.final, online=True)
        noted = None
        if found.payment.ended == "captured":
            detail = "its payment is captured already; it was posted all the same"
            noted = _noted(
                command, now_ms, "completion_of_captured", detail, account, (found.payment.hold_id,)
            )
        return Effect(
            moved=moved, entries=entries, approved_minor=total_minor, matched_by=found.by, noted=noted
        )
    noted = None
    if len(found.candidates) > 1:
        detail = f"{len(found.candidates)} payments fit by {found.by}; it was posted, and no hold released"
        noted = _noted(command, now_ms, "completion_ambiguous", detail, account, found.candidates)
    elif _cleared_before(command, total_minor, now_ms, policy, account, card):
        detail = "a row of a clearing file has posted it already; it was posted all the same"
        noted = _noted(command, now_ms, "completion_of_captured", detail, account)
    lifetime_ms = command.hold_lifetime_ms or state.rules.hold_lifetime_ms(said.mcc)
    placed = r.HoldPlaced(
        state.record_no + 1,
        0,
        now_ms + lifetime_ms,
        total_minor,
        "refund" if refund else "",
        fee_minor,
        on_the_hour(now_ms + lifetime_ms + policy.payment_lifetime_ms),
    )
    return Effect(hold=placed, entries=entries, approved_minor=total_minor, noted=noted)


def _cleared_before(
    command: c.Advice, total_minor: int, now_ms: int, policy: c.Policy, account: Account, card: Card
) -> bool:
    kind = "refund" if command.transaction is Transaction.REFUND else "presentment"
    cards, order = family(account, card), policy.clearing_matching
    return cleared_before(account, cards, command.particulars, kind, total_minor, order, now_ms)


def captured(payment: Payment, total_minor: int, fee_minor: int, *, final: bool, online: bool) -> r.Moved:
    """What posting `total_minor` (a fee with it) does to its payment. `final` lets go of what is held beyond it."""
    released_minor = payment.held_minor if final else min(payment.held_minor, total_minor)
    return r.Moved(
        payment.hold_id,
        held_minor=-released_minor,
        captured_minor=total_minor,
        online_minor=total_minor if online else 0,
        ended="captured" if final and payment.ended != "captured" else "",
        fee_minor=fee_minor,
    )


def _postings(
    said: r.Particulars, fee_minor: int, now_ms: int, *, refund: bool, other: str = ""
) -> tuple[r.Entry, ...]:
    book = settlement_book(said.network, now_ms, said.currency)
    if refund:
        return postings("refund", said.amount_minor, -fee_minor, book, said.currency, other)
    return postings("purchase", -said.amount_minor, -fee_minor, book, said.currency, other)


# ---- what can't be anybody's, or not in this currency


def _of_nobody(command: c.Advice, now_ms: int, *, completes: bool) -> Effect:
    if not command.approving:
        return NOTHING
    if not completes:
        noted = _noted(command, now_ms, "advice_for_unknown_card", "no card of ours has this number")
        return Effect(noted=noted)
    noted = _noted(command, now_ms, "posting_for_unknown_card", "posted to suspense: no card of ours")
    return Effect(entries=_suspended(command, now_ms), noted=noted)


def _in_another_currency(command: c.Advice, now_ms: int, account: Account, *, completes: bool) -> Effect:
    detail = f"in {command.particulars.currency}, and the account is in {account.currency}"
    if not completes:
        return Effect(noted=_noted(command, now_ms, "advice_wrong_currency", detail, account))
    noted = _noted(command, now_ms, "posting_wrong_currency", f"posted to suspense: {detail}", account)
    posted_minor = command.particulars.amount_minor
    return Effect(entries=_suspended(command, now_ms), approved_minor=posted_minor, noted=noted)


def _suspended(command: c.Advice, now_ms: int) -> tuple[r.Entry, ...]:
    said = command.particulars
    refund = command.transaction is Transaction.REFUND
    fee_minor = fee_of(said, command.fee_minor)
    return _postings(said, fee_minor, now_ms, refund=refund, other=f"suspense:{said.currency}")


def _noted(
    command: c.Advice,
    now_ms: int,
    kind: str,
    detail: str,
    account: Account | None = None,
    candidates: tuple[int, ...] = (),
) -> r.ExceptionNoted:
    return exception(
        command.particulars,
        command.key,
        command.last_four,
        now_ms,
        kind,
        detail,
        account_id=account.account_id if account is not None else "",
        candidates=candidates,
    )
