"""The order of the rules: for one request exactly one reason, the most useful one.

What the card is comes before what is asked of it, and funds come last: someone whose card is frozen must
not be told of an empty account, and a declined amount must not tell a thief that the card itself is good.
"""

from collections.abc import Callable

from rules.amount import amount
from rules.card_state import card_state
from rules.currency import currency
from rules.expiry import expiry
from rules.facts import Facts
from rules.funds import funds
from rules.reason import Reason, Transaction
from rules.transaction import transaction

ORDER: tuple[Callable[[Facts], Reason | None], ...] = (
    card_state,
    expiry,
    transaction,
    currency,
    amount,
    funds,
)


def evaluate(facts: Facts) -> Reason:
    """The first rule's reason to decline, else VERIFIED for a verification and APPROVED for the rest."""
    for rule in ORDER:
        reason = rule(facts)
        if reason is not None:
            return reason
    if facts.transaction is Transaction.VERIFICATION:
        return Reason.VERIFIED
    return Reason.APPROVED
