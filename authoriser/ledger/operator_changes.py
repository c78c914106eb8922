"""What operators change besides accounts and card states: controls, replacements, holds, balances, the policy,
proposals.

One function a command, for `decide`; `DECIDE` has those of `operators.py` too. Each raises CommandRefused for what
cannot be made. A retry under the same key finds the change and makes no record.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from authoriser.ledger import commands as c
from authoriser.ledger import operators
from authoriser.ledger import records as r
from authoriser.ledger.common import returned_parts
from authoriser.ledger.operators import account_named, card_named, made_before, refuse_issued
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import Account, Card, Proposal, ShardState
from rules import CardState, PolicyError, read_policy

PROPOSAL_ID_DIGITS = 12
"""Hexadecimal: 48 bits, over the few proposals that wait at once."""


def proposal_id(key: str) -> str:
    """The name of a proposal, made of its client's key: a retry asks for the same one."""
    return "prop_" + hashlib.sha256(key.encode()).hexdigest()[:PROPOSAL_ID_DIGITS]


# ---- cards


def replace_card(state: ShardState, command: c.ReplaceCard, now_ms: int, _policy: c.Policy) -> Outcome:
    """A new number beside the old one, which ends by itself. A card is replaced once: its successor is next."""
    account, old = card_named(state, command.old_card_id)
    if made_before(account.changes, command.audit):
        return Outcome(account_id=account.account_id, changed=True)
    refuse_issued(state, command.card.token)
    if old.closes_ms:
        text = f"the card {old.card_id} was replaced already; replace its successor {_newest(account, old).card_id}"
        raise c.CommandRefused("conflict", text)
    if old.state is CardState.CLOSED:
        text = f"the card {old.card_id} is closed, and its customer wants none in its place; issue a new one"
        raise c.CommandRefused("conflict", text)
    new = command.card
    replaced = r.CardReplaced(
        at_ms=now_ms,
        account_id=account.account_id,
        old_card_id=old.card_id,
        old_closes_ms=command.old_closes_ms,
        card_id=new.card_id,
        token=new.token,
        key_version=new.key_version,
        last_four=new.last_four,
        expiry=new.expiry,
        expires_ms=new.expires_ms,
        state=new.state,
        audit=command.audit,
    )
    return Outcome(records=(replaced,), account_id=account.account_id, changed=True)


def _newest(account: Account, card: Card) -> Card:
    name = card.family or card.card_id
    return [other for other in account.cards.values() if (other.family or other.card_id) == name][-1]


def set_controls(state: ShardState, command: c.SetControls, now_ms: int, _policy: c.Policy) -> Outcome:
    """What one card has otherwise than its programme."""
    account, card = card_named(state, command.card_id)
    if made_before(account.changes, command.audit):
        return Outcome(account_id=account.account_id, changed=True)
    if card.controls == command.controls:
        return Outcome(account_id=account.account_id)
    changed = r.ControlsChanged(now_ms, account.account_id, card.card_id, command.controls, command.audit)
    return Outcome(records=(changed,), account_id=account.account_id, changed=True)


# ---- money


def release_hold(state: ShardState, command: c.ReleaseHold, now_ms: int, _policy: c.Policy) -> Outcome:
    """Let go of everything a payment still holds, and give it back to its card's limits."""
    account = account_named(state, command.account_id)
    if made_before(account.changes, command.audit):
        return Outcome(account_id=account.account_id, changed=True)
    payment = account.payments.get(command.hold_id)
    if payment is None or not payment.held_minor:
        text = f"the account {account.account_id!r} has no open hold {command.hold_id}"
        raise c.CommandRefused("not_found", text)
    held = payment.held_minor
    moved = r.Moved(
        payment.hold_id,
        held_minor=-held,
        authorised_minor=-min(held, payment.authorised_minor),
        ended="released",
        returned_minor=held,
        # What was captured of it stays a payment, and goes on counting as one.
        returned_times=0 if payment.captured_minor else 1,
        returned=returned_parts(payment, held),
    )
    released = r.HoldReleased(now_ms, account.account_id, payment.card_id, (moved,), command.audit)
    return Outcome(records=(released,), account_id=account.account_id, changed=True)


def adjust_balance(state: ShardState, command: c.AdjustBalance, now_ms: int, _policy: c.Policy) -> Outcome:
    """Money up or down, against the book of adjustments."""
    account = account_named(state, command.account_id)
    if made_before(account.changes, command.audit):
        return Outcome(account_id=account.account_id, changed=True)
    entry = r.Entry("adjustment", command.amount_minor, f"adjustments:{account.currency}")
    adjusted = r.Adjusted(now_ms, account.account_id, (entry,), command.audit)
    return Outcome(records=(adjusted,), account_id=account.account_id, changed=True)


# ---- the policy


def load_policy(state: ShardState, command: c.LoadPolicy, now_ms: int, _policy: c.Policy) -> Outcome:
    """New rules for every later request. What is no policy is refused, and the old one stays."""
    if made_before(state.commons.changes, command.audit):
        return Outcome(changed=True)
    try:
        rules = read_policy(command.text)
    except PolicyError as error:
        raise c.CommandRefused("conflict", str(error)) from None
    if rules.version == state.rules.version:
        return Outcome()
    return Outcome(
        records=(r.PolicyChanged(now_ms, rules.version, command.text, command.audit),), changed=True
    )


# ---- the second person


def propose_change(state: ShardState, command: c.ProposeChange, now_ms: int, _policy: c.Policy) -> Outcome:
    """A change that waits for somebody else's word."""
    commons = state.commons
    if made_before(commons.changes, command.audit):
        if _waiting(state, command.proposal_id, now_ms) is None:
            text = f"it was proposed under this key ({command.proposal_id}), and came to nothing; ask with a new key"
            raise c.CommandRefused("conflict", text)
        return Outcome(changed=True)
    proposed = r.ChangeProposed(
        at_ms=now_ms,
        proposal_id=command.proposal_id,
        method=command.method,
        params=command.params,
        forget_ms=command.forget_ms,
        audit=command.audit,
    )
    return Outcome(records=(proposed,), changed=True)


def end_proposal(state: ShardState, command: c.EndProposal, now_ms: int, _policy: c.Policy) -> Outcome:
    """Confirmed by another user than who proposed it, or withdrawn by anybody who may change things."""
    if made_before(state.commons.changes, command.audit):
        return Outcome(changed=True)
    proposal = _waiting(state, command.proposal_id, now_ms)
    if proposal is None:
        text = f"no proposal {command.proposal_id!r} waits; it was confirmed, withdrawn or forgotten, or never was"
        raise c.CommandRefused("not_found", text)
    if command.confirm and proposal.uid == command.audit.uid:
        text = f"uid {proposal.uid} proposed it; somebody else has to confirm it"
        raise c.CommandRefused("forbidden", text)
    resolution = "confirmed" if command.confirm else "withdrawn"
    ended = r.ProposalEnded(now_ms, command.proposal_id, resolution, command.audit)
    return Outcome(records=(ended,), changed=True)


def _waiting(state: ShardState, name: str, now_ms: int) -> Proposal | None:
    """Forgotten by the clock of this decision: a record drops it only when one next comes by."""
    proposal = state.commons.proposals.get(name)
    return proposal if proposal is not None and proposal.forget_ms > now_ms else None


# ---- looks


def note_look(_state: ShardState, command: c.NoteLook, now_ms: int, _policy: c.Policy) -> Outcome:
    """Somebody read a card or an account. Each time is a record of its own."""
    return Outcome(records=(r.Looked(now_ms, command.what, command.actor, command.uid),))


DECIDE: dict[type, Callable[[ShardState, Any, int, c.Policy], Outcome]] = {
    c.OpenAccount: operators.open_account,
    c.IssueCard: operators.issue_card,
    c.CreditAccount: operators.credit_account,
    c.ChangeCardState: operators.change_card,
    c.ImportRow: operators.import_row,
    c.ReplaceCard: replace_card,
    c.SetControls: set_controls,
    c.ReleaseHold: release_hold,
    c.AdjustBalance: adjust_balance,
    c.LoadPolicy: load_policy,
    c.ProposeChange: propose_change,
    c.EndProposal: end_proposal,
    c.NoteLook: note_look,
}
"""Every command of an operator, but the settling of exceptions."""
