"""A policy: the rules of a card programme as TOML, compiled to one callable.

Owns what a rule set can be asked. The file's keys are `policy_reading`'s, the order of the rules is `order`'s.

Compiled means: for each sort of request (`sort`) the list of those rules that could decline it under this policy. What
the policy does not use is never asked.
"""

import hashlib
from functools import lru_cache
from importlib.resources import files

from msgspec import Struct

from rules.facts import Facts
from rules.order import ORDER
from rules.policy_reading import PolicyError, read_programme
from rules.programme import CASH, CONTACTLESS, ECOMMERCE, ONLINE, SPENDING
from rules.reason import Entry, Reason, Transaction
from rules.sort import Rules, Sort
from rules.tapping import effect

__all__ = ["DAY_MS", "PolicyError", "RuleSet", "Step", "default_rules", "read_policy"]

DAY_MS = 86_400_000
_SORTS_MAX = 4_096
"""Sorts of requests remembered of one policy: what more MCCs than a programme ever sees would ask for."""


class Step(Struct, frozen=True):
    """One rule that was asked, in words: its name, what it looked at, and its reason (None: nothing against it)."""

    rule: str
    saw: str
    reason: Reason | None


class RuleSet:
    """A policy, compiled. `version` names its text: the first twelve hexadecimal digits of its SHA-256.

    `window_max_ms` is its longest sliding window, 0 without any. Raises PolicyError for a text that is no policy;
    `source` names the text there.
    """

    def __init__(self, text: str, source: str = "policy") -> None:
        self.text = text
        self.programme = programme = read_programme(text, source)
        self.version = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.window_max_ms = max((window.window_ms for window in programme.velocity), default=0)
        self._windows_ms = {
            name: max(window.window_ms for window in programme.velocity if window.spending == name)
            for name in {window.spending for window in programme.velocity}
        }
        self._full = [(rule, judge) for rule in ORDER if (judge := rule.make(programme, True)) is not None]
        self._asked = lru_cache(maxsize=_SORTS_MAX)(Rules(programme).asked)
        self.sorts: dict[tuple[Transaction, str, Entry], Sort] = {}
        self._mcc_classes: dict[str, tuple[str, ...]] = {}
        for name, mccs in programme.classes.items():
            for mcc in mccs:
                self._mcc_classes[mcc] = (*self._mcc_classes.get(mcc, ()), name)
        self._hold_ms = {mcc: days * DAY_MS for mcc, days in programme.hold_days.items()}
        self._hold_default_ms = programme.hold_default_days * DAY_MS

    def sort(self, transaction: Transaction, mcc: str, entry: Entry) -> Sort:
        """What the policy says of such requests, whoever's card it is."""
        known = self.sorts
        found = known.get((transaction, mcc, entry))
        if found is None:
            if len(known) >= _SORTS_MAX:
                known.clear()
            found = known[transaction, mcc, entry] = self._sort(transaction, mcc, entry)
        return found

    def _sort(self, transaction: Transaction, mcc: str, entry: Entry) -> Sort:
        programme, classes = self.programme, self.classes(transaction, mcc, entry)
        return Sort(
            classes=classes,
            window_ms=self.window_ms(classes),
            hold_lifetime_ms=self.hold_lifetime_ms(mcc),
            effect=effect(programme, transaction, entry, mcc, pin=False),
            effect_with_pin=effect(programme, transaction, entry, mcc, pin=True),
            asked=self._asked(transaction, entry, classes),
            policy=self.version,
        )

    def evaluate(self, facts: Facts) -> Reason:
        """The first rule's reason to decline, else APPROVED, VERIFIED or BALANCE_GIVEN by what was asked."""
        return self._asked(facts.transaction, facts.entry, facts.classes).evaluate(facts)

    def explain(self, facts: Facts) -> tuple[Step, ...]:
        """Every rule that such a request is asked by, in order, up to and with the one that declines."""
        steps = []
        for rule, judge in self._full:
            if facts.transaction not in rule.transactions or facts.entry not in rule.entries:
                continue
            reason = judge(facts)
            steps.append(Step(rule.name, rule.saw(self.programme, facts), reason))
            if reason is not None:
                break
        return tuple(steps)

    def classes(self, transaction: Transaction, mcc: str, entry: Entry) -> tuple[str, ...]:
        """The classes of spending, besides "", that a payment counts for; none for what takes no money."""
        if transaction not in SPENDING:
            return ()
        return _OWN_CLASSES[transaction][entry] + self._mcc_classes.get(mcc, ())

    def window_ms(self, classes: tuple[str, ...]) -> int:
        """How far back a payment of these classes is judged by approvals: its longest sliding window, 0 for none."""
        windows_ms = self._windows_ms
        longest_ms = windows_ms.get("", 0)
        for name in classes:
            longest_ms = max(longest_ms, windows_ms.get(name, 0))
        return longest_ms

    def hold_lifetime_ms(self, mcc: str) -> int:
        """How long a hold of such a shop lasts where the network says nothing."""
        return self._hold_ms.get(mcc, self._hold_default_ms)


def _own_classes(transaction: Transaction, entry: Entry) -> tuple[str, ...]:
    names = []
    if transaction is Transaction.CASH:
        names.append(CASH)
    if entry in ONLINE:
        names.append(ECOMMERCE)
    if entry is Entry.CONTACTLESS:
        names.append(CONTACTLESS)
    return tuple(names)


_OWN_CLASSES = {
    transaction: {entry: _own_classes(transaction, entry) for entry in Entry} for transaction in SPENDING
}


def read_policy(text: str, source: str = "policy") -> RuleSet:
    """The rule set of a policy's TOML; `source` names it in errors. Raises PolicyError."""
    return RuleSet(text, source)


@lru_cache(maxsize=1)
def default_rules() -> RuleSet:
    """The policy of a programme that has loaded none."""
    text = files("rules").joinpath("default_policy.toml").read_text(encoding="utf-8")
    return RuleSet(text, "default_policy.toml")
