"""`apply`: the only code that changes state. One small function a record type; no rule runs here.

Replay and the live path run the very same functions, so what was decided and what is recovered cannot differ.
A record's effect on its account and its effect on the commons are separate functions, because their snapshots
are taken at different moments: replay skips whichever a snapshot already has. Forgetting goes by record time
alone: an aggregate drops its outlived keys when a record next touches it.
"""

from collections.abc import Callable
from typing import Any

from authoriser.ledger import records as r
from authoriser.ledger.state import (
    NEVER_MS,
    Account,
    Card,
    ChangeKept,
    Commons,
    ExceptionEntry,
    Hold,
    KeptAnswer,
    ShardState,
)

EXCEPTIONS_LISTED_MAX = 1_000
"""Exceptions kept in memory for the operators' list. Older ones stay in the journal and in `events`."""


def apply(state: ShardState, record: r.Record) -> None:
    """Make `record` so, as the next record of the shard.

    Raises AssertionError or KeyError only where the journal contradicts itself: the process must not go on.
    """
    number = state.record_no + 1
    state.record_no = number
    state.last_ms = max(state.last_ms, record.at_ms)
    kind = type(record)
    account_id = getattr(record, "account_id", "")
    if account_id:
        _apply_to_account(state, account_id, record, kind, number)
    if not account_id or kind is r.Posted:
        _apply_to_commons(state, record, kind, number)


def replay(state: ShardState, record: r.Record, number: int) -> None:
    """`apply` for a state loaded from snapshots: each aggregate skips what its snapshot already has."""
    state.record_no = number
    state.last_ms = max(state.last_ms, record.at_ms)
    kind = type(record)
    account_id = getattr(record, "account_id", "")
    if account_id:
        account = state.accounts.get(account_id)
        if account is None or account.version < number:
            _apply_to_account(state, account_id, record, kind, number)
    if (not account_id or kind is r.Posted) and state.commons.version < number:
        _apply_to_commons(state, record, kind, number)


def _apply_to_account(state: ShardState, account_id: str, record: Any, kind: type, number: int) -> None:
    if kind is r.AccountOpened:
        account = _account_opened(state, record)
    else:
        account = state.accounts[account_id]
        if record.at_ms >= account.next_forget_ms:
            _forget(account, record.at_ms)
        _ON_ACCOUNT[kind](state, account, record)
    account.version = number
    state.dirty.add(account_id)


def _apply_to_commons(state: ShardState, record: Any, kind: type, number: int) -> None:
    commons = state.commons
    if record.at_ms >= commons.unknown_next_forget_ms:
        _forget_unknown(commons, record.at_ms)
    _ON_COMMONS[kind](commons, record)
    commons.version = number
    state.dirty.add("")


# ---- accounts and cards


def _account_opened(state: ShardState, record: r.AccountOpened) -> Account:
    assert record.account_id not in state.accounts, "an account is opened once"
    account = Account(
        account_id=record.account_id,
        currency=record.currency,
        credit_line_minor=record.credit_line_minor,
        time_zone=record.time_zone,
        opened_ms=record.at_ms,
    )
    _keep_change(account, record.audit)
    state.accounts[record.account_id] = account
    return account


def _card_issued(state: ShardState, account: Account, record: r.CardIssued) -> None:
    card = Card(
        card_id=record.card_id,
        token=record.token,
        key_version=record.key_version,
        last_four=record.last_four,
        expiry=record.expiry,
        expires_ms=record.expires_ms,
        state=record.state,
        funded_minor=record.funded_minor,
    )
    account.cards[record.card_id] = card
    state.index(account, card)
    _keep_change(account, record.audit)


def _card_state_changed(_state: ShardState, account: Account, record: r.CardStateChanged) -> None:
    account.cards[record.card_id].state = record.after
    _keep_change(account, record.audit)


def _keep_change(account: Account, audit: r.Audit) -> None:
    if not audit.forget_ms:
        return  # an import: the card's own presence says that its row was done, for ever
    account.changes[audit.key] = ChangeKept(what=audit.what, forget_ms=audit.forget_ms)
    account.next_forget_ms = min(account.next_forget_ms, audit.forget_ms)


# ---- money


def _posted_to_account(_state: ShardState, account: Account, record: r.Posted) -> None:
    account.balance_minor += record.amount_minor
    _keep_change(account, record.audit)


def _posted_to_books(commons: Commons, record: r.Posted) -> None:
    commons.books[record.book] = commons.books.get(record.book, 0) - record.amount_minor


# ---- requests and reversals


def _decided(_state: ShardState, account: Account, record: r.Decided) -> None:
    hold_id = 0
    placed = record.hold
    if placed is not None:
        hold_id = placed.hold_id
        account.holds[hold_id] = Hold(
            hold_id=hold_id,
            card_id=record.card_id,
            key=record.key,
            amount_minor=placed.amount_minor,
            placed_minor=placed.amount_minor,
            placed_ms=record.at_ms,
            expires_ms=placed.expires_ms,
            approval_code=record.approval_code,
            particulars=record.particulars,
        )
        account.held_minor += placed.amount_minor
    account.kept[record.key] = _kept(record, record.approval_code, hold_id)
    account.next_forget_ms = min(account.next_forget_ms, record.forget_ms)


def _kept(record: r.Decided | r.Reversed, approval_code: str, hold_id: int) -> KeptAnswer:
    return KeptAnswer(
        card_id=record.card_id,
        particulars=record.particulars,
        reason=record.reason,
        response_code=record.response_code,
        approval_code=approval_code,
        hold_id=hold_id,
        forget_ms=record.forget_ms,
    )


def _reversed(_state: ShardState, account: Account, record: r.Reversed) -> None:
    if record.hold_id:
        _release(account, record.hold_id, record.released_minor, record.remaining_minor)
    if record.tombstone is not None:
        account.tombstones.append(record.tombstone)
        account.next_forget_ms = min(account.next_forget_ms, record.tombstone.forget_ms)
    account.kept[record.key] = _kept(record, "", 0)
    account.next_forget_ms = min(account.next_forget_ms, record.forget_ms)


def _release(account: Account, hold_id: int, released_minor: int, remaining_minor: int) -> None:
    hold = account.holds[hold_id]
    assert hold.amount_minor == released_minor + remaining_minor, "a release accounts for the whole hold"
    account.held_minor -= released_minor
    if remaining_minor:
        hold.amount_minor = remaining_minor
        hold.spoken_of = True
    else:
        del account.holds[hold_id]


def _hold_voided(_state: ShardState, account: Account, record: r.HoldVoided) -> None:
    if record.released_minor:
        _release(account, record.hold_id, record.released_minor, 0)
    kept = account.kept.get(record.key)
    if kept is not None and kept.hold_id == record.hold_id:
        kept.reason = record.reason
        kept.response_code = record.response_code
        kept.approval_code = ""


def _hold_expired(_state: ShardState, account: Account, record: r.HoldExpired) -> None:
    _release(account, record.hold_id, record.released_minor, 0)


def _answer_unknown(_state: ShardState, account: Account, record: r.AnswerUnknown) -> None:
    account.holds[record.hold_id].answer_unknown = True


def _forget(account: Account, at_ms: int) -> None:
    """Drop every key and tombstone whose time is over by record time."""
    account.kept = {key: kept for key, kept in account.kept.items() if kept.forget_ms > at_ms}
    account.changes = {key: kept for key, kept in account.changes.items() if kept.forget_ms > at_ms}
    account.tombstones = [stone for stone in account.tombstones if stone.forget_ms > at_ms]
    account.next_forget_ms = min(
        min((kept.forget_ms for kept in account.kept.values()), default=NEVER_MS),
        min((kept.forget_ms for kept in account.changes.values()), default=NEVER_MS),
        min((stone.forget_ms for stone in account.tombstones), default=NEVER_MS),
    )


# ---- the commons


def _epoch_started(commons: Commons, record: r.EpochStarted) -> None:
    assert record.epoch > commons.epoch, "epochs never go back"
    commons.epoch = record.epoch
    commons.ended_clean = False


def _epoch_ended(commons: Commons, _record: r.EpochEnded) -> None:
    commons.ended_clean = True


def _forget_unknown(commons: Commons, at_ms: int) -> None:
    kept = {key: kept for key, kept in commons.unknown_kept.items() if kept.forget_ms > at_ms}
    commons.unknown_kept = kept
    commons.unknown_next_forget_ms = min((answer.forget_ms for answer in kept.values()), default=NEVER_MS)


def _unknown_answered(commons: Commons, record: r.Decided | r.Reversed) -> None:
    commons.unknown_kept[record.key] = _kept(record, "", 0)
    commons.unknown_next_forget_ms = min(commons.unknown_next_forget_ms, record.forget_ms)


def _exception_noted(commons: Commons, record: r.ExceptionNoted) -> None:
    commons.exceptions[record.exception_id] = ExceptionEntry(
        at_ms=record.at_ms,
        kind=record.kind,
        link=record.link,
        network=record.network,
        mti=record.mti,
        field=record.field,
        detail=record.detail,
        card_last_four=record.card_last_four,
        amount_minor=record.amount_minor,
    )
    commons.exceptions_total += 1
    while len(commons.exceptions) > EXCEPTIONS_LISTED_MAX:
        del commons.exceptions[next(iter(commons.exceptions))]


_ON_ACCOUNT: dict[type, Callable[[ShardState, Account, Any], None]] = {
    r.CardIssued: _card_issued,
    r.Posted: _posted_to_account,
    r.CardStateChanged: _card_state_changed,
    r.Decided: _decided,
    r.Reversed: _reversed,
    r.HoldVoided: _hold_voided,
    r.HoldExpired: _hold_expired,
    r.AnswerUnknown: _answer_unknown,
}

_ON_COMMONS: dict[type, Callable[[Commons, Any], None]] = {
    r.EpochStarted: _epoch_started,
    r.EpochEnded: _epoch_ended,
    r.Posted: _posted_to_books,
    r.Decided: _unknown_answered,
    r.Reversed: _unknown_answered,
    r.ExceptionNoted: _exception_noted,
}
