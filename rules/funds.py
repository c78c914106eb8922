"""No approval takes available funds below zero: balance plus credit line less everything held."""

from rules.facts import Facts
from rules.programme import SPENDING, Programme
from rules.reason import Reason
from rules.rule import Judge, Rule


def funds(facts: Facts) -> Reason | None:
    """INSUFFICIENT_FUNDS where the amount is more than what is available."""
    if facts.amount_minor > facts.available_minor:
        return Reason.INSUFFICIENT_FUNDS
    return None


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return funds


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    return f"{facts.amount_minor} of {facts.available_minor} available"


FUNDS = Rule("funds", _make, _saw, SPENDING)
