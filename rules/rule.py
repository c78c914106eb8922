"""What a rule is: a name, what it is asked of, and a check made from the programme.

Owns that shape alone. A check is made once for a policy and asked of every request, so whatever can be known before is
worked out in `make`, and a rule that this programme can never decline by is not made at all.
"""

from collections.abc import Callable

from msgspec import Struct

from rules.facts import Facts
from rules.programme import SPENDING, Programme
from rules.reason import Entry, Reason, Transaction

Judge = Callable[[Facts], Reason | None]
"""None: nothing against it."""

EVERYTHING = frozenset(Transaction)
USES_OF_A_CARD = SPENDING | {Transaction.INQUIRY, Transaction.VERIFICATION}
"""Everything but a refund: money that comes back belongs to the account, whatever became of the card."""

ANY_ENTRY = frozenset(Entry)


class Rule(Struct, frozen=True):
    """One rule. It is asked only of its `transactions` and `entries`.

    `make(programme, own)` gives its check, or None where it would never decline; `own` says that the card may have
    controls of its own. `saw(programme, facts)` is what it looks at, in words without a card's secrets.
    `concerns(programme, classes)`, where there is one, says whether the programme has anything about payments of these
    classes; a card's own controls may have more.
    """

    name: str
    make: Callable[[Programme, bool], Judge | None]
    saw: Callable[[Programme, Facts], str]
    transactions: frozenset[Transaction] = USES_OF_A_CARD
    entries: frozenset[Entry] = ANY_ENTRY
    concerns: Callable[[Programme, tuple[str, ...]], bool] | None = None
