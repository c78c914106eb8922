"""Notes at a till: up to the programme's limit, and none where cash is switched off.

The reason is cashback's own in both cases, so that the shop can offer the purchase alone.
"""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import Reason, Transaction
from rules.rule import Judge, Rule


def _cash_is_on(programme: Programme, facts: Facts) -> bool:
    its_own = None if facts.controls is None else facts.controls.cash
    return programme.switches.cash if its_own is None else its_own


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: FBT001
    """CASHBACK_NOT_ALLOWED for more in notes than the limit, and for any where cash is off."""
    most_minor = programme.cashback_minor
    if most_minor is None and programme.switches.cash and not own:
        return None

    def cashback(facts: Facts) -> Reason | None:
        if most_minor is not None and facts.cashback_minor > most_minor:
            return Reason.CASHBACK_NOT_ALLOWED
        return None if _cash_is_on(programme, facts) else Reason.CASHBACK_NOT_ALLOWED

    return cashback


def _saw(programme: Programme, facts: Facts) -> str:
    most = "any" if programme.cashback_minor is None else str(programme.cashback_minor)
    cash = "on" if _cash_is_on(programme, facts) else "off"
    return f"{facts.cashback_minor} in notes of {most}, cash is {cash}"


CASHBACK = Rule("cashback", _make, _saw, frozenset({Transaction.CASHBACK}))
