"""What operators change: accounts, cards, their states and their funds. One function a command, for `decide`.

What came with the whole life of a payment (controls, replacements, holds, policies, second persons) is in
`operator_changes.py`. Each raises CommandRefused for what cannot be made. A retry under the same key finds the change
and makes no record.
"""

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import Account, Card, ChangeKept, ShardState
from rules import CardState


def made_before(changes: dict[str, ChangeKept], audit: r.Audit) -> bool:
    """Whether this very change was made under its key. Raises CommandRefused where the key was another change's."""
    kept = changes.get(audit.key)
    if kept is None:
        return False
    if kept.what != audit.what:
        raise c.CommandRefused("conflict", f"the key {audit.key!r} was used for another change ({kept.what})")
    return True


def account_named(state: ShardState, account_id: str) -> Account:
    account = state.accounts.get(account_id)
    if account is None:
        raise c.CommandRefused("not_found", f"there is no account {account_id!r}")
    return account


def card_named(state: ShardState, card_id: str) -> tuple[Account, Card]:
    account = state.cards.get(card_id)
    if account is None:
        raise c.CommandRefused("not_found", f"there is no card {card_id!r}")
    return account, account.cards[card_id]


def open_account(state: ShardState, command: c.OpenAccount, now_ms: int, _policy: c.Policy) -> Outcome:
    account = state.accounts.get(command.account_id)
    if account is not None:
        if made_before(account.changes, command.audit):
            return Outcome(account_id=account.account_id, changed=True)
        raise c.CommandRefused("conflict", f"the account {command.account_id!r} is open already")
    return Outcome(records=(_opened(command, now_ms),), account_id=command.account_id, changed=True)


def _opened(command: c.OpenAccount, now_ms: int) -> r.AccountOpened:
    return r.AccountOpened(
        at_ms=now_ms,
        account_id=command.account_id,
        currency=command.currency,
        credit_line_minor=command.credit_line_minor,
        time_zone=command.time_zone,
        audit=command.audit,
    )


def issue_card(state: ShardState, command: c.IssueCard, now_ms: int, _policy: c.Policy) -> Outcome:
    account = account_named(state, command.account_id)
    if made_before(account.changes, command.audit):
        return Outcome(account_id=account.account_id, changed=True)
    refuse_issued(state, command.token)
    return Outcome(records=(_issued(command, now_ms),), account_id=account.account_id, changed=True)


def refuse_issued(state: ShardState, token: bytes) -> None:
    if token in state.tokens:
        other = state.tokens[token][1].card_id
        raise c.CommandRefused("conflict", f"a card with this number exists already ({other})")


def _issued(command: c.IssueCard, now_ms: int) -> r.CardIssued:
    return r.CardIssued(
        at_ms=now_ms,
        account_id=command.account_id,
        card_id=command.card_id,
        token=command.token,
        key_version=command.key_version,
        last_four=command.last_four,
        expiry=command.expiry,
        expires_ms=command.expires_ms,
        state=command.state,
        audit=command.audit,
        funded_minor=command.funded_minor,
    )


def credit_account(state: ShardState, command: c.CreditAccount, now_ms: int, _policy: c.Policy) -> Outcome:
    account = account_named(state, command.account_id)
    if made_before(account.changes, command.audit):
        return Outcome(account_id=account.account_id, changed=True)
    posted = _funded(account.account_id, account.currency, command.amount_minor, command.audit, now_ms)
    return Outcome(records=(posted,), account_id=account.account_id, changed=True)


def _funded(account_id: str, currency: str, amount_minor: int, audit: r.Audit, now_ms: int) -> r.Posted:
    return r.Posted(
        at_ms=now_ms,
        account_id=account_id,
        kind="credit",
        amount_minor=amount_minor,
        book=f"funding:{currency}",
        audit=audit,
    )


_IN_USE = frozenset({CardState.INACTIVE, CardState.ACTIVE, CardState.FROZEN})
_CHANGES: dict[CardState, frozenset[CardState]] = {
    CardState.FROZEN: frozenset({CardState.ACTIVE}),
    CardState.ACTIVE: frozenset({CardState.FROZEN}),
    CardState.BLOCKED: _IN_USE,
    CardState.LOST: _IN_USE | {CardState.BLOCKED},
    CardState.STOLEN: _IN_USE | {CardState.BLOCKED},
    CardState.CLOSED: _IN_USE | {CardState.BLOCKED},
}
"""From which states an operator's change may come. What is lost, stolen or closed stays so: a found card is replaced. A
blocked one can only go on to these. An inactive card cannot be frozen: lifting that freeze would activate it."""
_ACTIVATION = frozenset({CardState.INACTIVE})


def change_card(state: ShardState, command: c.ChangeCardState, now_ms: int, _policy: c.Policy) -> Outcome:
    """Freeze, unfreeze, activate, block, close a card, or call it lost or stolen."""
    account, card = card_named(state, command.card_id)
    if made_before(account.changes, command.audit):
        if card.state is not command.after:
            text = f"that was done under this key, and undone since: the card is {card.state.value} now"
            raise c.CommandRefused("conflict", text)
        return Outcome(account_id=account.account_id, changed=True)
    if card.state is command.after:
        return Outcome(account_id=account.account_id)
    may_come_from = _ACTIVATION if command.activating else _CHANGES.get(command.after, frozenset())
    if card.state not in may_come_from:
        text = f"the card {card.card_id} is {card.state.value} and cannot become {command.after.value}"
        raise c.CommandRefused("conflict", text + _advice(card.state, command))
    changed = r.CardStateChanged(
        now_ms, account.account_id, card.card_id, card.state, command.after, command.audit
    )
    return Outcome(records=(changed,), account_id=account.account_id, changed=True)


def _advice(before: CardState, command: c.ChangeCardState) -> str:
    if command.activating and before is CardState.FROZEN:
        return " by activation; unfreeze it"
    if command.after is CardState.ACTIVE and before is CardState.INACTIVE:
        return " by unfreezing; activate it"
    return ""


def import_row(state: ShardState, command: c.ImportRow, now_ms: int, _policy: c.Policy) -> Outcome:
    _account, card = state.find(command.card.token)
    if card is not None:
        return _present_row(state, command, card)
    account = state.accounts.get(command.account.account_id)
    records: tuple[r.Record, ...] = (_issued(command.card, now_ms),)
    if account is None:
        records = (_opened(command.account, now_ms), *records)
    else:
        _same_currency(account, command)
    if command.credit_minor:
        money = _funded(
            command.account.account_id,
            command.account.currency,
            command.credit_minor,
            command.account.audit,
            now_ms,
        )
        records = (*records, money)
    return Outcome(records=records, account_id=command.account.account_id, changed=True)


def _same_currency(account: Account, command: c.ImportRow) -> None:
    if account.currency != command.account.currency:
        text = f"the account {account.account_id!r} is in {account.currency}, not {command.account.currency}"
        raise c.CommandRefused("conflict", text)


def _present_row(state: ShardState, command: c.ImportRow, card: Card) -> Outcome:
    """A number that is here already was funded in the same batch as it came: nothing is owed again."""
    account = state.cards[card.card_id]
    if account.account_id != command.account.account_id:
        raise c.CommandRefused("conflict", f"the card is on another account, {account.account_id!r}")
    _same_currency(account, command)
    if card.expiry != command.card.expiry:
        raise c.CommandRefused("conflict", f"the card is here with expiry {card.expiry}")
    if card.funded_minor != command.credit_minor:
        text = f"the card is here already, opened with a credit of {card.funded_minor}, not {command.credit_minor}"
        raise c.CommandRefused("conflict", f"{text}; credit the account by itself")
    return Outcome(account_id=account.account_id)
