"""Four ways to use a card that can be switched off: by the programme, and over it by the card's own controls.

Online is what was typed in there and what a shop has on file; a stripe that was read because the chip failed is a
stripe. Cash is a withdrawal; notes at a till are `cashback`'s.
"""

from operator import attrgetter

from rules.facts import Facts
from rules.programme import ONLINE, Programme
from rules.reason import Entry, Reason, Transaction
from rules.rule import ANY_ENTRY, USES_OF_A_CARD, Judge, Rule


def _switch(
    name: str,
    reason: Reason,
    transactions: frozenset[Transaction] = USES_OF_A_CARD,
    entries: frozenset[Entry] = ANY_ENTRY,
) -> Rule:
    get = attrgetter(name)

    def make(programme: Programme, own: bool) -> Judge | None:  # noqa: FBT001
        on: bool = get(programme.switches)

        def switch(facts: Facts) -> Reason | None:
            controls = facts.controls
            its_own = None if controls is None else get(controls)
            return None if (on if its_own is None else its_own) else reason

        return switch if own or not on else None

    def saw(programme: Programme, facts: Facts) -> str:
        its_own = None if facts.controls is None else get(facts.controls)
        if its_own is None:
            return f"{name} is {_word(get(programme.switches))} by the programme"
        return f"{name} is {_word(its_own)} by the card"

    return Rule(name, make, saw, transactions, entries)


def _word(on: bool) -> str:  # noqa: FBT001
    return "on" if on else "off"


MAGSTRIPE = _switch("magstripe", Reason.MAGSTRIPE_OFF, entries=frozenset({Entry.MAGSTRIPE, Entry.FALLBACK}))
CONTACTLESS = _switch("contactless", Reason.CONTACTLESS_OFF, entries=frozenset({Entry.CONTACTLESS}))
ECOMMERCE = _switch("ecommerce", Reason.ECOMMERCE_OFF, entries=ONLINE)
CASH = _switch("cash", Reason.CASH_OFF, transactions=frozenset({Transaction.CASH}))
