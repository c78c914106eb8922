"""What operators' records say as events: accounts, cards, money, policies, proposals and looks, and who did it and why.

Owns the names and details of these events, not their envelope. No token stands in them: cards go by id and last four.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from authoriser.ledger import records as r
from authoriser.texts import currency_letters, iso_time
from rules import Controls


def _account_opened(record: r.AccountOpened) -> tuple[str, dict[str, Any]]:
    return "account.opened", {
        "account": record.account_id,
        "currency": currency_letters(record.currency),
        "credit_line_minor": record.credit_line_minor,
        "time_zone": record.time_zone,
        **_audit(record.audit),
    }


def _posted(record: r.Posted) -> tuple[str, dict[str, Any]]:
    book, _, currency = record.book.rpartition(":")
    return "account.credited", {
        "account": record.account_id,
        "amount_minor": record.amount_minor,
        "currency": currency_letters(currency),
        "book": book,
        **_audit(record.audit),
    }


def _card_issued(record: r.CardIssued) -> tuple[str, dict[str, Any]]:
    return "card.issued", {
        "account": record.account_id,
        "card_id": record.card_id,
        "last_four": record.last_four,
        "state": record.state.value,
        **_audit(record.audit),
    }


def _card_state_changed(record: r.CardStateChanged) -> tuple[str, dict[str, Any]]:
    return "card.state_changed", {
        "account": record.account_id,
        "card_id": record.card_id,
        "before": record.before.value,
        "after": record.after.value,
        **_audit(record.audit),
    }


def _card_replaced(record: r.CardReplaced) -> tuple[str, dict[str, Any]]:
    return "card.replaced", {
        "account": record.account_id,
        "card_id": record.card_id,
        "last_four": record.last_four,
        "state": record.state.value,
        "old_card_id": record.old_card_id,
        "old_closes_at": iso_time(record.old_closes_ms),
        **_audit(record.audit),
    }


def _controls_changed(record: r.ControlsChanged) -> tuple[str, dict[str, Any]]:
    return "card.controls_changed", {
        "account": record.account_id,
        "card_id": record.card_id,
        "controls": _controls(record.controls),
        **_audit(record.audit),
    }


def _controls(controls: Controls | None) -> dict[str, Any] | None:
    """What is set, by its name: what leaves the programme's word has no place in it."""
    if controls is None:
        return None
    said = {name: value for name, value in msgspec.structs.asdict(controls).items() if value is not None}
    said["limits"] = [
        {
            "spending": limit.spending,
            "window": limit.window,
            "amount_minor": limit.amount_minor,
            "count": limit.count,
            "until": iso_time(limit.until_ms) if limit.until_ms else None,
        }
        for limit in controls.limits
    ]
    return said


def _hold_released(record: r.HoldReleased) -> tuple[str, dict[str, Any]]:
    return "hold.released", {
        "account": record.account_id,
        "card_id": record.card_id,
        "hold_id": str(record.moved[0].hold_id),
        "released_minor": -sum(moved.held_minor for moved in record.moved),
        **_audit(record.audit),
    }


def _adjusted(record: r.Adjusted) -> tuple[str, dict[str, Any]]:
    book, _, currency = record.entries[0].book.rpartition(":")
    return "account.adjusted", {
        "account": record.account_id,
        "amount_minor": sum(entry.amount_minor for entry in record.entries),
        "currency": currency_letters(currency),
        "book": book,
        **_audit(record.audit),
    }


def _policy_changed(record: r.PolicyChanged) -> tuple[str, dict[str, Any]]:
    return "policy.changed", {"version": record.version, "text": record.text, **_audit(record.audit)}


def _exception_settled(record: r.ExceptionSettled) -> tuple[str, dict[str, Any]]:
    details: dict[str, Any] = {
        "account": record.account_id or None,
        "exception_id": record.exception_id,
        "resolution": record.resolution,
    }
    if record.moved:
        details["hold_id"] = str(record.moved[0].hold_id)
        details["released_minor"] = -sum(moved.held_minor for moved in record.moved)
    if record.entries:
        details["amount_minor"] = sum(entry.amount_minor for entry in record.entries)
    return "exception.settled", details | _audit(record.audit)


def _change_proposed(record: r.ChangeProposed) -> tuple[str, dict[str, Any]]:
    asked = msgspec.json.decode(record.params)
    what = {name: value for name, value in asked.items() if name not in _WORDS}
    return "change.proposed", {
        "proposal": record.proposal_id,
        "method": record.method,
        "asked": what,
        "until": iso_time(record.forget_ms),
        **_audit(record.audit),
    }


_WORDS = frozenset({"key", "actor", "reason"})
"""What every change is asked with, and the audit says already."""


def _proposal_ended(record: r.ProposalEnded) -> tuple[str, dict[str, Any]]:
    return f"change.{record.resolution}", {"proposal": record.proposal_id, **_audit(record.audit)}


def _looked(record: r.Looked) -> tuple[str, dict[str, Any]]:
    method, _, target = record.what.partition(":")
    return "operator.looked", {
        "method": method,
        "target": target,
        "actor": record.actor,
        "uid": record.uid,
    }


def _clearing_file_ended(record: r.ClearingFileEnded) -> tuple[str, dict[str, Any]]:
    return "clearing.file_posted", {
        "file_sha256": record.sha256,
        "rows": record.rows,
        **_audit(record.audit),
    }


def _audit(audit: r.Audit) -> dict[str, Any]:
    return {"actor": audit.actor, "uid": audit.uid, "audit_reason": audit.reason}


OPERATOR_EVENTS: dict[type, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    r.AccountOpened: _account_opened,
    r.CardIssued: _card_issued,
    r.Posted: _posted,
    r.CardStateChanged: _card_state_changed,
    r.CardReplaced: _card_replaced,
    r.ControlsChanged: _controls_changed,
    r.HoldReleased: _hold_released,
    r.Adjusted: _adjusted,
    r.PolicyChanged: _policy_changed,
    r.ExceptionSettled: _exception_settled,
    r.ChangeProposed: _change_proposed,
    r.ProposalEnded: _proposal_ended,
    r.Looked: _looked,
    r.ClearingFileEnded: _clearing_file_ended,
}
"""From a record's type to its event's type and details."""
