"""A sort of request, and what a policy has to say of it before anybody knows the card: worked out once, asked often.

Owns how the rules are asked, one after the other. Of each sort (what is asked for, how the card was taken, its classes
of spending) those rules are left that could decline it under this policy. In the middle of other work, when nothing of
it is in the processor's caches, each rule and each look-up that is left out saves a third of a microsecond.
"""

from msgspec import Struct

from rules.facts import NO_CHECKS, Counted, Facts
from rules.limits import UNLIMITED
from rules.order import ORDER
from rules.plain import OF as PLAIN_OF
from rules.plain import covered, most_for
from rules.programme import Programme
from rules.reason import CardState, Check, Entry, Reason, Transaction
from rules.rule import Judge

_ACTIVE = CardState.ACTIVE
_NOT_FAILED = frozenset({Check.ABSENT, Check.NOT_CHECKED, Check.PASSED})
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
        # The short way past the rules that `plain` names: taken only where none of them has anything against it.
        checks = facts.checks
        if (
            others is not None
            and facts.card_state is _ACTIVE
            and not facts.closes_ms
            and facts.now_ms < facts.card_expires_ms
            and facts.expiry_matches
            and facts.currency == facts.account_currency
            and 0 < facts.amount_minor <= facts.available_minor
            and facts.amount_minor <= most_minor
            and (
                checks is NO_CHECKS
                or (
                    checks.pin in _NOT_FAILED
                    and checks.cvv in _NOT_FAILED
                    and checks.arqc in _NOT_FAILED
                    and checks.mac in _NOT_FAILED
                )
            )
        ):
            every = others
        for judge in every:
            reason = judge(facts)
            if reason is not None:
                return reason
        return self.passed


NEVER = Counted(0)


class Sort(Struct):
    """What a policy says of requests that are alike in what they ask for, the shop's MCC and how the card was taken.

    `classes` are the classes of spending besides "", `window_ms` how far back their sliding windows reach (0: none),
    `hold_lifetime_ms` how long a hold lasts where the network says nothing. `effect` is what an approval does to the
    contactless counters, `effect_with_pin` what it does with a PIN that was right. `policy` is the policy's version.
    `counted` and `counted_with_pin` are what an approval counted for when one was last asked for, on whatever day: one
    object for all payments of a day, because each of them keeps it.
    """

    classes: tuple[str, ...]
    window_ms: int
    hold_lifetime_ms: int
    effect: int
    effect_with_pin: int
    asked: Asked
    policy: str
    counted: Counted = NEVER
    counted_with_pin: Counted = NEVER

    def count(self, local_day: int, *, pin: bool) -> Counted:
        """What an approval counts for on a day (`date.toordinal`), with a PIN that was right or without."""
        if pin:
            counted = self.counted_with_pin = Counted(local_day, self.classes, self.effect_with_pin)
        else:
            counted = self.counted = Counted(local_day, self.classes, self.effect)
        return counted


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
