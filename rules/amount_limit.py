"""So much may be spent a day, a week (from Monday) and a month, in all and by class of spending."""

from rules.facts import Facts
from rules.limits import PERIODS, limits_any, limits_these, own_limits, planned, told
from rules.programme import SPENDING, Programme
from rules.reason import Reason
from rules.rule import Judge, Rule
from rules.usage import days_of


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: FBT001
    """AMOUNT_LIMIT where what was spent in the period and this amount together are above the limit."""
    if not own and not limits_any(programme, "amount_minor", PERIODS):
        return None
    plan = planned(programme, "amount_minor", PERIODS)

    def amount_limit(facts: Facts) -> Reason | None:
        steps = plan(facts.classes, own_limits(facts) if own else ())
        if not steps:
            return None
        amount_minor, usage = facts.amount_minor, facts.usage
        day, week, month = days_of(facts.local_day)
        for place, window, most in steps:
            its = usage[place]
            if window == 0:
                before = its.day_minor if its.day >= day else 0
            elif window == 1:
                before = its.week_minor if its.week >= week else 0
            else:
                before = its.month_minor if its.month >= month else 0
            if before + amount_minor > most:
                return Reason.AMOUNT_LIMIT
        return None

    return amount_limit


def _saw(programme: Programme, facts: Facts) -> str:
    return told(programme, facts, "amount_minor", PERIODS)


AMOUNT_LIMIT = Rule("amount_limit", _make, _saw, SPENDING, concerns=limits_these("amount_minor", PERIODS))
