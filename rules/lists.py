"""Allow and block lists: of ways to take a card, countries, merchant categories and merchants.

A list that is empty is no list. Where there is an allow list, what nobody says (no country, no merchant) is not in it.
A card's own list stands in the place of the programme's of the same name, and an empty one takes that away.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from rules.facts import Facts
from rules.programme import Listed, Programme
from rules.reason import Reason
from rules.rule import Judge, Rule

_Get = Callable[[Any], Any]


def _lists(name: str, fact: str, listed: str, reason: Reason, own_prefix: str) -> Rule:
    """`fact` of Facts against the programme's `listed`, and the controls' `own_prefix`_allow and _block ("": none)."""
    value_of, programme_of = attrgetter(fact), attrgetter(listed)
    own_allow: _Get = attrgetter(f"{own_prefix}_allow") if own_prefix else _none
    own_block: _Get = attrgetter(f"{own_prefix}_block") if own_prefix else _none

    def make(programme: Programme, own: bool) -> Judge | None:  # noqa: FBT001
        lists = programme_of(programme)
        if own and own_prefix:
            return _by_card(lists, value_of, own_allow, own_block, reason)
        return _by_programme(lists, value_of, reason)

    def saw(programme: Programme, facts: Facts) -> str:
        lists, controls, value = programme_of(programme), facts.controls, value_of(facts)
        allow = lists.allow if controls is None or own_allow(controls) is None else own_allow(controls)
        block = lists.block if controls is None or own_block(controls) is None else own_block(controls)
        words = [f"{fact} {value or '(none)'}"]
        if allow:
            words.append("is in the allow list" if value in allow else "is not in the allow list")
        if block:
            words.append("is in the block list" if value in block else "is not in the block list")
        return ", ".join(words) if len(words) > 1 else f"{words[0]}, no list"

    return Rule(name, make, saw)


def _by_programme(lists: Listed, value_of: _Get, reason: Reason) -> Judge | None:
    block, only = lists.block, lists.allow - lists.block
    if lists.allow:
        return lambda facts: None if value_of(facts) in only else reason
    return (lambda facts: reason if value_of(facts) in block else None) if block else None


def _by_card(lists: Listed, value_of: _Get, own_allow: _Get, own_block: _Get, reason: Reason) -> Judge:
    def judge(facts: Facts) -> Reason | None:
        allow, block, controls = lists.allow, lists.block, facts.controls
        if controls is not None:
            own = own_allow(controls)
            allow = allow if own is None else own
            own = own_block(controls)
            block = block if own is None else own
        value = value_of(facts)
        return reason if value in block or (allow and value not in allow) else None

    return judge


def _none(_: Any) -> None:
    """The own list of what cards have no own lists of."""


ENTRY_MODE = _lists("entry_mode", "entry", "entry_modes", Reason.ENTRY_MODE_NOT_ALLOWED, "")
COUNTRY = _lists("country", "country", "countries", Reason.COUNTRY_NOT_ALLOWED, "country")
MCC = _lists("mcc", "mcc", "mccs", Reason.MCC_NOT_ALLOWED, "mcc")
MERCHANT = _lists("merchant", "merchant_id", "merchants", Reason.MERCHANT_NOT_ALLOWED, "merchant")
