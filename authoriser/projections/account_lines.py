"""What a record means on an account: the lines that a customer or an operator would see, and by how much each moves it.

Pure: from one record to its lines, without balances. Knows nothing of files. Amounts are integers of minor units of
the account's currency.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from authoriser.ledger import records as r
from authoriser.ledger.clearing import SIGNS
from authoriser.ledger.payments import moves_of_old
from rules import Reason


class Line(Struct, frozen=True, gc=False):
    """One line. `gained_minor` changes the balance, `held_minor` what is held; `amount_minor` is what is shown.

    `payment` is the number of the record that began the payment, 0 where the line is of none.
    """

    kind: str
    status: str
    amount_minor: int
    gained_minor: int = 0
    held_minor: int = 0
    payment: int = 0
    reason: str = ""
    approval_code: str = ""


POSTED = "posted"
_GRANTED = frozenset({Reason.APPROVED, Reason.APPROVED_PARTIALLY, Reason.ADVICE_ACCEPTED})
_REFUND, _INQUIRIES = "20", frozenset({"30", "31"})
"""DE3, first two digits (ISO 8583:1987)."""


def lines_of(record: r.Record) -> list[Line]:
    """The record's lines, in the order in which they happen; none for what nobody looks for on an account."""
    found = _LINES.get(type(record))
    return list(found(record)) if found is not None else []


def _decided(record: r.Decided) -> Iterator[Line]:
    said, reason = record.particulars, record.reason
    if reason is Reason.VERIFIED:
        yield Line("verification", "approved", 0, approval_code=record.approval_code)
    elif reason is Reason.BALANCE_GIVEN:
        yield Line("inquiry", "given", 0)
    elif reason in _GRANTED:
        yield from _granted(record)
    else:
        yield Line(_asked(said), "declined", said.amount_minor, reason=reason.value)


def _asked(said: r.Particulars) -> str:
    asked = said.processing_code[:2]
    return "refund" if asked == _REFUND else "inquiry" if asked in _INQUIRIES else "authorisation"


def _granted(record: r.Decided) -> Iterator[Line]:
    said, hold, code = record.particulars, record.hold, record.approval_code
    payment = hold.hold_id if hold is not None else record.moved[0].hold_id if record.moved else 0
    reason = record.reason.value if record.reason is not Reason.APPROVED else ""
    lines = [*_moved(record.moved, code), *_posted(record.entries, payment, code)]
    if hold is not None and hold.amount_minor:
        held_minor = hold.amount_minor
        yield Line(_asked(said), "approved", held_minor, 0, held_minor, payment, reason, code)
    elif hold is not None and not record.entries:  # an authorised refund: the money comes with its clearing
        yield Line(_asked(said), "approved", said.amount_minor, 0, 0, payment, reason, code)
    elif not lines:
        yield Line("advice", "noted", said.amount_minor, 0, 0, payment)
    yield from lines


def _reversed(record: r.Reversed) -> Iterator[Line]:
    lines = [*_moved(record.moved or moves_of_old(record)), *_posted(record.entries, record.hold_id)]
    if not lines:
        lines = [Line("reversal", "noted", 0, payment=record.hold_id, reason=record.reason.value)]
    yield from lines


def _hold_ended(record: r.HoldVoided | r.HoldExpired) -> Iterator[Line]:
    yield from _moved(record.moved or moves_of_old(record))
    if isinstance(record, r.HoldVoided):
        yield from _posted(record.entries, record.hold_id, reason=record.reason.value)


def _cleared(record: r.Cleared) -> Iterator[Line]:
    yield from _moved(record.moved)
    lines = list(_posted(record.entries, record.hold_id, reason=record.outcome))
    if not lines:  # a message posted it before, or it is in a currency that the account has none of
        status = "confirmed" if record.outcome == "reconciled" else record.outcome
        amount_minor = SIGNS[record.kind] * record.amount_minor
        lines = [Line(record.kind, status, amount_minor, payment=record.hold_id, reason=record.outcome)]
    yield from lines


def _credited(record: r.Posted) -> Iterator[Line]:
    yield Line(record.kind, POSTED, record.amount_minor, record.amount_minor, reason=record.audit.reason)


def _by_operator(record: r.HoldReleased | r.Adjusted | r.ExceptionSettled) -> Iterator[Line]:
    reason = record.audit.reason
    moved = record.moved if not isinstance(record, r.Adjusted) else ()
    yield from _moved(moved, reason=reason)
    if not isinstance(record, r.HoldReleased):
        yield from _posted(record.entries, moved[0].hold_id if moved else 0, reason=reason)


def _moved(moved: Iterable[r.Moved], code: str = "", reason: str = "") -> Iterator[Line]:
    """What becomes of holds, whether or not something is posted in the same step."""
    for move in moved:
        by_minor = move.held_minor
        if by_minor:
            status = "grown" if by_minor > 0 else move.ended or "released"
            yield Line("hold", status, by_minor, 0, by_minor, move.hold_id, reason, code)


def _posted(entries: Iterable[r.Entry], payment: int, code: str = "", reason: str = "") -> Iterator[Line]:
    """Postings on the account itself; what stands against another book is none of it."""
    for entry in entries:
        if not entry.other:
            gained_minor = entry.amount_minor
            yield Line(entry.kind, POSTED, gained_minor, gained_minor, 0, payment, reason, code)


_LINES: dict[type, Callable[[Any], Iterator[Line]]] = {
    r.Decided: _decided,
    r.Reversed: _reversed,
    r.HoldVoided: _hold_ended,
    r.HoldExpired: _hold_ended,
    r.Cleared: _cleared,
    r.Posted: _credited,
    r.HoldReleased: _by_operator,
    r.Adjusted: _by_operator,
    r.ExceptionSettled: _by_operator,
}
