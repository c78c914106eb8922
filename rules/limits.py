"""Which limits stand for a request: the programme's, and a card's own in the place of the same class and window.

Owns that alone; what is held against them is the business of the rules that ask. Limits are in minor units of the
account's currency, and what was used comes in `Facts.usage`, in the order of ("", *classes).

Rules ask by a plan: for each set of classes and own limits, worked out once, what to look at in `usage`. Without it a
request of a card with limits of its own took 17 microseconds where it takes 9 (`benchmarks.rules`, on a busy
machine). Its plain twin is `standing` with `used`, which tells an operator what the rules saw.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from rules.facts import DAY, MONTH, TRANSACTION, WEEK, Facts, Limit
from rules.programme import Programme, SpendingLimit
from rules.usage import used
from rules.words import bound, spending

PERIODS = (DAY, WEEK, MONTH)
_WINDOWS = (*PERIODS, TRANSACTION)
UNLIMITED = 1 << 62
_PLANS_MAX = 16_384
"""Plans kept of one policy: so many cards with limits of their own may be busy before one is worked out anew."""

Limits = tuple[Limit, ...]
Plan = Callable[[tuple[str, ...], Limits], tuple[tuple[int, int, int], ...]]
"""Classes and a card's own limits -> (place in usage; 0 day, 1 week, 2 month, 3 one transaction; most)."""


def own_limits(facts: Facts) -> Limits:
    """The card's own limits that are not over."""
    if facts.controls is None:
        return ()
    limits, now_ms = facts.controls.limits, facts.now_ms
    for limit in limits:
        if limit.until_ms and now_ms >= limit.until_ms:
            return tuple(its for its in limits if not its.until_ms or now_ms < its.until_ms)
    return limits


def _standing(
    programme: Programme, classes: tuple[str, ...], own: Limits
) -> Iterator[tuple[int, SpendingLimit | Limit]]:
    for place, name in enumerate(("", *classes)):
        taken = set()
        for limit in own:
            if limit.spending == name and limit.window not in taken:
                taken.add(limit.window)
                yield place, limit
        for its in programme.limits:
            if its.spending == name and its.window not in taken:
                yield place, its


def standing(programme: Programme, facts: Facts) -> Iterator[tuple[int, SpendingLimit | Limit]]:
    """Each limit that this request is held against, with its class's place in `usage`."""
    return _standing(programme, facts.classes, own_limits(facts))


def planned(programme: Programme, attribute: str, windows: tuple[str, ...]) -> Plan:
    """The plan of the limits by `attribute` (amount_minor, count) over `windows`."""

    @lru_cache(maxsize=_PLANS_MAX)
    def plan(classes: tuple[str, ...], own: Limits) -> tuple[tuple[int, int, int], ...]:
        steps = []
        for place, limit in _standing(programme, classes, own):
            most: int | None = getattr(limit, attribute)
            if most is not None and limit.window in windows:
                steps.append((place, _WINDOWS.index(limit.window), most))
        return tuple(steps)

    return plan


def limits_any(programme: Programme, attribute: str, windows: tuple[str, ...]) -> bool:
    """Does the programme limit anything by `attribute` over any of `windows`?"""
    return any(
        limit.window in windows and getattr(limit, attribute) is not None for limit in programme.limits
    )


def limits_these(attribute: str, windows: tuple[str, ...]) -> Callable[[Programme, tuple[str, ...]], bool]:
    """Does the programme limit payments of these classes by `attribute` over any of `windows`?"""

    def concerns(programme: Programme, classes: tuple[str, ...]) -> bool:
        return any(
            limit.window in windows and getattr(limit, attribute) is not None
            for _place, limit in _standing(programme, classes, ())
        )

    return concerns


def least(programme: Programme, attribute: str, window: str, classes: tuple[str, ...]) -> int:
    """The least of the programme's limits by `attribute` over a window for these classes, else UNLIMITED."""
    limits = [
        getattr(limit, attribute)
        for _place, limit in _standing(programme, classes, ())
        if limit.window == window
    ]
    return min((most for most in limits if most is not None), default=UNLIMITED)


def told(programme: Programme, facts: Facts, attribute: str, windows: tuple[str, ...]) -> str:
    """The limits by `attribute` that stand, and what is used of them, in words."""
    words = []
    for place, limit in standing(programme, facts):
        most: int | None = getattr(limit, attribute)
        if most is None or limit.window not in windows:
            continue
        amount_minor, count = (0, 0)
        if limit.window != TRANSACTION:
            amount_minor, count = used(facts.usage[place], limit.window, facts.local_day)
        by_amount = attribute == "amount_minor"
        before = f"{amount_minor} + {facts.amount_minor}" if by_amount else f"{count} + 1"
        most_words = bound(most, None) if by_amount else bound(None, most)
        whose = ", the card's own" if isinstance(limit, Limit) else ""
        words.append(f"{spending(limit.spending)} a {limit.window}: {before} of {most_words}{whose}")
    return "; ".join(words) or "no limit"
