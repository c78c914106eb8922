"""Which rules have a short way past them, because nearly every payment passes: one question for eight rules.

Owns what that way answers for; the question itself stands in `Asked.evaluate` (`sort`), which asks it. Asked first, it
is all that a purchase of a common sort is asked under the default policy. It says yes only where each of those rules
would say nothing; where it says no they are all asked, in their order, for the one reason. That the two agree is tested
with the rules themselves.
"""

from rules.facts import TRANSACTION
from rules.limits import least
from rules.programme import Programme
from rules.reason import Transaction

COVERED = frozenset({"card_state", "expiry", "currency", "amount", "authentication", "funds"})
"""Names of the rules that it always answers for."""
OF = frozenset({Transaction.PURCHASE, Transaction.CASH})
"""Of cashback the cash part has to be looked at too."""


def covered(programme: Programme, *, own: bool) -> frozenset[str]:
    """Names of the rules that it answers for: of a policy, and of cards with controls of their `own` or without.

    A MAC that has to be there, and limits of a card's own, it knows nothing of.
    """
    names = COVERED if programme.authentication.mac else COVERED | {"message"}
    return names if own else names | {"transaction_limit"}


def most_for(programme: Programme, classes: tuple[str, ...]) -> int:
    """What one payment of these classes may be of: the least of the programme's limits for it."""
    return least(programme, "amount_minor", TRANSACTION, classes)
