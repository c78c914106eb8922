"""Purchases, cash, cashback, refunds, inquiries and verifications are decided; any other processing code is refused."""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import Reason, Transaction
from rules.rule import Judge, Rule


def transaction(facts: Facts) -> Reason | None:
    """UNSUPPORTED_TRANSACTION for a processing code that is not decided here."""
    if facts.transaction is Transaction.UNSUPPORTED:
        return Reason.UNSUPPORTED_TRANSACTION
    return None


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return transaction


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    return f"asked for: {facts.transaction}"


TRANSACTION = Rule("transaction", _make, _saw, frozenset({Transaction.UNSUPPORTED}))
