"""The order of the rules: for one request that breaks two of them, the reason of the first."""

from itertools import pairwise
from typing import Any

import pytest
from rules_bench import TODAY, decided, facts

from rules import (
    CardState,
    Check,
    Checks,
    Controls,
    Entry,
    Limit,
    Reason,
    Spend,
    Transaction,
    Usage,
    read_policy,
)
from rules.order import ORDER

ORDERED = [
    "message",
    "card_state",
    "expiry",
    "transaction",
    "currency",
    "amount",
    "authentication",
    "proofs",
    "magstripe",
    "contactless",
    "ecommerce",
    "cash",
    "entry_mode",
    "country",
    "mcc",
    "merchant",
    "tapping",
    "cashback",
    "transaction_limit",
    "amount_limit",
    "count_limit",
    "velocity",
    "funds",
]

POLICY = """
[authentication]
cvv = { not_checked = "decline" }
[switches]
magstripe = false
contactless = false
ecommerce = false
cash = false
[entry_modes]
block = ["magstripe", "ecommerce", "unknown"]
[countries]
block = ["KP"]
[mccs]
block = ["7995"]
[merchants]
block = ["SCAM"]
[contactless]
count = 5
[cashback]
amount_minor = 100
[[limits]]
window = "transaction"
amount_minor = 1000
[[limits]]
window = "day"
amount_minor = 2000
count = 3
[[velocity]]
minutes = 1
count = 2
"""
RULES = read_policy(POLICY)

BREAKS: dict[str, tuple[dict[str, Any], Reason]] = {
    "message": ({"mac": Check.FAILED}, Reason.MAC_WRONG),
    "card_state": ({"card_state": CardState.FROZEN}, Reason.CARD_FROZEN),
    "expiry": ({"card_expires_ms": 1}, Reason.CARD_EXPIRED),
    "transaction": ({"transaction": Transaction.UNSUPPORTED}, Reason.UNSUPPORTED_TRANSACTION),
    "currency": ({"currency": "840"}, Reason.WRONG_CURRENCY),
    "amount": ({"amount_minor": 0}, Reason.INVALID_AMOUNT),
    "authentication": ({"pin": Check.FAILED}, Reason.PIN_WRONG),
    "proofs": ({"cvv": Check.NOT_CHECKED}, Reason.NOT_AUTHENTICATED),
    "magstripe": ({"entry": Entry.MAGSTRIPE}, Reason.MAGSTRIPE_OFF),
    "contactless": ({"entry": Entry.CONTACTLESS}, Reason.CONTACTLESS_OFF),
    "ecommerce": ({"entry": Entry.ECOMMERCE}, Reason.ECOMMERCE_OFF),
    "cash": ({"transaction": Transaction.CASH}, Reason.CASH_OFF),
    "entry_mode": ({"entry": Entry.UNKNOWN}, Reason.ENTRY_MODE_NOT_ALLOWED),
    "country": ({"country": "KP"}, Reason.COUNTRY_NOT_ALLOWED),
    "mcc": ({"mcc": "7995"}, Reason.MCC_NOT_ALLOWED),
    "merchant": ({"merchant_id": "SCAM"}, Reason.MERCHANT_NOT_ALLOWED),
    "tapping": (
        {"entry": Entry.CONTACTLESS, "contactless_count": 5, "controls": Controls(contactless=True)},
        Reason.PIN_REQUIRED,
    ),
    "cashback": (
        {"transaction": Transaction.CASHBACK, "cashback_minor": 101},
        Reason.CASHBACK_NOT_ALLOWED,
    ),
    "transaction_limit": ({"amount_minor": 1001}, Reason.TRANSACTION_LIMIT),
    "amount_limit": ({"day_minor": 1_600}, Reason.AMOUNT_LIMIT),
    "count_limit": ({"day_count": 3}, Reason.COUNT_LIMIT),
    "velocity": (
        {"recent": (Spend(9_999_998, 1, 1), Spend(9_999_999, 2, 1))},
        Reason.VELOCITY_LIMIT,
    ),
    "funds": ({"available_minor": 0}, Reason.INSUFFICIENT_FUNDS),
}
"""What breaks each rule, and no rule before it."""

APART = {
    # The currency is asked of everything; what is not supported ends before that.
    ("transaction", "currency"),
    # A card is taken in one way.
    ("magstripe", "contactless"),
    ("contactless", "ecommerce"),
}
"""Neighbours that no request breaks both of, or that the second is never asked of."""


def asked(*rules: str) -> dict[str, Any]:
    """A request that breaks these rules; of two that want the same fact, the first has its way."""
    changed: dict[str, Any] = {}
    for rule in reversed(rules):
        changed |= BREAKS[rule][0]
    checks = Checks(**{name: changed.pop(name) for name in ("mac", "pin", "cvv") if name in changed})
    usage = Usage(day=TODAY, day_minor=changed.pop("day_minor", 0), day_count=changed.pop("day_count", 0))
    return changed | {"checks": checks, "usage": (usage,)}


def test_the_order_by_name() -> None:
    """The message, the card, what is asked, who asks, what for, how much, and funds last."""
    assert [rule.name for rule in ORDER] == ORDERED
    assert list(BREAKS) == ORDERED


@pytest.mark.parametrize("rule", ORDERED)
def test_each_rule_declines_by_itself(rule: str) -> None:
    """The requests of this file break the rule that they are meant to."""
    assert decided(RULES, **asked(rule)) is BREAKS[rule][1]
    assert RULES.explain(facts(**asked(rule)))[-1].rule == rule


@pytest.mark.parametrize(("first", "second"), [pair for pair in pairwise(ORDERED) if pair not in APART])
def test_the_first_of_two_neighbours(first: str, second: str) -> None:
    """A request that breaks two neighbours is told the first; with the first mended, the second."""
    both = asked(first, second)
    assert decided(RULES, **both) is BREAKS[first][1]
    assert decided(RULES, **asked(second)) is BREAKS[second][1]
    by_name = {rule.name: rule for rule in ORDER}
    judge = by_name[second].make(RULES.programme, True)
    assert judge is not None
    assert facts(**both).transaction in by_name[second].transactions
    assert facts(**both).entry in by_name[second].entries
    assert judge(facts(**both)) is BREAKS[second][1]


@pytest.mark.parametrize(("first", "second"), sorted(APART))
def test_neighbours_that_cannot_meet(first: str, second: str) -> None:
    """There is no request that both are asked of."""
    by_name = {rule.name: rule for rule in ORDER}
    one, other = by_name[first], by_name[second]
    if (first, second) == ("transaction", "currency"):
        assert decided(RULES, **asked(first, second)) is BREAKS[first][1]
        return
    assert one.entries & other.entries == set()


def test_funds_are_last_and_a_frozen_card_hides_them() -> None:
    """Someone whose card is frozen is not told of an empty account."""
    assert decided(RULES, card_state=CardState.FROZEN, available_minor=0) is Reason.CARD_FROZEN


def test_a_cards_own_limits_do_not_change_the_order() -> None:
    """By its own limits too, one payment's comes first, then sums, then counts."""
    limits = (Limit("", "day", 1, 0), Limit("", "transaction", 1))
    assert decided(RULES, controls=Controls(limits=limits)) is Reason.TRANSACTION_LIMIT
    assert decided(RULES, controls=Controls(limits=limits[:1])) is Reason.AMOUNT_LIMIT
    only_count = Controls(limits=(Limit("", "day", None, 0),))
    assert decided(RULES, controls=only_count) is Reason.COUNT_LIMIT
