"""No approval takes available funds below zero: balance plus credit line less everything held."""

from rules.facts import Facts
from rules.reason import Reason


def funds(facts: Facts) -> Reason | None:
    """INSUFFICIENT_FUNDS where the amount is more than what is available. A zero amount always fits."""
    if facts.amount_minor > facts.available_minor and facts.amount_minor > 0:
        return Reason.INSUFFICIENT_FUNDS
    return None
