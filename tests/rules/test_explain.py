"""What `explain` tells is what `evaluate` decided, and both are what the oracle says."""

from datetime import date
from importlib.resources import files
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rules_bench import GOOD, NO_POLICY, PASSED, STRICT, TODAY, facts
from rules_oracle import expected

from rules import (
    CardState,
    Check,
    Checks,
    Controls,
    Entry,
    Facts,
    Limit,
    Reason,
    RuleSet,
    Spend,
    Step,
    Transaction,
    Usage,
    read_policy,
)
from rules.usage import first_days

NARROW = """
[switches]
magstripe = false
[authentication]
cvv = { not_checked = "decline" }
pin = { absent = "decline" }
[entry_modes]
block = ["unknown"]
[countries]
allow = ["PT", "ES"]
[mccs]
block = ["7995", "6011"]
[contactless]
count = 2
amount_minor = 6
exempt = ["4111"]
[cashback]
amount_minor = 2
[classes]
gambling = ["7800-7802", "7995"]
food = ["5411", "5812"]
[[limits]]
window = "transaction"
amount_minor = 6
[[limits]]
window = "day"
amount_minor = 9
count = 4
[[limits]]
class = "food"
window = "transaction"
amount_minor = 5
[[limits]]
class = "food"
window = "week"
amount_minor = 8
[[limits]]
class = "cash"
window = "month"
count = 2
[[limits]]
class = "contactless"
window = "month"
amount_minor = 7
[[velocity]]
minutes = 1
count = 3
[[velocity]]
class = "ecommerce"
minutes = 2
count = 2
amount_minor = 7
[[velocity]]
class = "food"
minutes = 3
count = 5
"""
"""Small figures, so that random requests meet every bound."""

POLICIES = {
    "none": "",
    "narrow": NARROW,
    "strict": STRICT,
    "default": files("rules").joinpath("default_policy.toml").read_text(encoding="utf-8"),
}
RULES: dict[str, RuleSet] = {name: read_policy(text, name) for name, text in POLICIES.items()}

MINUTE_MS = 60_000
NOT_BY_RULES = {
    Reason.APPROVED_PARTIALLY,
    Reason.ADVICE_ACCEPTED,
    Reason.REVERSAL_DONE,
    Reason.NO_ORIGINAL,
    Reason.FORMAT_ERROR,
    Reason.UNKNOWN_CARD,
    Reason.DUPLICATE_MISMATCH,
    Reason.REVERSED_BEFORE,
    Reason.OVERTAKEN,
    Reason.ANSWER_VOID,
    Reason.NOT_ADMITTED,
    Reason.SYSTEM_ERROR,
}
"""What the ledger and the link answer by themselves."""

LISTS = [None, None, None, (), ("PT", "5411", "SHOP1"), ("ES", "4111", "SHOP2")]
SWITCH = [None, None, True, False]


def requests(draw: Random, rules: RuleSet) -> Facts:
    """A request that often passes, with what the ledger would show of it under `rules`.

    Drawn by hand: a strategy of forty parts takes thirty times as long to draw as all three answers take.
    """

    def mostly(usual: Any, *others: Any) -> Any:
        return draw.choice([*[usual] * 8, *others])

    asked = mostly(Transaction.PURCHASE, *Transaction)
    entry = mostly(Entry.CHIP, Entry.CONTACTLESS, Entry.ECOMMERCE, *Entry)
    mcc = draw.choice(["5411", "5411", "5812", "4111", "7995", "7801", "6011", ""])
    classes = rules.classes(asked, mcc, entry)
    now_ms = GOOD.now_ms
    ages = sorted(
        draw.choice([0, 1, MINUTE_MS - 1, MINUTE_MS, 2 * MINUTE_MS]) for _ in range(draw.randint(0, 5))
    )
    return replace(
        GOOD,
        transaction=asked,
        entry=entry,
        mcc=mcc,
        classes=classes,
        amount_minor=draw.randint(0, 7),
        cashback_minor=draw.randint(0, 4),
        available_minor=mostly(9, 5, 0, -1),
        currency=mostly("978", "840"),
        card_state=mostly(CardState.ACTIVE, *CardState),
        card_expires_ms=now_ms + mostly(1, 0),
        closes_ms=mostly(0, now_ms, now_ms + 1),
        expiry_matches=mostly(True, False),
        merchant_id=mostly("SHOP1", "SHOP2", "SCAM-SHOP-00001", ""),
        country=mostly("PT", "ES", "KP", ""),
        checks=Checks(
            mostly(Check.ABSENT if entry is Entry.CONTACTLESS else Check.PASSED, *Check),
            *(mostly(Check.PASSED, *Check) for _ in range(3)),
        ),
        controls=mostly(None, *[_controls(draw)] * 8),
        usage=tuple(_usage(draw) for _ in ("", *classes)),
        recent=tuple(
            Spend(
                now_ms - age, number, draw.randint(1, 4), tuple(draw.sample(["ecommerce", "food", "cash"], 2))
            )
            for number, age in enumerate(reversed(ages))
        ),
        contactless_count=draw.randint(0, 3),
        contactless_minor=draw.randint(0, 6),
    )


def _usage(draw: Random) -> Usage:
    """Sums of the periods of some day, as counting leaves them."""
    day, week, month = first_days(TODAY - draw.choice([0, 0, 1, 2, 3, 24, 25, 40]))
    sums = [draw.randint(0, 9) if place % 2 == 0 else draw.randint(0, 5) for place in range(6)]
    return Usage(day, *sums[:2], week, *sums[2:4], month, *sums[4:])


def _controls(draw: Random) -> Controls:
    limits = tuple(
        Limit(
            draw.choice(["", "cash", "ecommerce", "contactless", "food", "gambling", "gone"]),
            draw.choice(["transaction", "day", "week", "month"]),
            draw.choice([None, *range(10)]),
            draw.choice([None, *range(6)]),
            draw.choice([0, GOOD.now_ms, GOOD.now_ms + 1]),
        )
        for _ in range(draw.randint(0, 4))
    )
    return Controls(*(draw.choice(SWITCH) for _ in range(4)), *(draw.choice(LISTS) for _ in range(6)), limits)


@settings(max_examples=2000)
@given(name=st.sampled_from(sorted(RULES)), seed=st.integers(0, 2**32))
def test_evaluate_explain_and_the_oracle_agree(name: str, seed: int) -> None:
    """For any request under any policy: one reason, the same from all three, and the last step gives it."""
    request = requests(Random(seed), RULES[name])
    reason = RULES[name].evaluate(request)
    assert reason is expected(POLICIES[name], request)
    steps = RULES[name].explain(request)
    assert [step.reason for step in steps[:-1]] == [None] * (len(steps) - 1)
    assert steps[-1].reason is (None if reason in PASSED else reason)
    assert all(step.saw for step in steps)


def test_the_requests_of_that_test_meet_every_reason() -> None:
    """Among so many drawn requests each reason that a rule can give comes up, so none is agreed on unseen."""
    draw = Random(1)
    given = {rules.evaluate(requests(draw, rules)) for _ in range(3000) for rules in RULES.values()}
    assert given == set(Reason) - NOT_BY_RULES


def test_a_purchase_explained() -> None:
    """Each step says what the rule looked at, in words."""
    rules = RULES["narrow"]
    request = facts(
        amount_minor=4,
        classes=("food",),
        checks=Checks(Check.PASSED, Check.PASSED, Check.PASSED, Check.PASSED),
        usage=(Usage(day=TODAY, day_minor=6, day_count=1), Usage(week=TODAY - 2, week_minor=3)),
    )
    assert rules.explain(request) == (
        Step("message", "MAC passed", None),
        Step("card_state", "the card is active", None),
        Step("expiry", "the card has not expired; the message's expiry is not another", None),
        Step("currency", "currency 978 on an account in 978", None),
        Step("amount", "amount 4", None),
        Step("authentication", "cryptogram passed, security code passed, PIN passed", None),
        Step(
            "proofs", "taken by chip: cryptogram passed, security code passed, PIN passed", None
        ),
        Step("entry_mode", "entry chip, is not in the block list", None),
        Step("country", "country PT, is in the allow list", None),
        Step("mcc", "mcc 5411, is not in the block list", None),
        Step("merchant", "merchant_id SHOP1, no list", None),
        Step("transaction_limit", "all spending a transaction: 0 + 4 of 6; food a transaction: 0 + 4 of 5", None),
        Step(
            "amount_limit", "all spending a day: 6 + 4 of 9; food a week: 3 + 4 of 8", Reason.AMOUNT_LIMIT
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "changed", "saw"),
    [
        ("card_state", {"card_state": CardState.FROZEN}, "the card is frozen"),
        (
            "card_state",
            {"closes_ms": 1},
            "the card is active; it was replaced, and its overlap is over",
        ),
        ("expiry", {"card_expires_ms": 1}, "the card has expired; the message's expiry is not another"),
        (
            "amount",
            {"transaction": Transaction.CASHBACK, "cashback_minor": 501},
            "amount 500, 501 of it in notes",
        ),
        (
            "ecommerce",
            {"entry": Entry.STORED, "controls": Controls(ecommerce=False)},
            "ecommerce is off by the card",
        ),
        (
            "country",
            {"controls": Controls(country_allow=("ES",)), "country": ""},
            "country (none), is not in the allow list",
        ),
        (
            "count_limit",
            {"controls": Controls(limits=(Limit("", "week", None, 0),))},
            "all spending a week: 0 + 1 of 0 times, the card's own",
        ),
        ("funds", {"available_minor": 3}, "500 of 3 available"),
    ],
)
def test_the_declining_step(rule: str, changed: dict[str, Any], saw: str) -> None:
    """The last step names the rule and what spoke against the request."""
    request = facts(**changed)
    last = NO_POLICY.explain(request)[-1]
    assert (last.rule, last.saw, last.reason) == (rule, saw, NO_POLICY.evaluate(request))


def test_tapping_and_velocity_explained() -> None:
    """Counters and windows are told with their bounds."""
    strict = RULES["strict"]
    passed = Checks(Check.ABSENT, Check.PASSED, Check.PASSED, Check.PASSED)
    tapped = facts(
        entry=Entry.CONTACTLESS,
        checks=passed,
        contactless_count=5,
        contactless_minor=700,
        classes=("contactless",),
        usage=(Usage(), Usage()),
    )
    assert strict.explain(tapped)[-1] == Step(
        "tapping",
        "tapped 5 times and 700 since the last PIN, now 500 with PIN not there, of 15000 and 5 times",
        Reason.PIN_REQUIRED,
    )
    hurried = facts(
        checks=replace(passed, pin=Check.PASSED),
        recent=tuple(Spend(GOOD.now_ms - 1, number, 10) for number in range(6)),
    )
    assert strict.explain(hurried)[-1] == Step(
        "velocity", "all spending in 1 minutes: 6 times and 60, now 500, of 6 times", Reason.VELOCITY_LIMIT
    )


def test_today_is_a_wednesday() -> None:
    """The days of these tests lie where they are meant to: in the week, and in the month before."""
    assert date.fromordinal(TODAY).weekday() == 2
    assert date.fromordinal(TODAY - 25).month == 10
