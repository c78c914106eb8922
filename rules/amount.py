"""Money moves only in amounts above zero. Zero is a question about the card or the balance, not a payment.

Notes handed out at a till are a part of the purchase: more than none of it and no more than all of it.
"""

from rules.facts import Facts
from rules.programme import SPENDING, Programme
from rules.reason import Reason, Transaction
from rules.rule import Judge, Rule


def amount(facts: Facts) -> Reason | None:
    """INVALID_AMOUNT for no amount, and for cashback whose cash part is none or above the whole."""
    if facts.amount_minor <= 0:
        return Reason.INVALID_AMOUNT
    if facts.transaction is Transaction.CASHBACK and not (
        0 < facts.cashback_minor <= facts.amount_minor - facts.fee_minor
    ):
        return Reason.INVALID_AMOUNT
    return None


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return amount


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    if facts.transaction is Transaction.CASHBACK:
        return f"amount {facts.amount_minor}, {facts.cashback_minor} of it in notes"
    return f"amount {facts.amount_minor}"


AMOUNT = Rule("amount", _make, _saw, SPENDING | {Transaction.REFUND})
