"""What operators' records do to an account and to the commons, beyond their money. For `apply`; no rule runs here.

Every `moved` and `entries` of a record is applied by `apply` itself. What is left is here: new cards and controls, the
policy, proposals, and the clients' keys under which changes were made.
"""

from collections.abc import Callable
from typing import Any

from authoriser.ledger import records as r
from authoriser.ledger.state import Account, Card, ChangeKept, Commons, Proposal, ShardState


def keep_change(account: Account, audit: r.Audit) -> None:
    """Remember the client's key of a change to an account, for its retries."""
    if not audit.forget_ms:
        return  # an import: the card's own presence says that its row was done, for ever
    account.changes[audit.key] = ChangeKept(what=audit.what, forget_ms=audit.forget_ms)
    account.next_forget_ms = min(account.next_forget_ms, audit.forget_ms)


def keep_common_change(commons: Commons, audit: r.Audit) -> None:
    """The same for a change that belongs to no account."""
    if audit.forget_ms:
        commons.changes[audit.key] = ChangeKept(what=audit.what, forget_ms=audit.forget_ms)
        commons.changes_next_forget_ms = min(commons.changes_next_forget_ms, audit.forget_ms)


# ---- accounts


def _card_replaced(state: ShardState, account: Account, record: r.CardReplaced) -> None:
    """The new card begins with what the old one had: its controls, and what it has used of its limits."""
    old = account.cards[record.old_card_id]
    old.closes_ms = record.old_closes_ms
    old.replaced_no = state.record_no
    card = Card(
        card_id=record.card_id,
        token=record.token,
        key_version=record.key_version,
        last_four=record.last_four,
        expiry=record.expiry,
        expires_ms=record.expires_ms,
        state=record.state,
        family=old.family or old.card_id,
        controls=old.controls,
        usage=dict(old.usage) if old.usage is not None else None,
        recent=list(old.recent) if old.recent is not None else None,
        contactless_count=old.contactless_count,
        contactless_minor=old.contactless_minor,
        contactless_from_no=old.contactless_from_no,
        spent=old.spent,
    )
    state.issue(account, card)
    keep_change(account, record.audit)


def _controls_changed(_state: ShardState, account: Account, record: r.ControlsChanged) -> None:
    account.cards[record.card_id].controls = record.controls
    keep_change(account, record.audit)


def _money_moved(_state: ShardState, account: Account, record: r.HoldReleased | r.Adjusted) -> None:
    keep_change(account, record.audit)


# ---- the commons


def _policy_changed(commons: Commons, record: r.PolicyChanged) -> None:
    commons.policy_version = record.version
    commons.policy_text = record.text
    keep_common_change(commons, record.audit)


def _change_proposed(commons: Commons, record: r.ChangeProposed) -> None:
    keep_common_change(commons, record.audit)
    commons.proposals[record.proposal_id] = Proposal(
        at_ms=record.at_ms,
        method=record.method,
        params=record.params,
        forget_ms=record.forget_ms,
        actor=record.audit.actor,
        uid=record.audit.uid,
        reason=record.audit.reason,
    )
    commons.changes_next_forget_ms = min(commons.changes_next_forget_ms, record.forget_ms)


def _proposal_ended(commons: Commons, record: r.ProposalEnded) -> None:
    commons.proposals.pop(record.proposal_id, None)
    keep_common_change(commons, record.audit)


def _looked(_commons: Commons, _record: r.Looked) -> None:
    """Nothing but that the journal has it."""


ON_ACCOUNT: dict[type, Callable[[ShardState, Account, Any], None]] = {
    r.CardReplaced: _card_replaced,
    r.ControlsChanged: _controls_changed,
    r.HoldReleased: _money_moved,
    r.Adjusted: _money_moved,
}

ON_COMMONS: dict[type, Callable[[Commons, Any], None]] = {
    r.PolicyChanged: _policy_changed,
    r.ChangeProposed: _change_proposed,
    r.ProposalEnded: _proposal_ended,
    r.Looked: _looked,
}
