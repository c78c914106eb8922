"""The day's clearing, row by row: what the network settles is posted, whether or not we knew of it.

Owns what each kind of row posts, and whether it meets a payment: matched, reconciled (a message posted it before),
forced (no payment, or one that was undone), ambiguous, suspense (no card, or another currency). A row is posted once,
by its key; a file's hash stays when it is done.
"""

import msgspec
from msgspec import Struct

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.advices import captured
from authoriser.ledger.common import exception, family, on_the_hour, postings
from authoriser.ledger.matching import GONE, Found, find_payment, payments_of
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.requests import fee_of
from authoriser.ledger.state import Account, Card, ClearedKept, Payment, ShardState

SIGNS = {"presentment": -1, "refund": 1, "reversal": 1, "chargeback": 1, "representment": -1}
"""What the account gains: the kinds of a row. A reversal is one of a presentment."""


class Row(Struct, frozen=True):
    """What of a row decides what it does to its payment. Amounts are in the account's currency, minor units."""

    amount_minor: int
    fee_minor: int
    final: bool


class Effect(Struct, frozen=True):
    """What a row does to its payment, and how it is reported."""

    outcome: str
    moved: r.Moved | None = None
    posts: bool = True
    difference_minor: int = 0
    noted: tuple[str, str] | None = None


def clear(state: ShardState, command: c.ClearRow, now_ms: int, policy: c.Policy) -> Outcome:
    """Post a row of a clearing file. A row that was posted before makes no record: `repeated`.

    Raises CommandRefused for a row whose reference was posted with another amount.
    """
    # A fee that the shop gives back is never more than the amount: no amount of a payment is below zero.
    fee_minor = fee_of(command.particulars, command.fee_minor)
    if fee_minor != command.fee_minor:
        command = msgspec.structs.replace(command, fee_minor=fee_minor)
    account, card = state.find(command.token)
    kept = kept_row(state, command)
    if kept is not None:
        if not same_row(kept, command):
            raise c.CommandRefused("conflict", another_amount(kept, command))
        return Outcome(
            account_id=account.account_id if account is not None else "", key=command.key, repeated=True
        )
    said = command.particulars
    other = ""
    found = Found()
    if account is None or card is None:
        other = f"suspense:{said.currency}"
        effect = Effect(
            "suspense", noted=("clearing_for_unknown_card", "posted to suspense: no card of ours")
        )
    elif said.currency != account.currency:
        other = f"suspense:{said.currency}"
        detail = f"posted to suspense: in {said.currency}, and the account is in {account.currency}"
        effect = Effect("suspense", noted=("clearing_wrong_currency", detail))
    else:
        found = _found(command, now_ms, policy, account, card)
        effect = effect_on(
            found.payment, command.kind, Row(said.amount_minor, command.fee_minor, command.final)
        )
        if found.payment is None and len(found.candidates) > 1:
            detail = (
                f"{len(found.candidates)} payments fit by {found.by}; it was posted, and no hold released"
            )
            effect = Effect("ambiguous", noted=("clearing_ambiguous", detail))
    return _outcome(command, now_ms, policy, account, card, found, effect, other)


def kept_row(state: ShardState, command: c.ClearRow) -> ClearedKept | None:
    """What became of the row of this key, None where none was posted."""
    account, _card = state.find(command.token)
    kept = account.cleared.get(command.key) if account is not None else None
    return kept or state.commons.cleared.get(command.key)


def same_row(kept: ClearedKept, command: c.ClearRow) -> bool:
    """Whether a row says what was posted under its key. Fees are compared as they were posted."""
    said = command.particulars
    currency = kept.settlement.rpartition(":")[2]
    posted = kept.amount_minor, kept.fee_minor, currency
    return posted == (said.amount_minor, fee_of(said, command.fee_minor), said.currency)


def another_amount(kept: ClearedKept, command: c.ClearRow) -> str:
    """What to tell whoever brings such a row."""
    said = command.particulars
    return (
        f"{command.kind} of reference {said.reference!r} was posted before, as {kept.amount_minor} and a fee of "
        f"{kept.fee_minor} in {kept.settlement.rpartition(':')[2]}, and now it is {said.amount_minor} and "
        f"{fee_of(said, command.fee_minor)} in {said.currency} (minor units); a payment of its own has another "
        "reference or sequence"
    )


def _outcome(
    command: c.ClearRow,
    now_ms: int,
    policy: c.Policy,
    account: Account | None,
    card: Card | None,
    found: Found,
    effect: Effect,
    other: str,
) -> Outcome:
    said = command.particulars
    book = f"settlement:{said.network}:{command.settlement_date}:{said.currency}"
    entries: tuple[r.Entry, ...] = ()
    if effect.posts:
        entries = row_entries(command.kind, said.amount_minor, command.fee_minor, book, other)
    matched = found.payment is not None
    record = r.Cleared(
        at_ms=now_ms,
        account_id=account.account_id if account is not None else "",
        card_id=card.card_id if card is not None else "",
        last_four=command.last_four,
        key=command.key,
        particulars=said,
        kind=command.kind,
        outcome=effect.outcome,
        amount_minor=said.amount_minor,
        fee_minor=command.fee_minor,
        difference_minor=effect.difference_minor,
        hold_id=found.payment.hold_id if found.payment is not None else 0,
        matched_by=found.by if matched else "",
        settlement=book,
        forget_ms=_forget_ms(found.payment, now_ms, policy),
        moved=(effect.moved,) if effect.moved is not None else (),
        entries=entries,
        final=command.final,
    )
    records: tuple[r.Record, ...] = (record,)
    if effect.noted is not None:
        kind, detail = effect.noted
        noted = exception(
            said,
            command.key,
            command.last_four,
            now_ms,
            kind,
            detail,
            account_id=record.account_id,
            candidates=found.candidates,
        )
        records = (record, noted)
    return Outcome(records=records, account_id=record.account_id, key=command.key)


def row_entries(
    kind: str, amount_minor: int, fee_minor: int, book: str, other: str = ""
) -> tuple[r.Entry, ...]:
    """What a row posts. `book` is its settlement's."""
    sign = SIGNS[kind]
    gained_minor = -fee_minor if sign < 0 or kind == "refund" else fee_minor
    return postings(kind, sign * amount_minor, gained_minor, book, book.rpartition(":")[2], other)


def _forget_ms(payment: Payment | None, now_ms: int, policy: c.Policy) -> int:
    """A row's key lives as long as the payment that it could meet: else a file that comes again would post twice."""
    least_ms = on_the_hour(now_ms + policy.hold_lifetime_ms + policy.payment_lifetime_ms)
    return max(least_ms, payment.forget_ms) if payment is not None else least_ms


def _found(command: c.ClearRow, now_ms: int, policy: c.Policy, account: Account, card: Card) -> Found:
    """The payment a row means: of the money that comes back, an authorised refund before the purchase it undoes."""
    said, order = command.particulars, policy.clearing_matching
    cards = family(account, card)
    total_minor = said.amount_minor + (0 if command.kind == "refund" else command.fee_minor)
    if command.kind == "refund":
        refunds = payments_of(account, cards, said.network, "refund", now_ms)
        found = find_payment(refunds, said, total_minor, order, confirms=True)
        if found.candidates:
            return found
    presented = command.kind == "presentment"
    if not presented:
        order = tuple(way for way in order if way != "unique")  # nothing is left to be captured of what was
    payments = payments_of(account, cards, said.network, "", now_ms)
    return find_payment(payments, said, total_minor, order, confirms=presented)


def effect_on(payment: Payment | None, kind: str, row: Row) -> Effect:
    """What a row does to the payment that it means, None for none."""
    return _EFFECTS[kind](payment, row)


def _presentment(payment: Payment | None, row: Row) -> Effect:
    total_minor = row.amount_minor + row.fee_minor
    if payment is None or payment.ended in GONE:
        return Effect("forced")
    if payment.online_minor:
        return _reconciled(payment, total_minor, final=row.final)
    moved = captured(payment, total_minor, row.fee_minor, final=row.final, online=False)
    after_minor = payment.captured_minor + total_minor
    difference_minor = 0
    if after_minor > payment.authorised_minor:
        difference_minor = after_minor - max(payment.authorised_minor, payment.captured_minor)
    elif row.final:
        difference_minor = after_minor - payment.authorised_minor
    return Effect("matched", moved, difference_minor=difference_minor)


def _reconciled(payment: Payment, total_minor: int, *, final: bool) -> Effect:
    """A message has posted it: the file only confirms. What differs is an operator's to settle, not ours to guess."""
    confirmed_minor = min(payment.online_minor, total_minor)
    left_minor = payment.online_minor - confirmed_minor
    difference_minor = total_minor - confirmed_minor
    if final and left_minor:
        difference_minor = -left_minor
        confirmed_minor = payment.online_minor
    noted = None
    if difference_minor:
        noted = ("clearing_differs", f"a message posted {payment.online_minor}, the file says {total_minor}")
    released_minor = payment.held_minor if final else 0
    moved = r.Moved(
        payment.hold_id,
        held_minor=-released_minor,
        online_minor=-confirmed_minor,
        ended="captured" if final and not payment.ended else "",
    )
    return Effect("reconciled", moved, posts=False, difference_minor=difference_minor, noted=noted)


def _refund(payment: Payment | None, row: Row) -> Effect:
    if payment is None:
        return Effect("forced")
    if payment.kind != "refund":
        return Effect("matched")  # the purchase that it gives back; what was captured of it stays captured
    if payment.ended in GONE:
        return Effect("forced")
    if payment.online_minor:
        return _reconciled(payment, row.amount_minor, final=row.final)
    difference_minor = 0
    if row.final:
        difference_minor = payment.captured_minor + row.amount_minor - payment.authorised_minor
    moved = captured(payment, row.amount_minor, 0, final=row.final, online=False)
    return Effect("matched", moved, difference_minor=difference_minor)


def _reversal(payment: Payment | None, row: Row) -> Effect:
    if payment is None or not payment.captured_minor:
        return Effect("forced")
    total_minor = row.amount_minor + row.fee_minor
    back_minor = min(payment.captured_minor, total_minor)
    moved = r.Moved(
        payment.hold_id,
        captured_minor=-back_minor,
        online_minor=-min(payment.online_minor, back_minor),
        fee_minor=-min(max(payment.fee_minor, 0), max(row.fee_minor, 0)),
    )
    return Effect("matched", moved, difference_minor=total_minor - back_minor)


def _dispute(payment: Payment | None, _row: Row) -> Effect:
    """A chargeback or representment: money only. What was captured stays captured while it is argued about."""
    return Effect("forced" if payment is None else "matched")


_EFFECTS = {
    "presentment": _presentment,
    "refund": _refund,
    "reversal": _reversal,
    "chargeback": _dispute,
    "representment": _dispute,
}


def end_file(state: ShardState, command: c.EndClearingFile, now_ms: int, _policy: c.Policy) -> Outcome:
    """Remember for good that every row of a file is posted. A second time changes nothing."""
    if command.sha256 in state.commons.clearing_files:
        return Outcome()
    record = r.ClearingFileEnded(now_ms, command.sha256, command.rows, command.audit)
    return Outcome(records=(record,), changed=True)
