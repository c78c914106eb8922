"""A short way past the rules that nearly every payment passes: one question for eight rules.

Asked first, it is all that a purchase of a common sort is asked under the default policy. It says yes only where each
of those rules would say nothing; where it says no they are all asked, in their order, for the one reason. That the two
agree is tested with the rules themselves.
"""

from rules.facts import NO_CHECKS, TRANSACTION, Facts
from rules.limits import least
from rules.programme import Programme
from rules.reason import CardState, Check, Transaction

COVERED = frozenset({"card_state", "expiry", "currency", "amount", "authentication", "funds"})
"""Names of the rules that `plain` always answers for."""
OF = frozenset({Transaction.PURCHASE, Transaction.CASH})
"""Of cashback the cash part has to be looked at too."""

_ACTIVE = CardState.ACTIVE
_NOT_FAILED = frozenset({Check.ABSENT, Check.NOT_CHECKED, Check.PASSED})


def covered(programme: Programme, *, own: bool) -> frozenset[str]:
    """Names of the rules that `plain` answers for: of a policy, and of cards with controls of their `own` or without.

    A MAC that has to be there, and limits of a card's own, it knows nothing of.
    """
    names = COVERED if programme.authentication.mac else COVERED | {"message"}
    return names if own else names | {"transaction_limit"}


def most_for(programme: Programme, classes: tuple[str, ...]) -> int:
    """What one payment of these classes may be of: the least of the programme's limits for it."""
    return least(programme, "amount_minor", TRANSACTION, classes)


def plain(facts: Facts, most_minor: int) -> bool:
    """Whether none of the `covered` rules would decline a request that is one of OF and may be of `most_minor`."""
    if (
        facts.card_state is not _ACTIVE
        or facts.closes_ms
        or facts.now_ms >= facts.card_expires_ms
        or not facts.expiry_matches
        or facts.currency != facts.account_currency
        or not 0 < facts.amount_minor <= facts.available_minor
        or facts.amount_minor > most_minor
    ):
        return False
    checks = facts.checks
    return checks is NO_CHECKS or (
        checks.pin in _NOT_FAILED
        and checks.cvv in _NOT_FAILED
        and checks.arqc in _NOT_FAILED
        and checks.mac in _NOT_FAILED
    )
