"""An amount counts only in the account's own currency: there is no conversion here."""

from rules.facts import Facts
from rules.reason import Reason


def currency(facts: Facts) -> Reason | None:
    """WRONG_CURRENCY where the message's currency is not the account's."""
    if facts.currency != facts.account_currency:
        return Reason.WRONG_CURRENCY
    return None
