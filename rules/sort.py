"""A sort of request, and what a policy has to say of it before anybody knows the card: worked out once, asked often.

Owns how the rules are asked, one after the other. Of each sort (what is asked for, how the card was taken, its classes
of spending) those rules are left that could decline it under this policy. In the middle of other work, when nothing of
it is in the processor's caches, each rule and each look-up that is left out saves a third of a microsecond.
"""

from msgspec import Struct

from rules.facts import Facts
from rules.limits import UNLIMITED
from rules.order import ORDER
from rules.plain import OF as PLAIN_OF
from rules.plain import covered, most_for, plain
from rules.programme import Programme
from rules.reason import Entry, Reason, Transaction
from rules.rule import Judge

_PASSED = dict.fromkeys(Transaction, Reason.APPROVED) | {
    Transaction.VERIFICATION: Reason.VERIFIED,
    Transaction.INQUIRY: Reason.BALANCE_GIVEN,
}


class Asked(Struct, frozen=True):
    """The rules that one sort of request is asked by, by cards without controls of their own and by cards with them.

    The `others` are those that `plain` leaves, None where it can't be asked; `most_minor` is what it takes beside.
    """

    every: tuple[Judge, ...]
    others: tuple[Judge, ...] | None
    every_by_card: tuple[Judge, ...]
    others_by_card: tuple[Judge, ...] | None
    most_minor: int
    passed: Reason

    def evaluate(self, facts: Facts) -> Reason:
        """The first rule's reason to decline, else APPROVED, VERIFIED or BALANCE_GIVEN by what was asked."""
        if facts.controls is None:
            every, others, most_minor = self.every, self.others, self.most_minor
        else:
            every, others, most_minor = self.every_by_card, self.others_by_card, UNLIMITED
        for judge in others if others is not None and plain(facts, most_minor) else every:
            reason = judge(facts)
            if reason is not None:
                return reason
        return self.passed


class Sort(Struct, frozen=True):
    """What a policy says of requests that are alike in what they ask for, the shop's MCC and how the card was taken.

    `classes` are the classes of spending besides "", `window_ms` how far back their sliding windows reach (0: none),
    `hold_lifetime_ms` how long a hold lasts where the network says nothing. `effect` is what an approval does to the
    contactless counters, `effect_with_pin` what it does with a PIN that was right. `policy` is the policy's version.
    """

    classes: tuple[str, ...]
    window_ms: int
    hold_lifetime_ms: int
    effect: int
    effect_with_pin: int
    asked: Asked
    policy: str


class Rules:
    """A programme's rules, made. Each check is made twice: for cards with controls of their own and without."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._by_programme = [(rule, rule.make(programme, False)) for rule in ORDER]
        self._by_card = [(rule, rule.make(programme, True)) for rule in ORDER]

    def asked(self, transaction: Transaction, entry: Entry, classes: tuple[str, ...]) -> Asked:
        """What such a request is asked, in the order of the rules."""
        asked: list[tuple[tuple[Judge, ...], tuple[Judge, ...] | None]] = []
        for own, made in ((False, self._by_programme), (True, self._by_card)):
            judges = [
                (rule.name, judge)
                for rule, judge in made
                if judge is not None
                and transaction in rule.transactions
                and entry in rule.entries
                and (own or rule.concerns is None or rule.concerns(self._programme, classes))
            ]
            past = covered(self._programme, own=own)
            others = tuple(judge for name, judge in judges if name not in past)
            every = tuple(judge for _name, judge in judges)
            asked.append((every, others if transaction in PLAIN_OF else None))
        return Asked(*asked[0], *asked[1], most_for(self._programme, classes), _PASSED[transaction])
