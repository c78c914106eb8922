"""The short way past eight rules says what they would say."""

from itertools import combinations
from typing import Any

import pytest
from msgspec.structs import replace
from rules_bench import GOOD

from rules import CardState, Check, Checks, Facts, Reason, Transaction, read_policy
from rules.limits import UNLIMITED
from rules.order import ORDER
from rules.plain import OF, covered, most_for
from rules.sort import Asked

PROGRAMME = read_policy("[[limits]]\nwindow = 'transaction'\namount_minor = 500").programme
MOST_MINOR = most_for(PROGRAMME, ())
COVERED = covered(PROGRAMME, own=False)
JUDGES = [
    judge for rule in ORDER if rule.name in COVERED and (judge := rule.make(PROGRAMME, False)) is not None
]
ASKED = Asked(
    every=(lambda _facts: Reason.MAC_WRONG,),
    others=(),
    every_by_card=(),
    others_by_card=None,
    most_minor=MOST_MINOR,
    passed=Reason.APPROVED,
)
"""Declines whatever does not take the short way."""

CHANGES: list[dict[str, Any]] = [
    {},
    *({"card_state": state} for state in CardState),
    {"available_minor": GOOD.amount_minor},
    {"available_minor": GOOD.amount_minor - 1},
    {"available_minor": MOST_MINOR + 1},
    {"amount_minor": MOST_MINOR + 1},
    {"amount_minor": 0},
    {"amount_minor": -1},
    {"currency": "840"},
    {"expiry_matches": False},
    {"now_ms": GOOD.card_expires_ms},
    {"now_ms": GOOD.card_expires_ms - 1},
    {"closes_ms": GOOD.now_ms},
    *({"checks": Checks(**{proof: found})} for proof in ("pin", "cvv", "arqc", "mac") for found in Check),
]


def plain(facts: Facts) -> bool:
    return ASKED.evaluate(facts) is Reason.APPROVED


def test_the_eight_are_rules() -> None:
    """Every name is a rule's, and each of them can be made."""
    assert {rule.name for rule in ORDER} >= COVERED
    assert (len(JUDGES), len(COVERED), MOST_MINOR) == (8, 8, GOOD.amount_minor)


def test_what_the_short_way_does_not_know() -> None:
    """A MAC that has to be there is asked for all the same, and what a card may spend that has controls of its own."""
    with_mac = read_policy("[authentication]\nmac = { absent = 'decline' }").programme
    assert covered(with_mac, own=False) == COVERED - {"message"}
    assert covered(PROGRAMME, own=True) == COVERED - {"transaction_limit"}
    assert most_for(with_mac, ("cash",)) == UNLIMITED


@pytest.mark.parametrize("transaction", sorted(OF))
def test_yes_means_that_none_of_them_declines(transaction: Transaction) -> None:
    """Each change that matters to one of the rules, and any two of them together."""
    for one, other in combinations(CHANGES, 2):
        facts = replace(GOOD, transaction=transaction, **{**one, **other})
        declined = any(judge(facts) is not None for judge in JUDGES)
        assert not (plain(facts) and declined), (one, other)


def test_yes_to_what_is_plain() -> None:
    """A good payment takes the short way, with its last cent and with a right PIN; a replaced card does not."""
    assert plain(replace(GOOD, amount_minor=GOOD.available_minor, checks=Checks(pin=Check.PASSED)))
    assert not plain(replace(GOOD, closes_ms=GOOD.now_ms + 1))
