"""What the process itself commands: voids, expiries, marks after a crash, entries of the exception list."""

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.common import APPROVING, postings, returned_parts, settlement_book
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import KeptAnswer, Payment, ShardState
from rules import Reason

UNDONE = frozenset({"reversed", "superseded", "released"})
"""Ends after which an approval must not be given to a late repeat, though there is nothing to release."""


def void(state: ShardState, command: c.VoidAnswer, now_ms: int, policy: c.Policy) -> Outcome:
    """No byte of an approval's answer left in time: what that very message approved is undone.

    Nothing, where the network has spoken of the payment since: it counts on it, so it knows.
    """
    account = state.accounts[command.account_id]
    payment = account.payments.get(command.hold_id)
    kept = account.kept.get(command.key)
    given = kept is not None and kept.hold_id == command.hold_id and kept.reason in APPROVING
    approved_no = kept.number if given and kept is not None else command.hold_id
    if payment is not None and payment.spoken_no > approved_no and payment.ended not in UNDONE:
        return Outcome()
    if not given and (payment is None or not payment.held_minor or payment.key != command.key):
        return Outcome()
    moved: r.Moved | None = None
    entries: tuple[r.Entry, ...] = ()
    if (payment is not None and not payment.ended) or (payment is not None and payment.online_minor):
        moved, entries = _unheard(payment, kept if given else None, command.key, now_ms)
    reason = Reason.ANSWER_VOID
    voided = r.HoldVoided(
        at_ms=now_ms,
        account_id=command.account_id,
        card_id=payment.card_id if payment is not None else kept.card_id if kept is not None else "",
        key=command.key,
        hold_id=command.hold_id,
        released_minor=-moved.held_minor if moved is not None else 0,
        reason=reason,
        response_code=policy.response_codes[reason],
        moved=(moved,) if moved is not None else (),
        entries=entries,
    )
    return Outcome(records=(voided,))


def _unheard(
    payment: Payment, kept: KeptAnswer | None, key: str, now_ms: int
) -> tuple[r.Moved, tuple[r.Entry, ...]]:
    """What one message approved, given back: of the hold, or of what it posted at once."""
    approved_minor = kept.approved_minor if kept is not None else payment.authorised_minor
    first = key == payment.key
    released_minor = min(payment.held_minor, approved_minor)
    unposted_minor = min(payment.online_minor, approved_minor) if first else 0
    # An increment's too: where what it grew went void before it, nobody is left to be captured for.
    over = released_minor == payment.held_minor and unposted_minor == payment.captured_minor
    undone_minor = payment.authorised_minor if over else min(payment.authorised_minor, approved_minor)
    entries: tuple[r.Entry, ...] = ()
    fee_minor = payment.fee_minor if unposted_minor else 0
    if unposted_minor:
        said = payment.particulars
        book = settlement_book(said.network, now_ms, said.currency)
        refund = payment.kind == "refund"
        back_minor = -unposted_minor if refund else unposted_minor - fee_minor
        entries = postings("reversal", back_minor, fee_minor, book, said.currency)
    moved = r.Moved(
        payment.hold_id,
        held_minor=-released_minor,
        authorised_minor=-undone_minor,
        captured_minor=-unposted_minor,
        online_minor=-unposted_minor,
        transaction_minor=-min(payment.transaction_minor, kept.particulars.transaction_minor) if kept else 0,
        ended="voided" if over else "",
        returned_minor=undone_minor,
        returned_times=1 if over else 0,
        fee_minor=-fee_minor,
        returned=returned_parts(payment, undone_minor, 0 if over or kept is None else kept.number),
    )
    return moved, entries


def expire(state: ShardState, command: c.ExpireHold, now_ms: int, _policy: c.Policy) -> Outcome:
    """A hold whose time is over is let go. What was captured of it stays, and the rest may still be cleared."""
    payment = state.accounts[command.account_id].payments.get(command.hold_id)
    if payment is None or not payment.held_minor or payment.expires_ms > now_ms:
        return Outcome()
    moved = r.Moved(payment.hold_id, held_minor=-payment.held_minor, ended="expired")
    expired = r.HoldExpired(
        now_ms, command.account_id, payment.card_id, payment.hold_id, payment.held_minor, (moved,)
    )
    return Outcome(records=(expired,))


def mark_unknown(state: ShardState, command: c.MarkAnswerUnknown, now_ms: int, _policy: c.Policy) -> Outcome:
    """After a crash nobody knows whether this payment's answer had left."""
    payment = state.accounts[command.account_id].payments.get(command.hold_id)
    if payment is None or payment.answer_unknown:
        return Outcome()
    return Outcome(records=(r.AnswerUnknown(now_ms, command.account_id, payment.card_id, payment.hold_id),))


def note(state: ShardState, command: c.NoteException, now_ms: int, _policy: c.Policy) -> Outcome:
    """Put something on the operators' list, once: the network repeats what it got no answer to."""
    if command.exception_id in state.commons.exceptions:
        return Outcome()
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
