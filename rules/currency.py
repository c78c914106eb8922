"""An amount counts only in the account's own currency: there is no conversion here."""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import Reason
from rules.rule import EVERYTHING, Judge, Rule


def currency(facts: Facts) -> Reason | None:
    """WRONG_CURRENCY where the message's currency is not the account's."""
    if facts.currency != facts.account_currency:
        return Reason.WRONG_CURRENCY
    return None


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return currency


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    return f"currency {facts.currency} on an account in {facts.account_currency}"


CURRENCY = Rule("currency", _make, _saw, EVERYTHING)
