"""Only an active card spends. A freeze is the customer's own and can be lifted; the others say more."""

from rules.facts import Facts
from rules.reason import CardState, Reason

_REASONS = {
    CardState.INACTIVE: Reason.CARD_INACTIVE,
    CardState.FROZEN: Reason.CARD_FROZEN,
    CardState.BLOCKED: Reason.CARD_BLOCKED,
    CardState.LOST: Reason.CARD_LOST,
    CardState.STOLEN: Reason.CARD_STOLEN,
    CardState.CLOSED: Reason.CARD_CLOSED,
}


def card_state(facts: Facts) -> Reason | None:
    """The reason of the card's state, or None for an active card."""
    return _REASONS.get(facts.card_state)
