"""`apply`: the only code that changes state. One small function a record type; no rule runs here.

Replay and the live path run the very same functions, so what was decided and what is recovered cannot differ.
A record's effect on its account and its effect on the commons are separate functions, because their snapshots
are taken at different moments: replay skips whichever a snapshot already has. Forgetting goes by record time
alone: an aggregate drops its outlived keys when a record next touches it.
"""

from collections.abc import Callable
from typing import Any

from authoriser.ledger import apply_operators, payments
from authoriser.ledger import records as r
from authoriser.ledger.apply_operators import keep_change, keep_common_change
from authoriser.ledger.state import (
    NEVER_MS,
    Account,
    Card,
    ClearedKept,
    ClearingFile,
    Commons,
    ExceptionEntry,
    KeptAnswer,
    ShardState,
)

EXCEPTIONS_LISTED_MAX = 1_000
"""Exceptions kept in memory for the operators' list. Older ones stay in the journal and in `events`."""


ADVICES = frozenset({"0120", "0220"})
"""Messages that show, by themselves, that the network knows of a payment."""


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
    if not account_id or _concerns_commons(record, kind):
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
    if (not account_id or _concerns_commons(record, kind)) and state.commons.version < number:
        _apply_to_commons(state, record, kind, number)


def _concerns_commons(record: Any, kind: type) -> bool:
    """Whether a record of an account concerns the shard's books or lists too."""
    return kind in _BOTH or (kind in _WITH_ENTRIES and bool(record.entries))


def _apply_to_account(state: ShardState, account_id: str, record: Any, kind: type, number: int) -> None:
    if kind is r.AccountOpened:
        account = _account_opened(state, record)
    else:
        account = state.accounts[account_id]
        due = record.at_ms >= account.next_forget_ms
        if due:
            _forget(state, account, record.at_ms)
        if kind in _WITH_MOVES:
            for moved in record.moved or payments.moves_of_old(record):
                payments.move(account, moved)
        if kind in _WITH_ENTRIES:
            for entry in record.entries:
                if not entry.other:
                    account.balance_minor += entry.amount_minor
        _ON_ACCOUNT[kind](state, account, record)
        if due:
            _forget_payments(account, record.at_ms)
    account.version = number
    state.dirty.add(account_id)


def _apply_to_commons(state: ShardState, record: Any, kind: type, number: int) -> None:
    commons = state.commons
    if record.at_ms >= commons.unknown_next_forget_ms:
        _forget_unknown(commons, record.at_ms)
    if record.at_ms >= commons.changes_next_forget_ms:
        _forget_changes(commons, record.at_ms)
    if kind in _WITH_ENTRIES:
        for entry in record.entries:
            _enter(commons, entry, record.account_id)
    on_commons = _ON_COMMONS.get(kind)
    # What has an account and only its entries here (a purchase, say) does no more to the commons.
    if on_commons is not None and (kind in _BOTH or not getattr(record, "account_id", "")):
        on_commons(commons, record)
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
    keep_change(account, record.audit)
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
    state.issue(account, card)
    keep_change(account, record.audit)


def _card_state_changed(_state: ShardState, account: Account, record: r.CardStateChanged) -> None:
    account.cards[record.card_id].state = record.after
    keep_change(account, record.audit)


# ---- money


def _posted_to_account(_state: ShardState, account: Account, record: r.Posted) -> None:
    account.balance_minor += record.amount_minor
    keep_change(account, record.audit)


def _posted_to_books(commons: Commons, record: r.Posted) -> None:
    commons.books[record.book] = commons.books.get(record.book, 0) - record.amount_minor


def _enter(commons: Commons, entry: r.Entry, account_id: str) -> None:
    assert account_id or entry.other, "what an entry takes from a book goes to an account or another book"
    books = commons.books
    books[entry.book] = books.get(entry.book, 0) - entry.amount_minor
    if entry.other:
        books[entry.other] = books.get(entry.other, 0) + entry.amount_minor


# ---- messages and what they do to payments


def _decided(state: ShardState, account: Account, record: r.Decided) -> None:
    hold_id = 0
    approved_minor = record.approved_minor
    if record.hold is not None:
        payment = payments.place(account, record, record.hold)
        hold_id = payment.hold_id
        approved_minor = approved_minor or payment.authorised_minor
    elif record.moved:
        hold_id = record.moved[0].hold_id
        payments.keep_first_answer(account, hold_id, record.forget_ms)
    if record.counted is not None:
        payments.count(account, record, record.counted, state.record_no, approved_minor)
    if record.particulars.mti in ADVICES:
        payments.speak(account, hold_id, state.record_no)
    if record.sibling:
        state.advised.add(record.sibling)
    kept = _kept(record, record.approval_code, hold_id)
    kept.approved_minor = approved_minor
    kept.replied_minor = record.replied_minor
    kept.amounts = record.amounts
    kept.number = state.record_no
    kept.sibling = record.sibling
    if record.hold is not None:
        kept.fee_minor = record.hold.fee_minor
    elif record.moved:
        kept.fee_minor = record.moved[0].fee_minor
        _keep_part(account, record, kept)
    account.kept[record.key] = kept
    account.next_forget_ms = min(account.next_forget_ms, record.forget_ms)


def _keep_part(account: Account, record: r.Decided, kept: KeptAnswer) -> None:
    """An increment's part is kept with the increment: what a stand-in makes of it is what a reversal takes off."""
    kept.part_of = record.key if record.particulars.mti == "0100" else record.part_of
    holder = account.kept.get(kept.part_of)
    if holder is not None:
        holder.approved_minor = record.approved_minor
        holder.forget_ms = max(holder.forget_ms, record.forget_ms)


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


def _reversed(state: ShardState, account: Account, record: r.Reversed) -> None:
    if record.tombstone is not None:
        account.tombstones.append(record.tombstone)
        account.next_forget_ms = min(account.next_forget_ms, record.tombstone.forget_ms)
    payments.speak(account, record.hold_id, state.record_no)
    original = account.kept.get(record.original_key)
    if original is not None:
        # What a message brought is given back once, however often it is reversed.
        given_back_minor = sum(
            max(-moved.held_minor - moved.captured_minor, -moved.authorised_minor) for moved in record.moved
        )
        original.approved_minor = max(0, original.approved_minor - given_back_minor)
        original.fee_minor += sum(moved.fee_minor for moved in record.moved) if original.fee_minor else 0
    account.kept[record.key] = _kept(record, "", 0)
    account.next_forget_ms = min(account.next_forget_ms, record.forget_ms)


def _hold_voided(_state: ShardState, account: Account, record: r.HoldVoided) -> None:
    kept = account.kept.get(record.key)
    if kept is not None and kept.hold_id == record.hold_id:
        kept.reason = record.reason
        kept.response_code = record.response_code
        kept.approval_code = ""
        kept.replied_minor = None
        kept.amounts = ()
        if record.moved:
            kept.approved_minor = 0


def _answer_unknown(_state: ShardState, account: Account, record: r.AnswerUnknown) -> None:
    account.payments[record.hold_id].answer_unknown = True


def _cleared(state: ShardState, account: Account, record: r.Cleared) -> None:
    payments.speak(account, record.hold_id, state.record_no)
    account.cleared[record.key] = _cleared_kept(record)
    account.next_forget_ms = min(account.next_forget_ms, record.forget_ms)


def _cleared_kept(record: r.Cleared) -> ClearedKept:
    return ClearedKept(
        kind=record.kind,
        outcome=record.outcome,
        amount_minor=record.amount_minor,
        fee_minor=record.fee_minor,
        difference_minor=record.difference_minor,
        settlement=record.settlement,
        matched_by=record.matched_by,
        forget_ms=record.forget_ms,
        final=record.final,
        card_id=record.card_id,
        particulars=record.particulars if record.outcome == "forced" else None,
    )


def _nothing_more(_state: ShardState, _account: Account, _record: r.Record) -> None:
    """Its moves and entries are all that it does to an account."""


def _forget(state: ShardState, account: Account, at_ms: int) -> None:
    """Drop every key and tombstone whose time is over by record time."""
    if state.advised:
        outlived = [kept for kept in account.kept.values() if kept.sibling and kept.forget_ms <= at_ms]
        state.advised.difference_update([kept.sibling for kept in outlived])
    account.kept = {key: kept for key, kept in account.kept.items() if kept.forget_ms > at_ms}
    account.changes = {key: kept for key, kept in account.changes.items() if kept.forget_ms > at_ms}
    account.tombstones = [stone for stone in account.tombstones if stone.forget_ms > at_ms]
    account.cleared = {key: kept for key, kept in account.cleared.items() if kept.forget_ms > at_ms}


def _forget_payments(account: Account, at_ms: int) -> None:
    """Drop every payment whose time is over, once the record has done to it what it does. An open hold's is not."""
    account.payments = {
        number: payment
        for number, payment in account.payments.items()
        if payment.forget_ms > at_ms or payment.held_minor
    }
    account.next_forget_ms = min(
        min((kept.forget_ms for kept in account.kept.values()), default=NEVER_MS),
        min((kept.forget_ms for kept in account.changes.values()), default=NEVER_MS),
        min((stone.forget_ms for stone in account.tombstones), default=NEVER_MS),
        min((kept.forget_ms for kept in account.cleared.values()), default=NEVER_MS),
        # One that is held beyond its time is looked at again with each record, until it expires.
        min((payment.forget_ms for payment in account.payments.values()), default=NEVER_MS),
    )


# ---- the commons


def _epoch_started(commons: Commons, record: r.EpochStarted) -> None:
    assert record.epoch > commons.epoch, "epochs never go back"
    commons.epoch = record.epoch
    commons.ended_clean = False


def _epoch_ended(commons: Commons, _record: r.EpochEnded) -> None:
    commons.ended_clean = True


def _forget_changes(commons: Commons, at_ms: int) -> None:
    changes = {key: kept for key, kept in commons.changes.items() if kept.forget_ms > at_ms}
    cleared = {key: kept for key, kept in commons.cleared.items() if kept.forget_ms > at_ms}
    proposals = {key: waits for key, waits in commons.proposals.items() if waits.forget_ms > at_ms}
    commons.changes, commons.cleared, commons.proposals = changes, cleared, proposals
    commons.changes_next_forget_ms = min(
        min((kept.forget_ms for kept in changes.values()), default=NEVER_MS),
        min((kept.forget_ms for kept in cleared.values()), default=NEVER_MS),
        min((waits.forget_ms for waits in proposals.values()), default=NEVER_MS),
    )


def _exception_settled(commons: Commons, record: r.ExceptionSettled) -> None:
    commons.exceptions.pop(record.exception_id, None)
    keep_common_change(commons, record.audit)


def _cleared_of_nobody(commons: Commons, record: r.Cleared) -> None:
    commons.cleared[record.key] = _cleared_kept(record)
    commons.changes_next_forget_ms = min(commons.changes_next_forget_ms, record.forget_ms)


def _clearing_file_ended(commons: Commons, record: r.ClearingFileEnded) -> None:
    commons.clearing_files[record.sha256] = ClearingFile(record.at_ms, record.rows)


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
        about=record.about,
        on_account=record.on_account,
        candidates=record.candidates,
        new_total_minor=record.new_total_minor,
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
    r.HoldExpired: _nothing_more,
    r.AnswerUnknown: _answer_unknown,
    r.Cleared: _cleared,
    r.ExceptionSettled: _nothing_more,
    **apply_operators.ON_ACCOUNT,
}

_ON_COMMONS: dict[type, Callable[[Commons, Any], None]] = {
    r.EpochStarted: _epoch_started,
    r.EpochEnded: _epoch_ended,
    r.Posted: _posted_to_books,
    r.Decided: _unknown_answered,
    r.Reversed: _unknown_answered,
    r.ExceptionNoted: _exception_noted,
    r.ExceptionSettled: _exception_settled,
    r.Cleared: _cleared_of_nobody,
    r.ClearingFileEnded: _clearing_file_ended,
    **apply_operators.ON_COMMONS,
}

_BOTH = frozenset({r.Posted, r.ExceptionSettled})
"""Records that say something to the commons even where they have an account."""
_KINDS: tuple[Any, ...] = (*_ON_ACCOUNT, *_ON_COMMONS)
_WITH_MOVES = frozenset(kind for kind in _KINDS if "moved" in kind.__struct_fields__)
_WITH_ENTRIES = frozenset(kind for kind in _KINDS if "entries" in kind.__struct_fields__)
