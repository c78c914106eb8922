"""Only an active card spends. A freeze is the customer's own and can be lifted; the others say more.

A card that was replaced stays good until its `closes_ms` and is closed from then on, whatever its state: only that it
was lost or stolen is worth more to know, because someone may have it.
"""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import CardState, Reason, Transaction
from rules.rule import USES_OF_A_CARD, Judge, Rule

_REASONS = {
    CardState.INACTIVE: Reason.CARD_INACTIVE,
    CardState.FROZEN: Reason.CARD_FROZEN,
    CardState.BLOCKED: Reason.CARD_BLOCKED,
    CardState.LOST: Reason.CARD_LOST,
    CardState.STOLEN: Reason.CARD_STOLEN,
    CardState.CLOSED: Reason.CARD_CLOSED,
}
_GONE = frozenset({CardState.LOST, CardState.STOLEN})


def card_state(facts: Facts) -> Reason | None:
    """The reason of the card's state, CARD_CLOSED from `closes_ms` on, or None for an active card."""
    if facts.closes_ms and facts.now_ms >= facts.closes_ms and facts.card_state not in _GONE:
        return Reason.CARD_CLOSED
    if facts.card_state is CardState.ACTIVE:
        return None
    return _REASONS.get(facts.card_state)


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return card_state


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    if not facts.closes_ms:
        return f"the card is {facts.card_state}"
    past = "is over" if facts.now_ms >= facts.closes_ms else "runs still"
    return f"the card is {facts.card_state}; it was replaced, and its overlap {past}"


CARD_STATE = Rule("card_state", _make, _saw, USES_OF_A_CARD | {Transaction.UNSUPPORTED})
