"""What a card has used of its limits: counted when a payment is approved, given back when it is undone.

Pure arithmetic on frozen `Usage`. Used by the ledger's `apply` and by the replay of a new policy alike, so the two
cannot count differently.
"""

from datetime import date
from functools import lru_cache

from rules.facts import NO_USAGE, Counted, Spend, Usage

RECENT_MAX = 64
"""Approvals that are remembered at least for sliding windows, a card. A policy may not count further than this."""


def first_days(local_day: int) -> tuple[int, int, int]:
    """The first day of the day, of the week (Monday) and of the month that `local_day` (a `toordinal`) is in."""
    return local_day, local_day - (local_day - 1) % 7, local_day - date.fromordinal(local_day).day + 1


def count(usage: dict[str, Usage], counted: Counted, amount_minor: int, times: int = 1) -> None:
    """Add a payment to each of its classes. With negative figures, give it back."""
    for name in counted.classes:
        usage[name] = grown(usage.get(name, NO_USAGE), counted.local_day, amount_minor, times)


def grown(before: Usage, local_day: int, amount_minor: int, times: int = 1) -> Usage:
    """What was used, and a payment of `local_day`. With negative figures, it is given back.

    What belongs to a period that is over, or that never was, changes nothing in the periods that came since.
    """
    day, week, month = days_of(local_day)
    day_now = _period(before.day, before.day_minor, before.day_count, day, amount_minor, times)
    week_now = _period(before.week, before.week_minor, before.week_count, week, amount_minor, times)
    month_now = _period(before.month, before.month_minor, before.month_count, month, amount_minor, times)
    return Usage(*day_now, *week_now, *month_now)


def _period(
    known: int, minor: int, number: int, first: int, amount_minor: int, times: int
) -> tuple[int, int, int]:
    if first < known:
        return known, minor, number
    if first > known:
        minor = number = 0
    return first, max(0, minor + amount_minor), max(0, number + times)


days_of = lru_cache(maxsize=16)(first_days)
"""First days by local day: an hour has at most three local days in it, all over the world."""


def used(usage: Usage, window: str, local_day: int) -> tuple[int, int]:
    """Amount and count that `usage` has in the period of `local_day`: nothing, where it knows an older one."""
    day, week, month = first_days(local_day)
    if window == "day":
        return (usage.day_minor, usage.day_count) if usage.day >= day else (0, 0)
    if window == "week":
        return (usage.week_minor, usage.week_count) if usage.week >= week else (0, 0)
    return (usage.month_minor, usage.month_count) if usage.month >= month else (0, 0)


def remember(recent: list[Spend], spend: Spend) -> None:
    """One more at the end. Beyond twice RECENT_MAX the oldest go, down to it: cutting each time would copy them all."""
    recent.append(spend)
    if len(recent) > 2 * RECENT_MAX:
        del recent[:-RECENT_MAX]


def forget(recent: list[Spend], number: int, amount_minor: int) -> None:
    """Give back `amount_minor` of payment `number`, the newest part first; what is nothing goes.

    With an amount below zero the newest part grows.
    """
    for place in range(len(recent) - 1, -1, -1):
        spend = recent[place]
        if spend.number != number:
            continue
        given = min(amount_minor, spend.amount_minor)
        amount_minor -= given
        if given == spend.amount_minor:
            del recent[place]
        else:
            recent[place] = Spend(spend.at_ms, number, spend.amount_minor - given, spend.classes)
        if not amount_minor:
            return
