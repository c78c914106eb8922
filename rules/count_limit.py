"""So many payments may be made a day, a week (from Monday) and a month, in all and by class of spending."""

from rules.facts import WINDOWS, Facts
from rules.limits import limits_any, limits_these, own_limits, planned, told
from rules.programme import SPENDING, Programme
from rules.reason import Reason
from rules.rule import Judge, Rule
from rules.usage import days_of


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: FBT001
    """COUNT_LIMIT where this would be one payment more than the limit."""
    if not own and not limits_any(programme, "count", WINDOWS):
        return None
    plan = planned(programme, "count", WINDOWS)

    def count_limit(facts: Facts) -> Reason | None:
        steps = plan(facts.classes, own_limits(facts) if own else ())
        if not steps:
            return None
        usage = facts.usage
        day, week, month = days_of(facts.local_day)
        for place, window, most in steps:
            its = usage[place]
            if window == 0:
                before = its.day_count if its.day >= day else 0
            elif window == 1:
                before = its.week_count if its.week >= week else 0
            elif window == 2:
                before = its.month_count if its.month >= month else 0
            else:
                before = 0  # One transaction is one: only a card's own limit of none can be reached.
            if before >= most:
                return Reason.COUNT_LIMIT
        return None

    return count_limit


def _saw(programme: Programme, facts: Facts) -> str:
    return told(programme, facts, "count", WINDOWS)


COUNT_LIMIT = Rule("count_limit", _make, _saw, SPENDING, concerns=limits_these("count", WINDOWS))
