"""Purchases, cash, cashback and verifications are decided; any other processing code is refused by name."""

from rules.facts import Facts
from rules.reason import Reason, Transaction


def transaction(facts: Facts) -> Reason | None:
    """UNSUPPORTED_TRANSACTION for a processing code that is not decided here."""
    if facts.transaction is Transaction.UNSUPPORTED:
        return Reason.UNSUPPORTED_TRANSACTION
    return None
