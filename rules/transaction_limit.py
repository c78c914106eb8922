"""One payment may be of so much, in all and by class of spending."""

from rules.facts import TRANSACTION, Facts
from rules.limits import limits_any, limits_these, own_limits, planned, told
from rules.programme import SPENDING, Programme
from rules.reason import Reason
from rules.rule import Judge, Rule


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: FBT001
    """TRANSACTION_LIMIT for an amount above the limit of any of its classes."""
    if not own and not limits_any(programme, "amount_minor", (TRANSACTION,)):
        return None
    plan = planned(programme, "amount_minor", (TRANSACTION,))

    def transaction_limit(facts: Facts) -> Reason | None:
        for _, _, most in plan(facts.classes, own_limits(facts) if own else ()):
            if facts.amount_minor > most:
                return Reason.TRANSACTION_LIMIT
        return None

    return transaction_limit


def _saw(programme: Programme, facts: Facts) -> str:
    return told(programme, facts, "amount_minor", (TRANSACTION,))


TRANSACTION_LIMIT = Rule(
    "transaction_limit", _make, _saw, SPENDING, concerns=limits_these("amount_minor", (TRANSACTION,))
)
