"""What an operator decides about the exception list: which payment an ambiguous message meant, or nothing.

The message itself was acknowledged, and a completion or a clearing's row posted, when it came. What is left to settle
is the hold that nobody dared to release. A row does what it would have done, had it met its payment at once: where a
message had posted that already, what the row posted comes back.
"""

from msgspec.structs import replace

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.clearing import Row, effect_on, row_entries
from authoriser.ledger.common import exception_id
from authoriser.ledger.matching import GONE, kept_answer
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.reversals import undone
from authoriser.ledger.state import Account, ClearedKept, ExceptionEntry, Payment, ShardState

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
    moved, entries, differs = _settled(account, payment, entry, now_ms)
    settled = r.ExceptionSettled(
        now_ms, account.account_id, command.exception_id, "matched", command.audit, (moved,), entries
    )
    noted = (_noted(entry, payment, now_ms, *differs),) if differs is not None else ()
    return Outcome(records=(settled, *noted), account_id=account.account_id, changed=True)


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


Settled = tuple[r.Moved, tuple[r.Entry, ...], tuple[str, str] | None]
"""What becomes of the payment, what is posted, and the kind and detail of what is to be looked at still."""


def _settled(account: Account, payment: Payment, entry: ExceptionEntry, now_ms: int) -> Settled:
    if entry.kind == REVERSAL:
        first = kept_answer(account, payment.key, now_ms)
        return (*undone(payment, payment.key, None, first, entry.new_total_minor, now_ms), None)
    if entry.kind == CLEARING:
        kept = account.cleared.get(entry.about)
        if kept is None or kept.forget_ms <= now_ms:
            text = "what its row posted is forgotten by now; dismiss it, and adjust the balance instead"
            raise c.CommandRefused("conflict", text)
        return _cleared(payment, kept)
    moved = r.Moved(  # a completion that was posted by itself has a payment of its own
        payment.hold_id,
        held_minor=-payment.held_minor,
        ended="captured" if payment.ended != "captured" else "",
    )
    if payment.ended != "captured":
        return moved, (), None
    return (
        moved,
        (),
        ("completion_of_captured", "its payment was captured already; it was posted all the same"),
    )


def _cleared(payment: Payment, kept: ClearedKept) -> Settled:
    """As if the row had met its payment at once."""
    effect = effect_on(payment, kept.kind, Row(kept.amount_minor, kept.fee_minor, kept.final))
    moved = effect.moved or r.Moved(payment.hold_id)
    entries: tuple[r.Entry, ...] = ()
    if not effect.posts:
        posted = row_entries(kept.kind, kept.amount_minor, kept.fee_minor, kept.settlement)
        entries = tuple(replace(entry, amount_minor=-entry.amount_minor) for entry in posted)
    return moved, entries, effect.noted


def _noted(entry: ExceptionEntry, payment: Payment, now_ms: int, kind: str, detail: str) -> r.ExceptionNoted:
    return r.ExceptionNoted(
        at_ms=now_ms,
        exception_id=exception_id(kind, entry.about),
        kind=kind,
        link=entry.link,
        network=entry.network,
        mti=entry.mti,
        field=entry.field,
        detail=detail,
        card_last_four=entry.card_last_four,
        amount_minor=entry.amount_minor,
        about=entry.about,
        on_account=entry.on_account,
        candidates=(payment.hold_id,),
    )
