"""Requests: 0100 asks to set funds aside, 0200 to post them at once. The only messages that may be declined.

Owns what the rules are shown, and what an approval makes: a payment with its hold, more of a payment that exists
(increment), a part of what was asked, a refund that holds nothing, or two balances. The rules themselves are in
`rules`.
"""

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.commands import Reply
from authoriser.ledger.common import (
    DAYS,
    HOUR_MS,
    approval_code,
    family,
    has_room,
    kept_reply,
    local_day,
    on_the_hour,
    parts_named,
    postings,
    refused,
    settlement_book,
)
from authoriser.ledger.matching import buried, find_grown
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.records import Decided, HoldPlaced
from authoriser.ledger.state import Account, Card, KeptAnswer, ShardState
from rules import NO_USAGE, Check, Facts, Reason, Sort, Spend, Transaction, Usage

_REFUND = Transaction.REFUND
_PASSED = Check.PASSED
_APPROVED = Reason.APPROVED
_PARTIALLY = Reason.APPROVED_PARTIALLY
_UNFUNDED = Reason.INSUFFICIENT_FUNDS
_NOBODY = (None, None)
_LIFETIMES_MAX = 1_000
"""A network names lifetimes in whole hours; what a message says must not fill memory."""
CREDIT, DEBIT = "refund", ""
LEDGER_BALANCE, AVAILABLE_BALANCE, ORIGINAL_AMOUNT = "01", "02", "57"
"""Amount types of DE54: ISO 8583:1987 has the balances, 57 is what card networks use for a partial approval."""


def authorise(state: ShardState, command: c.AuthorisationRequest, now_ms: int, policy: c.Policy) -> Outcome:
    """Decide an 0100 or 0200. A repeat gets the answer that was kept, and another amount under its key 94."""
    account, card = state.tokens.get(command.token or b"", _NOBODY)  # `state.find`, written out
    commons = state.commons
    elsewhere = commons.unknown_kept
    kept = account.kept.get(command.key) if account is not None else None
    if kept is None and elsewhere:
        kept = elsewhere.get(command.key)
    if kept is not None:
        return _again(kept, command, policy, account.account_id if account is not None else "")
    # Asked here first, because nearly every account has room.
    may_be_full = account is None or len(account.kept) >= policy.kept_answers_max
    if may_be_full and not has_room(state, account, policy, now_ms, 1):
        return refused(policy)
    if account is None or card is None:
        return _unpaid(state, command, now_ms, policy, Reason.UNKNOWN_CARD)
    if account.tombstones and buried(account, family(account, card), command.particulars, now_ms):
        return _unpaid(state, command, now_ms, policy, Reason.REVERSED_BEFORE, account, card)
    if command.key in state.advised:
        return _unpaid(state, command, now_ms, policy, Reason.OVERTAKEN, account, card)
    rules = state.compiled
    if rules is None or state.compiled_text is not commons.policy_text:
        rules = state.rules
    asked_for = command.transaction, command.particulars.mcc, command.entry
    sort = rules.sorts.get(asked_for) or rules.sort(*asked_for)
    facts = facts_of(account, card, command, now_ms, sort)
    reason = sort.asked.evaluate(facts)
    approved_minor = facts.amount_minor
    if reason is _UNFUNDED and _may_be_partial(command, facts):
        reason, approved_minor = Reason.APPROVED_PARTIALLY, facts.available_minor
    if reason is _APPROVED or reason is _PARTIALLY:
        number = state.record_no + 1
        return _approved(number, account, card, command, facts, reason, approved_minor, policy, sort)
    return _unpaid(state, command, now_ms, policy, reason, account, card, facts, rules.version)


def _again(kept: KeptAnswer, command: c.AuthorisationRequest, policy: c.Policy, account_id: str) -> Outcome:
    said, first = command.particulars, kept.particulars
    if (said.amount_minor, said.currency, said.processing_code, said.transaction_minor) != (
        first.amount_minor,
        first.currency,
        first.processing_code,
        first.transaction_minor,
    ):
        reason = Reason.DUPLICATE_MISMATCH
        return Outcome(reply=c.Reply(reason, policy.response_codes[reason]), account_id=account_id)
    return kept_reply(kept, command.key, account_id)


def facts_of(account: Account, card: Card, command: c.AuthorisationRequest, now_ms: int, sort: Sort) -> Facts:
    """What the rules are shown of one request."""
    said = command.particulars
    classes = sort.classes
    spent = card.spent or NO_USAGE
    if not classes:
        used: tuple[Usage, ...] = (spent,)
    elif card.usage is None:
        used = (spent, *(NO_USAGE,) * len(classes))
    elif len(classes) == 1:
        used = spent, card.usage.get(classes[0], NO_USAGE)
    else:
        used = (spent, *[card.usage.get(name, NO_USAGE) for name in classes])
    day = DAYS.get(account.time_zone)
    fee_minor = 0
    if command.fee_minor and command.transaction is not _REFUND:
        fee_minor = fee_of(said, command.fee_minor)
    # By position, in the order of Facts: its 23 names would cost 1.2 us of a decision's nine.
    return Facts(
        now_ms,
        day[1] if day is not None and day[0] <= now_ms < day[2] else local_day(now_ms, account.time_zone),
        command.transaction,
        said.amount_minor + fee_minor,
        said.currency,
        account.currency,
        account.balance_minor + account.credit_line_minor - account.held_minor,
        card.state,
        card.expires_ms,
        card.closes_ms,
        not command.stated_expiry or command.stated_expiry == card.expiry,
        command.cashback_minor,
        said.mcc,
        said.merchant_id,
        said.country,
        command.entry,
        command.checks,
        card.controls,
        classes,
        used,
        _within(card.recent, now_ms - sort.window_ms) if sort.window_ms and card.recent else (),
        card.contactless_count,
        card.contactless_minor,
        fee_minor,
    )


def _within(recent: list[Spend], after_ms: int) -> tuple[Spend, ...]:
    """What of `recent`, which is in the order of time, came after a moment: the newest are looked at first."""
    place = len(recent)
    while place and recent[place - 1].at_ms > after_ms:
        place -= 1
    return tuple(recent[place:])


def fee_of(said: r.Particulars, fee_minor: int) -> int:
    """What a fee adds to an amount: one that the shop gives back is never more than the amount itself."""
    return max(fee_minor, -said.amount_minor)


def _may_be_partial(command: c.AuthorisationRequest, facts: Facts) -> bool:
    """A part of the amount, where the network says that the shop can take it. Not for cash: notes are not split."""
    said = command.particulars
    return (
        command.partial_allowed
        and facts.available_minor > 0
        and command.transaction is Transaction.PURCHASE
        and said.mti == "0100"
        and not command.increment
        and not command.fee_minor
        and not said.transaction_minor
    )


def _approved(
    number: int,
    account: Account,
    card: Card,
    command: c.AuthorisationRequest,
    facts: Facts,
    reason: Reason,
    approved_minor: int,
    policy: c.Policy,
    sort: Sort,
) -> Outcome:
    """What an approval makes. `number` is its record's, and names the payment and the approval code."""
    now_ms, said = facts.now_ms, command.particulars
    refund = command.transaction is _REFUND
    lifetime_ms = command.hold_lifetime_ms or sort.hold_lifetime_ms
    expires_ms = now_ms + lifetime_ms
    lifetimes = policy.lifetimes.get(lifetime_ms)
    if lifetimes is None or not lifetimes.after_ms < now_ms <= lifetimes.until_ms:
        lifetimes = lifetimes_of(now_ms, lifetime_ms, policy)
    forget_ms, remembered_ms = lifetimes.forget_ms, lifetimes.remembered_ms
    code = approval_code(number)
    hold: r.HoldPlaced | None = None
    moved: tuple[r.Moved, ...] = ()
    matched_by = ""
    if command.increment and not refund and said.mti == "0100":
        moved, matched_by = _grown(
            account, card, command, approved_minor, now_ms, code, expires_ms, remembered_ms
        )
    if moved:
        expires_ms = moved[0].expires_ms
        forget_ms = on_the_hour(expires_ms + policy.reversal_key_lifetime_ms - policy.hold_lifetime_ms)
    elif said.mti != "0200" and not refund:
        hold = HoldPlaced(number, approved_minor, expires_ms, 0, DEBIT, 0, remembered_ms)
    else:
        hold = _begun_otherwise(number, command, approved_minor, expires_ms, remembered_ms)
    response_code = policy.response_codes[reason]
    replied_minor = None
    amounts: tuple[r.AmountGiven, ...] = ()
    if reason is _PARTIALLY:
        replied_minor = approved_minor
        amounts = (r.AmountGiven(command.account_type, ORIGINAL_AMOUNT, said.currency, said.amount_minor),)
    counted = None
    if not refund:
        counted = sort.counted_with_pin if facts.checks.pin is _PASSED else sort.counted
        if counted.local_day != facts.local_day:
            counted = sort.count(facts.local_day, pin=facts.checks.pin is _PASSED)
    # By position, as the facts: names would cost a fifth of a microsecond.
    record = Decided(
        now_ms,
        account.account_id,
        card.card_id,
        command.last_four,
        command.key,
        said,
        reason,
        response_code,
        code,
        hold,
        forget_ms,
        approved_minor,
        replied_minor,
        amounts,
        moved,
        _posted_at_once(command, approved_minor, now_ms) if said.mti == "0200" else (),
        counted,
        facts,
        sort.policy,
        matched_by,
        parts_named(command.original) if command.increment else (),
    )
    reply = Reply(reason, response_code, code, replied_minor, amounts)
    return Outcome((record,), reply, account.account_id, command.key, moved[0].hold_id if moved else number)


def lifetimes_of(now_ms: int, lifetime_ms: int, policy: c.Policy) -> c.Lifetimes:
    """Until when a payment and its answer are kept, both on the hour, so that an hour's payments have it in common."""
    payment_ms = lifetime_ms + policy.payment_lifetime_ms
    # A key outlives its hold by the store-and-forward horizon, or a late reversal could not find its original.
    answer_ms = lifetime_ms + policy.reversal_key_lifetime_ms - policy.hold_lifetime_ms
    remembered_ms, forget_ms = on_the_hour(now_ms + payment_ms), on_the_hour(now_ms + answer_ms)
    until_ms = min(remembered_ms - payment_ms, forget_ms - answer_ms)
    after_ms = max(remembered_ms - payment_ms, forget_ms - answer_ms) - HOUR_MS
    if len(policy.lifetimes) >= _LIFETIMES_MAX:
        policy.lifetimes.clear()
    found = policy.lifetimes[lifetime_ms] = c.Lifetimes(after_ms, until_ms, remembered_ms, forget_ms)
    return found


def _begun_otherwise(
    number: int, command: c.AuthorisationRequest, approved_minor: int, expires_ms: int, remembered_ms: int
) -> r.HoldPlaced:
    """A payment begins without a hold: posted at once, or as a refund that is only announced."""
    said = command.particulars
    refund = command.transaction is Transaction.REFUND
    kind = CREDIT if refund else DEBIT
    if said.mti == "0200":
        fee_minor = fee_of(said, command.fee_minor)
        if refund:
            fee_minor = min(fee_minor, approved_minor)
        return r.HoldPlaced(number, 0, expires_ms, approved_minor, kind, fee_minor, remembered_ms)
    return r.HoldPlaced(number, 0, expires_ms, 0, kind, 0, remembered_ms)


def _grown(
    account: Account,
    card: Card,
    command: c.AuthorisationRequest,
    approved_minor: int,
    now_ms: int,
    code: str,
    expires_ms: int,
    remembered_ms: int,
) -> tuple[tuple[r.Moved, ...], str]:
    """What an increment adds to its payment, and by what it found it; nothing where it found none."""
    said = command.particulars
    payment, by = find_grown(account, family(account, card), said, command.original, now_ms)
    if payment is None:
        return (), ""
    growth = r.Moved(
        payment.hold_id,
        held_minor=approved_minor,
        authorised_minor=approved_minor,
        transaction_minor=said.transaction_minor,
        expires_ms=max(payment.expires_ms, expires_ms),
        approval_code=code,
        forget_ms=max(payment.forget_ms, remembered_ms),
    )
    return (growth,), by


def _posted_at_once(command: c.AuthorisationRequest, approved_minor: int, now_ms: int) -> tuple[r.Entry, ...]:
    said = command.particulars
    fee_minor = fee_of(said, command.fee_minor)
    book = settlement_book(said.network, now_ms, said.currency)
    if command.transaction is Transaction.REFUND:
        # No approval takes from what is available (P4): a fee is at most what comes back.
        fee_minor = min(fee_minor, approved_minor)
        return postings("refund", approved_minor, -fee_minor, book, said.currency)
    return postings("purchase", fee_minor - approved_minor, -fee_minor, book, said.currency)


def _unpaid(
    state: ShardState,
    command: c.AuthorisationRequest,
    now_ms: int,
    policy: c.Policy,
    reason: Reason,
    account: Account | None = None,
    card: Card | None = None,
    facts: Facts | None = None,
    rules_version: str = "",
) -> Outcome:
    """An answer that moves no money: a decline, a verification, or the balances that were asked for."""
    code = approval_code(state.record_no + 1) if reason is Reason.VERIFIED else ""
    amounts: tuple[r.AmountGiven, ...] = ()
    if reason is Reason.BALANCE_GIVEN and account is not None:
        kind, currency = command.account_type, account.currency
        amounts = (
            r.AmountGiven(kind, LEDGER_BALANCE, currency, account.balance_minor),
            r.AmountGiven(kind, AVAILABLE_BALANCE, currency, account.available_minor),
        )
    response_code = policy.response_codes[reason]
    refund = command.transaction is Transaction.REFUND
    if refund and policy.refund_codes and response_code not in policy.refund_codes:
        response_code = policy.refund_else
    record = r.Decided(
        at_ms=now_ms,
        account_id=account.account_id if account is not None else "",
        card_id=card.card_id if card is not None else "",
        last_four=command.last_four,
        key=command.key,
        particulars=command.particulars,
        reason=reason,
        response_code=response_code,
        approval_code=code,
        hold=None,
        forget_ms=on_the_hour(now_ms + policy.request_key_lifetime_ms),
        amounts=amounts,
        facts=facts,
        policy=rules_version,
        named=parts_named(command.original) if command.increment else (),
    )
    return Outcome(
        records=(record,),
        reply=c.Reply(reason, response_code, code, None, amounts),
        account_id=record.account_id,
        key=command.key,
    )
