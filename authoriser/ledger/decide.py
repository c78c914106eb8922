"""`decide(state, command, now_ms, policy) -> Outcome`: what would happen, as records. Changes nothing.

One function a command; those of operators are in `operators.py`. Repeats are answered before any rule is asked, from
the answer that was kept; the rules themselves are in `rules`. `outcome.refused` is for requests that were not admitted:
nothing was decided.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from authoriser.ledger import commands as c
from authoriser.ledger import operators
from authoriser.ledger import records as r
from authoriser.ledger.matching import buried, find_original, tombstone_for
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import Account, Card, KeptAnswer, ShardState
from rules import Facts, Reason, evaluate

HOUR_MS = 3_600_000
APPROVAL_CODE_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def decide(state: ShardState, command: c.Command, now_ms: int, policy: c.Policy) -> Outcome:
    """What `command` does to `state` at `now_ms` (milliseconds, UTC, never before the last record).

    Raises CommandRefused for an operator's change that cannot be made; never for a network's message.
    """
    return _DECIDE[type(command)](state, command, now_ms, policy)


def approval_code(record_no: int) -> str:
    """DE38 from the record's number: six characters, base 36, unique until 2,176,782,336 records have passed."""
    rest, low = divmod(record_no, 1_296)
    high, middle = divmod(rest, 1_296)
    return _DIGIT_PAIRS[high % 1_296] + _DIGIT_PAIRS[middle] + _DIGIT_PAIRS[low]


_DIGIT_PAIRS = tuple(one + two for one in APPROVAL_CODE_DIGITS for two in APPROVAL_CODE_DIGITS)


# ---- authorisation requests


def _authorise(state: ShardState, command: c.AuthorisationRequest, now_ms: int, policy: c.Policy) -> Outcome:
    card = state.tokens.get(command.token) if command.token is not None else None
    kept = state.commons.unknown_kept.get(command.key)
    if card is None:
        if kept is not None:
            return _again(kept, command, policy, "")
        if _unknown_full(state, policy.unknown_card_answers_max, now_ms):
            return _refused(policy)
        return _answer(state, command, now_ms, policy, None, None, Reason.UNKNOWN_CARD)
    account = state.cards[card.card_id]
    kept = account.kept.get(command.key) or kept
    if kept is not None:
        return _again(kept, command, policy, account.account_id)
    if _full(account.kept, policy.kept_answers_max, account.next_forget_ms, now_ms):
        return _refused(policy)
    if account.tombstones and buried(account, card.card_id, command.particulars, now_ms):
        reason = Reason.REVERSED_BEFORE
    else:
        reason = evaluate(_facts(account, card, command, now_ms))
    return _answer(state, command, now_ms, policy, account, card, reason)


def _facts(account: Account, card: Card, command: c.AuthorisationRequest, now_ms: int) -> Facts:
    said = command.particulars
    return Facts(
        now_ms=now_ms,
        transaction=command.transaction,
        amount_minor=said.amount_minor,
        currency=said.currency,
        stated_expiry=command.stated_expiry,
        card_state=card.state,
        card_expiry=card.expiry,
        card_expires_ms=card.expires_ms,
        account_currency=account.currency,
        available_minor=account.balance_minor + account.credit_line_minor - account.held_minor,
    )


def _answer(
    state: ShardState,
    command: c.AuthorisationRequest,
    now_ms: int,
    policy: c.Policy,
    account: Account | None,
    card: Card | None,
    reason: Reason,
) -> Outcome:
    number = state.record_no + 1
    approved = reason is Reason.APPROVED
    code = approval_code(number) if approved or reason is Reason.VERIFIED else ""
    hold = None
    if approved:
        hold = r.HoldPlaced(number, command.particulars.amount_minor, now_ms + policy.hold_lifetime_ms)
    response_code = policy.response_codes[reason]
    # A key outlives its hold by the store-and-forward horizon, or a late reversal could not find its
    # original.
    lifetime_ms = policy.reversal_key_lifetime_ms if approved else policy.request_key_lifetime_ms
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
        hold=hold,
        forget_ms=_on_the_hour(now_ms + lifetime_ms),
    )
    return Outcome(
        records=(record,),
        reply=c.Reply(reason, response_code, code),
        account_id=record.account_id,
        key=command.key,
        hold_id=number if approved else 0,
    )


def _on_the_hour(at_ms: int) -> int:
    """Forgetting goes by whole hours, so that an account is swept at most once an hour."""
    return -(-at_ms // HOUR_MS) * HOUR_MS


def _again(kept: KeptAnswer, command: c.AuthorisationRequest, policy: c.Policy, account_id: str) -> Outcome:
    said, first = command.particulars, kept.particulars
    if (said.amount_minor, said.currency, said.processing_code) != (
        first.amount_minor,
        first.currency,
        first.processing_code,
    ):
        reason = Reason.DUPLICATE_MISMATCH
        return Outcome(reply=c.Reply(reason, policy.response_codes[reason]), account_id=account_id)
    return _kept_reply(kept, command.key, account_id)


def _kept_reply(kept: KeptAnswer, key: str, account_id: str) -> Outcome:
    return Outcome(
        reply=c.Reply(kept.reason, kept.response_code, kept.approval_code),
        account_id=account_id,
        key=key,
        hold_id=kept.hold_id if kept.reason is Reason.APPROVED else 0,
        repeated=True,
    )


def _full(kept: dict[str, KeptAnswer], most: int, next_forget_ms: int, now_ms: int) -> bool:
    """Whether one more answer would be one too many, once the record that brings it has dropped the outlived.

    Counting the outlived as well would lock a full account for ever: only a record drops them.
    """
    if len(kept) < most:
        return False
    return now_ms < next_forget_ms or sum(answer.forget_ms > now_ms for answer in kept.values()) >= most


def _unknown_full(state: ShardState, most: int, now_ms: int) -> bool:
    commons = state.commons
    return _full(commons.unknown_kept, most, commons.unknown_next_forget_ms, now_ms)


def _refused(policy: c.Policy) -> Outcome:
    reason = Reason.NOT_ADMITTED
    return Outcome(reply=c.Reply(reason, policy.response_codes[reason]), refused=True)


# ---- reversals


def _reverse(state: ShardState, command: c.ReversalRequest, now_ms: int, policy: c.Policy) -> Outcome:
    card = state.tokens.get(command.token) if command.token is not None else None
    kept = state.commons.unknown_kept.get(command.key)
    if card is None:
        if kept is not None:
            return _kept_reply(kept, command.key, "")
        # Twice the bound: reversals are owed an answer when requests no longer are, but memory has an end.
        if _unknown_full(state, 2 * policy.unknown_card_answers_max, now_ms):
            return _refused(policy)
        noted = _exception(command, now_ms, "reversal_for_unknown_card", "no card of ours has this number")
        return _reversal_answer(command, now_ms, policy, None, None, noted=noted)
    account = state.cards[card.card_id]
    kept = account.kept.get(command.key) or kept
    if kept is not None:
        return _kept_reply(kept, command.key, account.account_id)
    if _full(account.kept, 2 * policy.kept_answers_max, account.next_forget_ms, now_ms):
        return _refused(policy)
    match = find_original(account, card.card_id, command)
    if match.candidates > 1:
        detail = f"{match.candidates} originals fit; none was released"
        noted = _exception(command, now_ms, "reversal_ambiguous", detail)
        return _reversal_answer(command, now_ms, policy, account, card, noted=noted)
    if match.kept is None:
        tombstone = tombstone_for(command, card.card_id, now_ms + policy.tombstone_lifetime_ms)
        return _reversal_answer(command, now_ms, policy, account, card, tombstone=tombstone)
    return _reversal_answer(command, now_ms, policy, account, card, original=(match.key, match.kept))


def _reversal_answer(
    command: c.ReversalRequest,
    now_ms: int,
    policy: c.Policy,
    account: Account | None,
    card: Card | None,
    *,
    original: tuple[str, KeptAnswer] | None = None,
    tombstone: r.Tombstone | None = None,
    noted: r.ExceptionNoted | None = None,
) -> Outcome:
    hold_id = released = remaining = 0
    original_key = ""
    reason = Reason.NO_ORIGINAL
    if original is not None and account is not None:
        original_key, kept = original
        reason = Reason.REVERSAL_DONE
        hold = account.holds.get(kept.hold_id)
        if hold is not None:
            hold_id = hold.hold_id
            remaining = min(hold.amount_minor, command.new_total_minor or 0)
            released = hold.amount_minor - remaining
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
        original_key=original_key,
        hold_id=hold_id,
        released_minor=released,
        remaining_minor=remaining,
        tombstone=tombstone,
        forget_ms=_on_the_hour(now_ms + policy.reversal_key_lifetime_ms),
    )
    return Outcome(
        records=(record,) if noted is None else (record, noted),
        reply=c.Reply(reason, response_code),
        account_id=record.account_id,
        key=command.key,
    )


def _exception(command: c.ReversalRequest, now_ms: int, kind: str, detail: str) -> r.ExceptionNoted:
    said = command.particulars
    return r.ExceptionNoted(
        at_ms=now_ms,
        # A hash, because the key holds a part of the card's token, and this id is shown.
        exception_id=hashlib.sha256(f"{kind}:{command.key}".encode()).hexdigest()[:24],
        kind=kind,
        link=said.link,
        network=said.network,
        mti=said.mti,
        field="",
        detail=detail,
        card_last_four=command.last_four,
        amount_minor=said.amount_minor,
    )


# ---- what the process itself commands


def _void(state: ShardState, command: c.VoidAnswer, now_ms: int, policy: c.Policy) -> Outcome:
    account = state.accounts[command.account_id]
    hold = account.holds.get(command.hold_id)
    kept = account.kept.get(command.key)
    if hold is not None and hold.spoken_of:
        return Outcome()  # reversed meanwhile, in part: the network has spoken since, and counts on the rest
    if hold is None and (
        kept is None or kept.hold_id != command.hold_id or kept.reason is not Reason.APPROVED
    ):
        return Outcome()
    # A hold that is gone was reversed before anybody heard of it: there is nothing to release, but the approval
    # must not be given to a late repeat all the same.
    reason = Reason.ANSWER_VOID
    voided = r.HoldVoided(
        at_ms=now_ms,
        account_id=command.account_id,
        card_id=hold.card_id if hold is not None else kept.card_id if kept is not None else "",
        key=command.key,
        hold_id=command.hold_id,
        released_minor=hold.amount_minor if hold is not None else 0,
        reason=reason,
        response_code=policy.response_codes[reason],
    )
    return Outcome(records=(voided,))


def _expire(state: ShardState, command: c.ExpireHold, now_ms: int, _policy: c.Policy) -> Outcome:
    hold = state.accounts[command.account_id].holds.get(command.hold_id)
    if hold is None or hold.expires_ms > now_ms:
        return Outcome()
    expired = r.HoldExpired(now_ms, command.account_id, hold.card_id, hold.hold_id, hold.amount_minor)
    return Outcome(records=(expired,))


def _mark_unknown(state: ShardState, command: c.MarkAnswerUnknown, now_ms: int, _policy: c.Policy) -> Outcome:
    hold = state.accounts[command.account_id].holds.get(command.hold_id)
    if hold is None or hold.answer_unknown:
        return Outcome()
    return Outcome(records=(r.AnswerUnknown(now_ms, command.account_id, hold.card_id, hold.hold_id),))


def _note(state: ShardState, command: c.NoteException, now_ms: int, _policy: c.Policy) -> Outcome:
    if command.exception_id in state.commons.exceptions:
        return Outcome()  # the network repeats what it got no answer to; the list names it once
    noted = r.ExceptionNoted(
        at_ms=now_ms,
        exception_id=command.exception_id,
        kind=command.kind,
        link=command.link,
        network=command.network,
        mti=command.mti,
        field=command.field,
        detail=command.detail,
        card_last_four=command.card_last_four,
        amount_minor=command.amount_minor,
    )
    return Outcome(records=(noted,))


_DECIDE: dict[type, Callable[[ShardState, Any, int, c.Policy], Outcome]] = {
    c.AuthorisationRequest: _authorise,
    c.ReversalRequest: _reverse,
    c.VoidAnswer: _void,
    c.ExpireHold: _expire,
    c.MarkAnswerUnknown: _mark_unknown,
    c.NoteException: _note,
    c.OpenAccount: operators.open_account,
    c.IssueCard: operators.issue_card,
    c.CreditAccount: operators.credit_account,
    c.ChangeCardState: operators.change_card,
    c.ImportRow: operators.import_row,
}
