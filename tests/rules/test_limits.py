"""Limits by amount and count: their bounds, their periods, a card's own; and sliding windows."""

from datetime import date
from typing import Any

import pytest
from rules_bench import GOOD, NO_POLICY, TODAY, decided

from rules import Controls, Entry, Facts, Limit, Reason, Spend, Transaction, Usage, read_policy
from rules.usage import RECENT_MAX

APPROVED = Reason.APPROVED
MONDAY, SUNDAY_BEFORE = TODAY - 2, TODAY - 3
FIRST_OF_NOVEMBER, LAST_OF_OCTOBER = TODAY - 24, TODAY - 25


def limit(window: str, spending: str = "", **most: int) -> str:
    """One limit as TOML."""
    words = "".join(f"{name} = {value}\n" for name, value in most.items())
    return f'[[limits]]\nwindow = "{window}"\n{words}' + (f'class = "{spending}"\n' if spending else "")


def of_class(name: str, usage: Usage, **changed: Any) -> dict[str, Any]:
    """A request of one class that has used so much of it."""
    return {"classes": (name,), "usage": (Usage(), usage), **changed}


def test_one_transaction() -> None:
    """The limit itself may be spent, and not one more."""
    policy = limit("transaction", amount_minor=500)
    assert decided(policy) is APPROVED
    assert decided(policy, amount_minor=501) is Reason.TRANSACTION_LIMIT


@pytest.mark.parametrize(
    ("window", "used"),
    [
        ("day", Usage(day=TODAY, day_minor=300, day_count=2)),
        ("week", Usage(week=MONDAY, week_minor=300, week_count=2)),
        ("month", Usage(month=FIRST_OF_NOVEMBER, month_minor=300, month_count=2)),
    ],
)
def test_sums_and_counts_of_each_period(window: str, used: Usage) -> None:
    """What was used and this amount together may reach the limit; so may the payments with this one."""
    told = [
        decided(limit(window, amount_minor=800), usage=(used,)),
        decided(limit(window, amount_minor=799), usage=(used,)),
        decided(limit(window, count=3), usage=(used,)),
        decided(limit(window, count=2), usage=(used,)),
        decided(limit(window, count=0)),
    ]
    assert told == [APPROVED, Reason.AMOUNT_LIMIT, APPROVED, Reason.COUNT_LIMIT, Reason.COUNT_LIMIT]


@pytest.mark.parametrize(
    ("window", "used"),
    [
        ("day", Usage(day=TODAY - 1, day_minor=300, day_count=2)),
        ("week", Usage(week=MONDAY - 7, week_minor=300, week_count=2)),
        (
            "month",
            Usage(
                month=date.fromordinal(LAST_OF_OCTOBER).replace(day=1).toordinal(),
                month_minor=300,
                month_count=2,
            ),
        ),
    ],
)
def test_a_period_that_is_over(window: str, used: Usage) -> None:
    """What was used before counts no more."""
    assert decided(limit(window, amount_minor=500, count=1), usage=(used,)) is APPROVED


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (SUNDAY_BEFORE, APPROVED),
        (MONDAY, Reason.AMOUNT_LIMIT),
        (TODAY, Reason.AMOUNT_LIMIT),
        (MONDAY + 6, Reason.AMOUNT_LIMIT),
        (MONDAY + 7, APPROVED),
    ],
)
def test_a_week_is_from_monday_to_sunday(today: int, expected: Reason) -> None:
    """Monday's spending counts to Sunday night, and then never again."""
    week = MONDAY if today >= MONDAY else MONDAY - 7
    used = Usage(week=week, week_minor=1 if week == MONDAY else 0)
    assert decided(limit("week", amount_minor=500), local_day=today, usage=(used,)) is expected


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (FIRST_OF_NOVEMBER, Reason.AMOUNT_LIMIT),
        (FIRST_OF_NOVEMBER + 29, Reason.AMOUNT_LIMIT),
        (FIRST_OF_NOVEMBER + 30, APPROVED),
    ],
)
def test_a_month_is_the_calendars(today: int, expected: Reason) -> None:
    """November's spending counts on its thirtieth, and not on the first of December."""
    used = Usage(month=FIRST_OF_NOVEMBER, month_minor=1)
    assert decided(limit("month", amount_minor=500), local_day=today, usage=(used,)) is expected


def test_amounts_are_told_before_counts() -> None:
    """Where both are used up, the amount is what a smaller payment could mend."""
    used = Usage(day=TODAY, day_minor=1, day_count=1)
    assert decided(limit("day", amount_minor=500, count=1), usage=(used,)) is Reason.AMOUNT_LIMIT


def test_limits_of_classes() -> None:
    """A class's limit is held against that class's use alone, and all spending's against all."""
    policy = limit("day", amount_minor=10_000) + limit("day", "cash", amount_minor=600, count=2)
    used = Usage(day=TODAY, day_minor=101, day_count=1)
    assert decided(policy, usage=(used,)) is APPROVED
    assert decided(policy, **of_class("cash", used)) is Reason.AMOUNT_LIMIT
    assert decided(policy, **of_class("ecommerce", used)) is APPROVED
    assert decided(policy, **of_class("cash", Usage(day=TODAY, day_count=2))) is Reason.COUNT_LIMIT
    assert decided(limit("transaction", "cash", amount_minor=499), **of_class("cash", used)) is (
        Reason.TRANSACTION_LIMIT
    )


def test_limits_of_a_policys_own_class() -> None:
    """A class is a list of merchant categories and ranges; payments there count for it."""
    policy = '[classes]\nphone = ["4814", "5962-5969"]\n' + limit("day", "phone", amount_minor=499)
    rules = read_policy(policy)
    told = {}
    for mcc in ("4814", "5961", "5962", "5969", "5970"):
        classes = rules.classes(Transaction.PURCHASE, mcc, Entry.MANUAL)
        told[mcc] = decided(rules, mcc=mcc, classes=classes, usage=(Usage(),) * (1 + len(classes)))
    assert [mcc for mcc, reason in told.items() if reason is Reason.AMOUNT_LIMIT] == ["4814", "5962", "5969"]


@pytest.mark.parametrize("asked", [Transaction.INQUIRY, Transaction.VERIFICATION, Transaction.REFUND])
def test_what_no_limit_is_asked_of(asked: Transaction) -> None:
    """Questions and refunds spend nothing."""
    policy = limit("day", amount_minor=0, count=0) + limit("transaction", amount_minor=0)
    passed = decided(NO_POLICY, transaction=asked)
    recent = tuple(Spend(GOOD.now_ms, number, 1) for number in range(5))
    velocity = "[[velocity]]\nminutes = 1\ncount = 1\n"
    assert decided(policy + velocity, transaction=asked, recent=recent) is passed


# ---- a card's own


def own(*limits: Limit) -> Controls:
    return Controls(limits=limits)


PROGRAMME = limit("day", amount_minor=400) + limit("transaction", amount_minor=450)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((), Reason.TRANSACTION_LIMIT),
        ((Limit("", "transaction", 500),), Reason.AMOUNT_LIMIT),
        ((Limit("", "transaction", 500), Limit("", "day", 500)), APPROVED),
        ((Limit("", "transaction", 500), Limit("", "day", None, 1)), APPROVED),
        ((Limit("", "transaction", 500), Limit("", "day", None, 0)), Reason.COUNT_LIMIT),
        ((Limit("", "transaction", 500), Limit("", "week", 500)), Reason.AMOUNT_LIMIT),
        ((Limit("cash", "transaction", 500), Limit("cash", "day", 500)), Reason.TRANSACTION_LIMIT),
    ],
)
def test_a_cards_own_limit_stands_in_the_programmes_place(
    limits: tuple[Limit, ...], expected: Reason
) -> None:
    """It replaces the whole limit of its class and window, amount and count, and no other."""
    assert decided(PROGRAMME, controls=own(*limits)) is expected


@pytest.mark.parametrize(
    ("until_ms", "expected"),
    [
        (0, APPROVED),
        (GOOD.now_ms + 1, APPROVED),
        (GOOD.now_ms, Reason.AMOUNT_LIMIT),
        (1, Reason.AMOUNT_LIMIT),
    ],
)
def test_a_temporary_limit_ends(until_ms: int, expected: Reason) -> None:
    """Up to the last millisecond before `until_ms` it holds; from then on the programme's does again."""
    raised = own(Limit("", "day", 500, until_ms=until_ms))
    assert decided(limit("day", amount_minor=400), controls=raised) is expected


def test_a_limit_only_the_card_has() -> None:
    """With no policy at all, a card's own limit is held."""
    used = Usage(day=TODAY, day_minor=1, day_count=1)
    assert decided(NO_POLICY, usage=(used,), controls=own(Limit("", "day", 500))) is Reason.AMOUNT_LIMIT
    cash = own(Limit("cash", "day", None, 1))
    assert decided(NO_POLICY, **of_class("cash", used, controls=cash)) is Reason.COUNT_LIMIT
    assert decided(NO_POLICY, controls=cash) is APPROVED


def test_two_limits_of_the_card_for_one_place() -> None:
    """The first that lasts is the one; what was for good comes back when a temporary one is over."""
    now_ms = GOOD.now_ms
    raised = (Limit("", "day", 500, until_ms=now_ms + 1), Limit("", "day", 400))
    over = (Limit("", "day", 500, until_ms=now_ms), Limit("", "day", 400))
    assert decided(NO_POLICY, controls=own(*raised)) is APPROVED
    assert decided(NO_POLICY, controls=own(*over)) is Reason.AMOUNT_LIMIT


def test_a_tighter_limit_of_the_card() -> None:
    """A card may have less than its programme gives."""
    assert decided(limit("day", amount_minor=900), controls=own(Limit("", "day", 499))) is Reason.AMOUNT_LIMIT


# ---- sliding windows

MINUTE_MS = 60_000


def approved_before(*ages_ms: int, amount_minor: int = 1, classes: tuple[str, ...] = ()) -> tuple[Spend, ...]:
    """Approvals of so many milliseconds ago, the oldest first."""
    ages = sorted(ages_ms, reverse=True)
    return tuple(
        Spend(GOOD.now_ms - age, number, amount_minor, classes) for number, age in enumerate(ages, 1)
    )


def velocity(minutes: int, count: int, spending: str = "", amount_minor: int | None = None) -> str:
    """One sliding window as TOML."""
    words = f"[[velocity]]\nminutes = {minutes}\ncount = {count}\n"
    words += f'class = "{spending}"\n' if spending else ""
    return words + (f"amount_minor = {amount_minor}\n" if amount_minor is not None else "")


@pytest.mark.parametrize(
    ("ages_ms", "expected"),
    [
        ((), APPROVED),
        ((1,), APPROVED),
        ((0, 1), Reason.VELOCITY_LIMIT),
        ((0, MINUTE_MS - 1), Reason.VELOCITY_LIMIT),
        ((0, MINUTE_MS), APPROVED),
        ((MINUTE_MS, MINUTE_MS + 1, MINUTE_MS + 2), APPROVED),
    ],
)
def test_the_count_of_a_sliding_window(ages_ms: tuple[int, ...], expected: Reason) -> None:
    """Two in any minute and no third; what lies exactly a minute back is out of it."""
    assert decided(velocity(1, 2), recent=approved_before(*ages_ms)) is expected


def test_the_amount_of_a_sliding_window() -> None:
    """What it has and this amount together may reach the limit."""
    recent = approved_before(1, 2, amount_minor=100)
    assert decided(velocity(1, 64, amount_minor=700), recent=recent) is APPROVED
    assert decided(velocity(1, 64, amount_minor=699), recent=recent) is Reason.VELOCITY_LIMIT
    assert decided(velocity(1, 64, amount_minor=499)) is Reason.VELOCITY_LIMIT


def test_the_window_of_a_class() -> None:
    """Only payments of the class count, and only for payments of the class."""
    policy = velocity(1, 2, "cash")
    cash = approved_before(1, 2, classes=("cash",))
    other = approved_before(1, 2, classes=("ecommerce",))
    asked = {"classes": ("cash",), "usage": (Usage(), Usage())}
    assert decided(policy, recent=cash, **asked) is Reason.VELOCITY_LIMIT
    assert decided(policy, recent=other, **asked) is APPROVED
    assert decided(policy, recent=cash) is APPROVED


def test_several_windows() -> None:
    """Any one of them declines: few in a minute may be many in an hour."""
    policy = velocity(1, 2) + velocity(60, 3)
    assert decided(policy, recent=approved_before(MINUTE_MS, MINUTE_MS * 2)) is APPROVED
    three = approved_before(MINUTE_MS, MINUTE_MS * 2, MINUTE_MS * 59)
    assert decided(policy, recent=three) is Reason.VELOCITY_LIMIT


def test_as_many_as_are_remembered() -> None:
    """A window may count as far as approvals are remembered, and is held there."""
    policy = velocity(1, RECENT_MAX)
    assert decided(policy, recent=approved_before(*range(RECENT_MAX - 1))) is APPROVED
    assert decided(policy, recent=approved_before(*range(RECENT_MAX))) is Reason.VELOCITY_LIMIT


def test_the_longest_window() -> None:
    """The ledger is told how far back it has to show; 0 without windows."""
    assert [
        NO_POLICY.window_max_ms,
        read_policy(velocity(1, 2) + velocity(60, 3, "cash")).window_max_ms,
    ] == [0, 60 * MINUTE_MS]


def test_a_window_of_a_class_is_that_classs_alone() -> None:
    """A payment that no window judges needs no approvals looked up."""
    rules = read_policy(velocity(1, 2, "cash") + velocity(60, 3, "cash"))
    assert [rules.window_ms(()), rules.window_ms(("ecommerce",)), rules.window_ms(("ecommerce", "cash"))] == [
        0,
        0,
        60 * MINUTE_MS,
    ]
    everything = read_policy(velocity(5, 2) + velocity(1, 3, "cash"))
    assert [everything.window_ms(()), everything.window_ms(("cash",))] == [5 * MINUTE_MS, 5 * MINUTE_MS]


def test_facts_of_these_tests_are_plain() -> None:
    """GOOD has used nothing, so that each test says what was used."""
    assert (GOOD.usage, GOOD.recent, GOOD.controls) == ((Usage(),), (), None)
    assert isinstance(GOOD, Facts)
