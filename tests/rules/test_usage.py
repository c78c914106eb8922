"""What a card has used: counted, given back, begun again in a new period; and its latest approvals."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_bench import TODAY

from rules import NO_USAGE, Counted, Spend, Usage
from rules.usage import RECENT_MAX, count, first_days, forget, grown, remember, used

MONDAY, FIRST = TODAY - 2, TODAY - 24
CASH = Counted(TODAY, ("cash",))
ALL = Counted(TODAY)


def spend(usage: dict[str, Usage], counted: Counted, amount_minor: int, times: int = 1) -> None:
    """As the ledger counts: for all spending, which stands under "" here, and for each class."""
    usage[""] = grown(usage.get("", NO_USAGE), counted.local_day, amount_minor, times)
    count(usage, counted, amount_minor, times)


@given(st.dates(date(1970, 1, 1), date(2200, 12, 31)))
def test_the_first_days_of_a_day(day: date) -> None:
    """The day itself, the Monday of its week and the first of its month."""
    monday = day - timedelta(days=day.weekday())
    assert first_days(day.toordinal()) == (
        day.toordinal(),
        monday.toordinal(),
        day.replace(day=1).toordinal(),
    )


def test_a_payment_counts_for_all_and_for_its_classes() -> None:
    """In each period once, under "" and under each class."""
    usage: dict[str, Usage] = {}
    spend(usage, CASH, 100)
    spend(usage, ALL, 20)
    one = Usage(TODAY, 100, 1, MONDAY, 100, 1, FIRST, 100, 1)
    assert usage == {"": Usage(TODAY, 120, 2, MONDAY, 120, 2, FIRST, 120, 2), "cash": one}


def test_a_new_day_begins_its_own_sums() -> None:
    """The week and the month go on."""
    usage: dict[str, Usage] = {}
    spend(usage, ALL, 100)
    spend(usage, Counted(TODAY + 1), 1)
    assert usage[""] == Usage(TODAY + 1, 1, 1, MONDAY, 101, 2, FIRST, 101, 2)


def test_a_new_month_in_the_middle_of_a_week() -> None:
    """Tuesday the first of December: the week that began in November goes on."""
    usage: dict[str, Usage] = {}
    spend(usage, Counted(TODAY + 5), 100)
    spend(usage, Counted(TODAY + 6), 1)
    assert usage[""] == Usage(TODAY + 6, 1, 1, MONDAY + 7, 101, 2, TODAY + 6, 1, 1)


def test_what_is_given_back_late() -> None:
    """Yesterday's payment comes back: today's sums stay, and the week and the month get it."""
    usage: dict[str, Usage] = {}
    spend(usage, ALL, 100)
    spend(usage, Counted(TODAY + 1), 30)
    spend(usage, ALL, -100, -1)
    assert usage[""] == Usage(TODAY + 1, 30, 1, MONDAY, 30, 1, FIRST, 30, 1)


def test_sums_never_fall_below_zero() -> None:
    """More given back than was counted leaves nothing, not a credit."""
    usage: dict[str, Usage] = {}
    spend(usage, ALL, 100)
    spend(usage, ALL, -150, -2)
    assert usage[""] == Usage(TODAY, 0, 0, MONDAY, 0, 0, FIRST, 0, 0)


def test_a_part_given_back_leaves_the_count() -> None:
    """A partial reversal gives back money, not a payment."""
    usage: dict[str, Usage] = {}
    spend(usage, ALL, 100)
    spend(usage, ALL, -40, 0)
    assert usage[""] == Usage(TODAY, 60, 1, MONDAY, 60, 1, FIRST, 60, 1)


some_class = st.sampled_from([(), ("cash",), ("ecommerce", "food"), ("cash", "food")])


@given(
    day=st.integers(TODAY - 400, TODAY + 400),
    before=st.lists(st.tuples(some_class, st.integers(1, 1000)), max_size=5),
    classes=some_class,
    amount_minor=st.integers(1, 1000),
)
def test_count_then_give_back(
    day: int, before: list[tuple[tuple[str, ...], int]], classes: tuple[str, ...], amount_minor: int
) -> None:
    """Within one day, what is counted and given back leaves every sum as it was."""
    usage: dict[str, Usage] = {}
    for its, minor in before:
        spend(usage, Counted(day, its), minor)
    known = dict(usage)
    spend(usage, Counted(day, classes), amount_minor)
    spend(usage, Counted(day, classes), -amount_minor, -1)
    d, w, m = first_days(day)
    nothing = Usage(d, 0, 0, w, 0, 0, m, 0, 0)
    assert usage == dict.fromkeys(("", *classes), nothing) | known


@given(
    spent=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 100)), max_size=20),
    later=st.integers(0, 10),
)
def test_used_is_the_sum_of_the_period(spent: list[tuple[int, int]], later: int) -> None:
    """In whatever order of days' ends, `used` gives the payments of the period that today is in."""
    usage: dict[str, Usage] = {}
    spent = sorted(spent)
    for day, minor in spent:
        spend(usage, Counted(TODAY + day), minor)
    today = TODAY + (spent[-1][0] if spent else 0) + later
    for window, first in zip(("day", "week", "month"), first_days(today), strict=True):
        within = [minor for day, minor in spent if first <= TODAY + day <= today]
        assert used(usage.get("", Usage()), window, today) == (sum(within), len(within))


@pytest.mark.parametrize(
    ("window", "known", "expected"),
    [
        ("day", Usage(day=TODAY, day_minor=1, day_count=2), (1, 2)),
        ("day", Usage(day=TODAY - 1, day_minor=1, day_count=2), (0, 0)),
        ("week", Usage(week=MONDAY, week_minor=1, week_count=2), (1, 2)),
        ("week", Usage(week=MONDAY - 7, week_minor=1, week_count=2), (0, 0)),
        ("month", Usage(month=FIRST, month_minor=1, month_count=2), (1, 2)),
        ("month", Usage(month=FIRST - 31, month_minor=1, month_count=2), (0, 0)),
    ],
)
def test_used_of_an_older_period(window: str, known: Usage, expected: tuple[int, int]) -> None:
    """An older period than today's has nothing to say."""
    assert used(known, window, TODAY) == expected


# ---- the latest approvals


def test_remember_keeps_the_latest() -> None:
    """The newest stands last; of more than twice RECENT_MAX the oldest go, down to RECENT_MAX."""
    recent: list[Spend] = []
    for number in range(2 * RECENT_MAX):
        remember(recent, Spend(number, number, 1))
    assert [spend.number for spend in recent] == list(range(2 * RECENT_MAX))
    remember(recent, Spend(0, 2 * RECENT_MAX, 1))
    assert [spend.number for spend in recent] == list(range(RECENT_MAX + 1, 2 * RECENT_MAX + 1))


def without(recent: tuple[Spend, ...], number: int, amount_minor: int) -> tuple[Spend, ...]:
    """What `forget` leaves of `recent`."""
    left = list(recent)
    forget(left, number, amount_minor)
    return tuple(left)


def test_forget_one_of_them() -> None:
    """The payment that is undone goes; the others stay as they are."""
    first, second = Spend(1, 1, 100, ("cash",)), Spend(2, 2, 100)
    assert without((first, second), 1, 100) == (second,)


def test_forget_a_part() -> None:
    """What is left of it stays at its time and in its classes."""
    assert without((Spend(1, 1, 100, ("cash",)),), 1, 60) == (Spend(1, 1, 40, ("cash",)),)


def test_forget_less_than_nothing() -> None:
    """A stand-in approved more than we had: the newest part grows."""
    assert without((Spend(1, 7, 100), Spend(2, 7, 30)), 7, -20) == (Spend(1, 7, 100), Spend(2, 7, 50))


def test_forget_of_a_payment_in_parts() -> None:
    """An increment is a part of its own; the newest part is given back first."""
    parts = (Spend(1, 7, 100), Spend(2, 7, 30))
    assert without(parts, 7, 30) == (Spend(1, 7, 100),)
    assert without(parts, 7, 50) == (Spend(1, 7, 80),)
    assert without(parts, 7, 130) == ()
    assert without(parts, 7, 500) == ()


def test_forget_what_is_not_there() -> None:
    """A payment older than all that is remembered changes nothing."""
    recent = (Spend(1, 1, 100),)
    assert without(recent, 2, 100) == recent
    assert without((), 2, 100) == ()


@given(
    numbers=st.lists(st.integers(1, 4), max_size=8),
    number=st.integers(1, 4),
    amount_minor=st.integers(0, 400),
)
def test_forget_gives_back_no_more_than_there_is(numbers: list[int], number: int, amount_minor: int) -> None:
    """Of the payment's remembered sum the amount goes, down to nothing, and of others nothing."""
    recent: list[Spend] = []
    for at_ms, its in enumerate(numbers):
        remember(recent, Spend(at_ms, its, 50))

    def sums() -> dict[int, int]:
        return {n: sum(s.amount_minor for s in recent if s.number == n) for n in range(1, 5)}

    before = sums()
    forget(recent, number, amount_minor)
    assert sums() == before | {number: max(0, before[number] - amount_minor)}
