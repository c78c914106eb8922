"""Money moves only in amounts above zero. Zero is a question about the card (a verification), not a payment."""

from rules.facts import Facts
from rules.reason import Reason, Transaction


def amount(facts: Facts) -> Reason | None:
    """INVALID_AMOUNT for a zero amount on anything but a verification."""
    if facts.amount_minor <= 0 and facts.transaction is not Transaction.VERIFICATION:
        return Reason.INVALID_AMOUNT
    return None
