"""What the records of payments say as events: decisions, reversals, holds, clearing, and what an operator must look at.

Owns the names and details of these events, not their envelope. No token and no key of a duplicate stands in them:
cards go by id and last four. Amounts are integers of minor units; `moved` holds differences, `entries` what the
account gains.
"""

from collections.abc import Callable, Iterable
from typing import Any

from authoriser.ledger import records as r
from authoriser.texts import currency_letters, iso_time
from rules import Reason

Details = dict[str, Any]

_NAMED_BY_REASON = {
    Reason.VERIFIED: "card.authorisation.verified",
    Reason.BALANCE_GIVEN: "card.balance.given",
    Reason.ADVICE_ACCEPTED: "card.advice.accepted",
}
_APPROVALS = frozenset({Reason.APPROVED, Reason.APPROVED_PARTIALLY})


def _decided(record: r.Decided) -> tuple[str, Details]:
    details = _card(record) | particulars_shown(record.particulars)
    details["reason"] = record.reason.value
    details["response_code"] = record.response_code
    if record.approval_code:
        details["approval_code"] = record.approval_code
    if record.approved_minor:
        details["approved_minor"] = record.approved_minor
    if record.hold is not None:
        details["hold_id"] = str(record.hold.hold_id)
        details["held_minor"] = record.hold.amount_minor
        details["expires_at"] = iso_time(record.hold.expires_ms)
        if record.hold.captured_minor:
            details["captured_minor"] = record.hold.captured_minor
        if record.hold.fee_minor:
            details["fee_minor"] = record.hold.fee_minor
    elif len(record.moved) == 1:
        details["hold_id"] = str(record.moved[0].hold_id)
    if record.matched_by:
        details["matched_by"] = record.matched_by
    if record.amounts:
        details["amounts"] = [_amount_given(given) for given in record.amounts]
    return decision_name(record), details | _effects(record.moved, record.entries)


def decision_name(record: r.Decided) -> str:
    """The type of a decision's event. A request that was declined has one name, whatever it asked for."""
    if record.reason not in _APPROVALS:
        return _NAMED_BY_REASON.get(record.reason, "card.authorisation.declined")
    said = record.particulars
    refund = record.hold is not None and record.hold.kind == "refund"
    if said.mti.startswith("02"):
        return "card.refund.posted" if refund else "card.payment.posted"
    return "card.refund.approved" if refund else "card.authorisation.approved"


def _reversed(record: r.Reversed) -> tuple[str, Details]:
    details = _card(record) | particulars_shown(record.particulars)
    details["reason"] = record.reason.value
    details["response_code"] = record.response_code
    details["hold_id"] = str(record.hold_id) if record.hold_id else None
    details["released_minor"] = record.released_minor
    details["remaining_minor"] = record.remaining_minor
    if record.matched_by:
        details["matched_by"] = record.matched_by
    return "card.reversal.accepted", details | _effects(record.moved, record.entries)


def _cleared(record: r.Cleared) -> tuple[str, Details]:
    details = _card(record) | particulars_shown(record.particulars)
    return "clearing.posted", details | {
        "kind": record.kind,
        "outcome": record.outcome,
        "amount_minor": record.amount_minor,
        "fee_minor": record.fee_minor,
        "difference_minor": record.difference_minor,
        "hold_id": str(record.hold_id) if record.hold_id else None,
        "matched_by": record.matched_by or None,
        "settlement": record.settlement,
        **_effects(record.moved, record.entries),
    }


def _card(record: r.Decided | r.Reversed | r.Cleared) -> Details:
    return {
        "account": record.account_id or None,
        "card_id": record.card_id or None,
        "last_four": record.last_four,
    }


def particulars_shown(said: r.Particulars) -> Details:
    """What a message or a clearing row said, by name; what it did not say is left out."""
    named = {
        "network": said.network,
        "link": said.link,
        "mti": said.mti,
        "amount_minor": said.amount_minor,
        "currency": currency_letters(said.currency),
        "processing_code": said.processing_code,
        "merchant": said.merchant,
        "city": said.city,
        "country": said.country,
        "mcc": said.mcc,
        "entry_mode": said.entry_mode,
        "merchant_id": said.merchant_id,
        "terminal_id": said.terminal_id,
        "acquirer": said.acquirer,
        "rrn": said.rrn,
        "stan": said.stan,
        "transmission": said.transmission,
        "network_id": said.network_id,
        "reference": said.reference,
    }
    if said.transaction_currency:
        named["transaction_minor"] = said.transaction_minor
        named["transaction_currency"] = currency_letters(said.transaction_currency)
    return {name: value for name, value in named.items() if value != ""}


def _amount_given(given: r.AmountGiven) -> Details:
    return {
        "kind": given.kind,
        "amount_minor": given.amount_minor,
        "currency": currency_letters(given.currency),
    }


def _effects(moved: Iterable[r.Moved], entries: Iterable[r.Entry]) -> Details:
    """`moved` and `entries`, each left out where there is none."""
    details: Details = {}
    if moves := [_moved(move) for move in moved]:
        details["moved"] = moves
    if posted := [entry_shown(entry) for entry in entries]:
        details["entries"] = posted
    return details


def _moved(move: r.Moved) -> Details:
    differences = {
        "held_minor": move.held_minor,
        "authorised_minor": move.authorised_minor,
        "captured_minor": move.captured_minor,
        "online_minor": move.online_minor,
        "fee_minor": move.fee_minor,
    }
    shown: Details = {"hold_id": str(move.hold_id)} | {name: by for name, by in differences.items() if by}
    if move.expires_ms:
        shown["expires_at"] = iso_time(move.expires_ms)
    if move.approval_code:
        shown["approval_code"] = move.approval_code
    if move.ended:
        shown["ended"] = move.ended
    return shown


def entry_shown(entry: r.Entry) -> Details:
    """A double entry: what the account gains, and the book that loses it. The currency is the book's last part."""
    shown = {
        "kind": entry.kind,
        "amount_minor": entry.amount_minor,
        "currency": currency_letters(entry.book.rpartition(":")[2]),
        "book": entry.book,
    }
    return shown | {"other": entry.other} if entry.other else shown


def _hold(kind: str) -> Callable[[Any], tuple[str, Details]]:
    def event(record: r.HoldVoided | r.HoldExpired | r.AnswerUnknown) -> tuple[str, Details]:
        details: Details = {
            "account": record.account_id,
            "card_id": record.card_id,
            "hold_id": str(record.hold_id),
        }
        if isinstance(record, r.HoldVoided | r.HoldExpired):
            details["released_minor"] = record.released_minor
            details |= _effects(record.moved, record.entries if isinstance(record, r.HoldVoided) else ())
        return kind, details

    return event


def _exception_noted(record: r.ExceptionNoted) -> tuple[str, Details]:
    details: Details = {
        "exception_id": record.exception_id,
        "kind": record.kind,
        "link": record.link,
        "network": record.network,
        "mti": record.mti,
        "field": record.field or None,
        "detail": record.detail,
        "last_four": record.card_last_four or None,
        "amount_minor": record.amount_minor,
    }
    if record.on_account:
        details["account"] = record.on_account
    if record.candidates:
        details["candidates"] = [str(hold_id) for hold_id in record.candidates]
    return "exception.noted", details


PAYMENT_EVENTS: dict[type, Callable[[Any], tuple[str, Details]]] = {
    r.Decided: _decided,
    r.Reversed: _reversed,
    r.HoldVoided: _hold("hold.voided"),
    r.HoldExpired: _hold("hold.expired"),
    r.AnswerUnknown: _hold("hold.answer_unknown"),
    r.Cleared: _cleared,
    r.ExceptionNoted: _exception_noted,
}
"""From a record's type to its event's type and details."""
