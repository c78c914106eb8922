"""What an operator decides about the exception list: which payment an ambiguous message meant, or nothing.

The message itself was acknowledged, and a completion or a clearing's row posted, when it came. What is left to settle
is the hold that nobody dared to release.
"""

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.matching import GONE
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.reversals import undone
from authoriser.ledger.state import Account, ExceptionEntry, Payment, ShardState

REVERSAL, CLEARING, COMPLETION = "reversal_ambiguous", "clearing_ambiguous", "completion_ambiguous"


def settle_exception(
    state: ShardState, command: c.SettleException, now_ms: int, _policy: c.Policy
) -> Outcome:
    """Match an entry with one of its candidates, or dismiss it (`hold_id` 0). Raises CommandRefused."""
    commons = state.commons
    made = commons.changes.get(command.audit.key)
    if made is not None:
        if made.what != command.audit.what:
            text = f"the key {command.audit.key!r} was used for another change ({made.what})"
            raise c.CommandRefused("conflict", text)
        return Outcome(changed=True)
    entry = commons.exceptions.get(command.exception_id)
    if entry is None:
        raise c.CommandRefused("not_found", f"there is no open exception {command.exception_id!r}")
    if not command.hold_id:
        settled = r.ExceptionSettled(now_ms, "", command.exception_id, "dismissed", command.audit)
        return Outcome(records=(settled,), changed=True)
    account, payment = _meant(state, entry, command.hold_id)
    moved, entries = _settled(account, payment, entry, now_ms)
    settled = r.ExceptionSettled(
        now_ms, account.account_id, command.exception_id, "matched", command.audit, (moved,), entries
    )
    return Outcome(records=(settled,), account_id=account.account_id, changed=True)


def _meant(state: ShardState, entry: ExceptionEntry, hold_id: int) -> tuple[Account, Payment]:
    account = state.accounts.get(entry.on_account)
    if account is None or not entry.candidates or entry.kind not in {REVERSAL, CLEARING, COMPLETION}:
        raise c.CommandRefused(
            "conflict", f"an entry of kind {entry.kind} names no payment; it can be dismissed"
        )
    if hold_id not in entry.candidates:
        some = ", ".join(str(number) for number in entry.candidates)
        raise c.CommandRefused("conflict", f"payment {hold_id} is none of those that fit: {some}")
    payment = account.payments.get(hold_id)
    if payment is None:
        raise c.CommandRefused(
            "conflict", f"payment {hold_id} is forgotten by now; adjust the balance instead"
        )
    if payment.ended in GONE and not payment.online_minor:
        raise c.CommandRefused("conflict", f"payment {hold_id} is {payment.ended} already")
    return account, payment


def _settled(
    account: Account, payment: Payment, entry: ExceptionEntry, now_ms: int
) -> tuple[r.Moved, tuple[r.Entry, ...]]:
    if entry.kind == REVERSAL:
        first = account.kept.get(payment.key)
        return undone(payment, payment.key, None, first, entry.new_total_minor, now_ms)
    captured_minor = 0
    if entry.kind == CLEARING:  # a completion that was posted by itself has a payment of its own
        kept = account.cleared.get(entry.about)
        captured_minor = kept.amount_minor + kept.fee_minor if kept is not None else entry.amount_minor
    moved = r.Moved(
        payment.hold_id,
        held_minor=-payment.held_minor,
        captured_minor=captured_minor,
        ended="captured" if payment.ended != "captured" else "",
    )
    return moved, ()
