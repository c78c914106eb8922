"""Each rule alone, and the order in which they are asked."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rules import ORDER, CardState, Facts, Reason, Transaction, evaluate
from rules.amount import amount
from rules.card_state import card_state
from rules.currency import currency
from rules.expiry import expiry
from rules.funds import funds
from rules.transaction import transaction

GOOD = Facts(
    now_ms=1_000,
    transaction=Transaction.PURCHASE,
    amount_minor=500,
    currency="978",
    stated_expiry="3012",
    card_state=CardState.ACTIVE,
    card_expiry="3012",
    card_expires_ms=2_000,
    account_currency="978",
    available_minor=500,
)
"""A purchase that nothing speaks against, for exactly what is available."""

WRONG: dict[Callable[[Facts], Reason | None], dict[str, Any]] = {
    card_state: {"card_state": CardState.FROZEN},
    expiry: {"now_ms": 2_000},
    transaction: {"transaction": Transaction.UNSUPPORTED},
    currency: {"currency": "840"},
    amount: {"amount_minor": 0},
    funds: {"available_minor": -1, "amount_minor": 1},
}
"""What makes each rule of ORDER decline."""


def facts(**changed: Any) -> Facts:
    return replace(GOOD, **changed)


def test_a_good_purchase_is_approved() -> None:
    """Where no rule declines, the answer is APPROVED."""
    assert evaluate(GOOD) is Reason.APPROVED


def test_a_verification_is_verified() -> None:
    """A verification that passes every rule is VERIFIED, which holds nothing."""
    assert evaluate(facts(transaction=Transaction.VERIFICATION, amount_minor=0)) is Reason.VERIFIED


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (CardState.ACTIVE, None),
        (CardState.INACTIVE, Reason.CARD_INACTIVE),
        (CardState.FROZEN, Reason.CARD_FROZEN),
        (CardState.BLOCKED, Reason.CARD_BLOCKED),
        (CardState.LOST, Reason.CARD_LOST),
        (CardState.STOLEN, Reason.CARD_STOLEN),
        (CardState.CLOSED, Reason.CARD_CLOSED),
    ],
)
def test_card_state(state: CardState, expected: Reason | None) -> None:
    """Each state but `active` declines with its own reason."""
    assert card_state(facts(card_state=state)) is expected


def test_every_card_state_but_active_declines() -> None:
    """A state added later cannot spend by being forgotten here."""
    spending = [state for state in CardState if card_state(facts(card_state=state)) is None]
    assert spending == [CardState.ACTIVE]


@pytest.mark.parametrize(
    ("now_ms", "expected"), [(1_999, None), (2_000, Reason.CARD_EXPIRED), (2_001, Reason.CARD_EXPIRED)]
)
def test_expiry_of_the_card(now_ms: int, expected: Reason | None) -> None:
    """A card is good up to the last millisecond before `card_expires_ms`."""
    assert expiry(facts(now_ms=now_ms)) is expected


@pytest.mark.parametrize(
    ("stated", "expected"), [("3012", None), ("", None), ("3011", Reason.EXPIRY_MISMATCH)]
)
def test_expiry_that_is_stated(stated: str, expected: Reason | None) -> None:
    """DE14 must be the card's own month where it is there; it may be absent."""
    assert expiry(facts(stated_expiry=stated)) is expected


def test_an_expired_card_with_another_expiry_is_expired() -> None:
    """Within the rule, the card's own end comes before what the message says."""
    assert expiry(facts(now_ms=2_000, stated_expiry="3011")) is Reason.CARD_EXPIRED


@pytest.mark.parametrize("asked", list(Transaction))
def test_transaction(asked: Transaction) -> None:
    """Only UNSUPPORTED is refused."""
    expected = Reason.UNSUPPORTED_TRANSACTION if asked is Transaction.UNSUPPORTED else None
    assert transaction(facts(transaction=asked)) is expected


@pytest.mark.parametrize(("code", "expected"), [("978", None), ("840", Reason.WRONG_CURRENCY)])
def test_currency(code: str, expected: Reason | None) -> None:
    """There is no conversion: the message's currency is the account's or the wrong one."""
    assert currency(facts(currency=code)) is expected


@pytest.mark.parametrize("asked", [Transaction.PURCHASE, Transaction.CASH, Transaction.CASHBACK])
def test_zero_amount(asked: Transaction) -> None:
    """Zero moves nothing, so it is no payment."""
    assert amount(facts(transaction=asked, amount_minor=0)) is Reason.INVALID_AMOUNT


def test_zero_amount_of_a_verification() -> None:
    """A verification asks for nothing."""
    assert amount(facts(transaction=Transaction.VERIFICATION, amount_minor=0)) is None


@pytest.mark.parametrize(
    ("amount_minor", "available_minor", "expected"),
    [
        (500, 500, None),
        (501, 500, Reason.INSUFFICIENT_FUNDS),
        (1, 0, Reason.INSUFFICIENT_FUNDS),
        (1, -20, Reason.INSUFFICIENT_FUNDS),
        (0, -20, None),
    ],
)
def test_funds(amount_minor: int, available_minor: int, expected: Reason | None) -> None:
    """The last minor unit can be spent and not one more. Zero fits even into an overdrawn account."""
    assert funds(facts(amount_minor=amount_minor, available_minor=available_minor)) is expected


def test_every_rule_has_a_fact_that_it_declines() -> None:
    """The tests of the order below cover all of ORDER."""
    assert list(WRONG) == list(ORDER)
    assert [rule(facts(**WRONG[rule])) is not None for rule in ORDER] == [True] * len(ORDER)


@pytest.mark.parametrize(
    ("first", "second"),
    list(pairwise(ORDER)),
    ids=[f"{first.__name__}-before-{second.__name__}" for first, second in pairwise(ORDER)],
)
def test_order(first: Callable[[Facts], Reason | None], second: Callable[[Facts], Reason | None]) -> None:
    """Where two neighbours of ORDER would decline, the first one's reason is given."""
    both = facts(**(WRONG[second] | WRONG[first]))
    if first is amount:  # an amount is zero or more than the funds, so each is asked alone
        assert (evaluate(facts(**WRONG[first])), evaluate(facts(**WRONG[second]))) == (
            Reason.INVALID_AMOUNT,
            Reason.INSUFFICIENT_FUNDS,
        )
        return
    assert second(both) is not None
    assert evaluate(both) is first(both)


def test_the_order_by_name() -> None:
    """What the card is comes before what is asked of it, and funds come last."""
    names = [rule.__name__ for rule in ORDER]
    assert names == ["card_state", "expiry", "transaction", "currency", "amount", "funds"]


all_facts = st.builds(
    Facts,
    now_ms=st.integers(1_998, 2_001),
    transaction=st.sampled_from(Transaction),
    amount_minor=st.integers(0, 3),
    currency=st.sampled_from(["978", "840"]),
    stated_expiry=st.sampled_from(["", "3011", "3012"]),
    card_state=st.sampled_from(CardState),
    card_expiry=st.just("3012"),
    card_expires_ms=st.just(2_000),
    account_currency=st.just("978"),
    available_minor=st.integers(-1, 3),
)


@settings(database=None, deadline=None)
@given(all_facts)
def test_an_approval_breaks_no_rule(asked: Facts) -> None:
    """Only an active card in date, in its currency, with the funds, is approved or verified; all else declines."""
    sound = (
        asked.card_state is CardState.ACTIVE
        and asked.now_ms < 2_000
        and asked.stated_expiry in {"", "3012"}
        and asked.transaction is not Transaction.UNSUPPORTED
        and asked.currency == "978"
        and (asked.amount_minor > 0 or asked.transaction is Transaction.VERIFICATION)
        and (asked.amount_minor == 0 or asked.amount_minor <= asked.available_minor)
    )
    assert (evaluate(asked) in {Reason.APPROVED, Reason.VERIFIED}) == sound
