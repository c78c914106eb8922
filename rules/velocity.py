"""Payments close together: at most so many, and so much, in any stretch of minutes that ends now.

What lies exactly a window back is out of it. `Facts.recent` has the oldest first, so that counting ends with the first
that is too old; RECENT_MAX of them are remembered, and no policy may count further.
"""

from rules.facts import Facts
from rules.programme import SPENDING, Programme
from rules.programme import Velocity as Window
from rules.reason import Reason
from rules.rule import Judge, Rule
from rules.words import bound, spending

_MINUTE_MS = 60_000


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: ARG001, FBT001
    """VELOCITY_LIMIT where this payment would be one too many, or too much, of any of its classes."""
    by_class: dict[str, tuple[Window, ...]] = {}
    for window in programme.velocity:
        by_class[window.spending] = (*by_class.get(window.spending, ()), window)
    if not by_class:
        return None
    of_all = by_class.pop("", ())

    def velocity(facts: Facts) -> Reason | None:
        for window in of_all:
            if _exceeds(window, facts):
                return Reason.VELOCITY_LIMIT
        for name in facts.classes:
            for window in by_class.get(name, ()):
                if _exceeds(window, facts):
                    return Reason.VELOCITY_LIMIT
        return None

    return velocity


def _exceeds(window: Window, facts: Facts) -> bool:
    if window.amount_minor is None and len(facts.recent) < window.count:
        return False
    count, amount_minor = _within(window, facts)
    if count >= window.count:
        return True
    return window.amount_minor is not None and amount_minor + facts.amount_minor > window.amount_minor


def _within(window: Window, facts: Facts) -> tuple[int, int]:
    """How many approvals of the class the window has, and of how much."""
    since_ms, name = facts.now_ms - window.window_ms, window.spending
    count = amount_minor = 0
    for spend in reversed(facts.recent):
        if spend.at_ms <= since_ms:
            break
        if not name or name in spend.classes:
            count += 1
            amount_minor += spend.amount_minor
    return count, amount_minor


def _saw(programme: Programme, facts: Facts) -> str:
    words = []
    for window in programme.velocity:
        if window.spending and window.spending not in facts.classes:
            continue
        count, amount_minor = _within(window, facts)
        words.append(
            f"{spending(window.spending)} in {window.window_ms // _MINUTE_MS} minutes: {count} times and "
            f"{amount_minor}, now {facts.amount_minor}, of {bound(window.amount_minor, window.count)}"
        )
    return "; ".join(words) or "no limit"


def _concerns(programme: Programme, classes: tuple[str, ...]) -> bool:
    return any(window.spending in ("", *classes) for window in programme.velocity)


VELOCITY = Rule("velocity", _make, _saw, SPENDING, concerns=_concerns)
