"""What each card would have used of its limits, counted by another policy's classes over what was really approved.

Counts and gives back with the very functions that the ledger uses, so the same policy gives the same figures. Owns the
counters; asks no rule.
"""

from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter

from msgspec import Struct

from authoriser.ledger import payments
from authoriser.ledger import records as r
from rules import NO_USAGE, Counted, Entry, Facts, RuleSet, Spend, Transaction, Usage
from rules import usage as limits_used
from rules.programme import CASH, CONTACTLESS, ECOMMERCE

OF_EVERY_POLICY = frozenset({CASH, ECOMMERCE, CONTACTLESS})
"""Classes that do not come from the merchant category."""


_at_ms = attrgetter("at_ms")


class _Used(Struct):
    """One card's counters. `successor` is the card that went on from them after record `replaced_no`."""

    usage: dict[str, Usage]
    recent: list[Spend]
    successor: str = ""
    replaced_no: int = 0
    spent: Usage = NO_USAGE

    def count(self, counted: Counted, amount_minor: int, times: int) -> None:
        self.spent = limits_used.grown(self.spent, counted.local_day, amount_minor, times)
        limits_used.count(self.usage, counted, amount_minor, times)


class Shadow:
    """The counters of every card under `rules`, as records are fed in their order."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._cards: dict[str, _Used] = {}
        self._counted: dict[int, tuple[str, Counted]] = {}
        """How each message counts here, and for which card, by the number of its record."""
        self._parts: dict[tuple[int, Counted], Counted] = {}
        """Of an increment: how it counts here, by how the journal says that it counted."""

    def facts(self, card_id: str, facts: Facts) -> Facts:
        """`facts` with classes, usage and recent approvals as they would be under `rules`."""
        rules = self._rules
        classes = rules.classes(facts.transaction, facts.mcc, facts.entry)
        used = self._cards.get(card_id)
        usage: tuple[Usage, ...] = (NO_USAGE,) * (1 + len(classes))
        recent: tuple[Spend, ...] = ()
        if used is not None:
            usage = (used.spent, *[used.usage.get(name, NO_USAGE) for name in classes])
            window_ms = rules.window_ms(classes)
            if window_ms:
                oldest = bisect_right(used.recent, facts.now_ms - window_ms, key=_at_ms)
                recent = tuple(used.recent[oldest:])
        # Written out, because replace() costs twice as much, and this is done for every decision of a journal.
        return Facts(
            facts.now_ms,
            facts.local_day,
            facts.transaction,
            facts.amount_minor,
            facts.currency,
            facts.account_currency,
            facts.available_minor,
            facts.card_state,
            facts.card_expires_ms,
            facts.closes_ms,
            facts.expiry_matches,
            facts.cashback_minor,
            facts.mcc,
            facts.merchant_id,
            facts.country,
            facts.entry,
            facts.checks,
            facts.controls,
            classes,
            usage,
            recent,
            facts.contactless_count,
            facts.contactless_minor,
            facts.fee_minor,
        )

    def feed(self, number: int, record: r.Record) -> None:
        """Count what record `number` approved, and give back what it undid."""
        if isinstance(record, r.CardReplaced):
            old = self._cards.setdefault(record.old_card_id, _Used({}, []))
            old.successor, old.replaced_no = record.card_id, number
            self._cards[record.card_id] = _Used(dict(old.usage), list(old.recent), spent=old.spent)
            return
        for moved in getattr(record, "moved", None) or payments.moves_of_old(record):
            if moved.returned_minor or moved.returned_times:
                self._give_back(moved)
        if isinstance(record, r.Decided) and record.counted is not None:
            self._count(number, record, record.counted)

    def _count(self, number: int, record: r.Decided, counted: Counted) -> None:
        said, counted = counted, Counted(counted.local_day, self._classes(record, counted))
        times = 0
        approved_minor = record.approved_minor
        if record.hold is not None:
            times = 1
            approved_minor = approved_minor or record.hold.amount_minor
        elif record.moved:
            self._parts[record.moved[0].hold_id, said] = counted
        self._counted[number] = record.card_id, counted
        used = self._cards.get(record.card_id)
        if used is None:
            used = self._cards[record.card_id] = _Used({}, [])
        used.count(counted, approved_minor, times)
        limits_used.remember(used.recent, Spend(record.at_ms, number, approved_minor, counted.classes))

    def _classes(self, record: r.Decided, counted: Counted) -> tuple[str, ...]:
        facts = record.facts
        if facts is not None:
            return self._rules.classes(facts.transaction, facts.mcc, facts.entry)
        # An advice: how its card was taken stands only in the classes that it counted for.
        kept = tuple(name for name in counted.classes if name in OF_EVERY_POLICY)
        return kept + self._rules.classes(Transaction.PURCHASE, record.particulars.mcc, Entry.UNKNOWN)

    def _give_back(self, moved: r.Moved) -> None:
        rest_minor = moved.returned_minor
        for returned in moved.returned:
            self._uncount(returned.number, returned.amount_minor, 0)
            rest_minor -= returned.amount_minor
        as_part = self._parts.get((moved.hold_id, moved.counted)) if moved.counted is not None else None
        self._uncount(moved.hold_id, rest_minor, moved.returned_times, as_part)

    def _uncount(self, number: int, amount_minor: int, times: int, as_part: Counted | None = None) -> None:
        known = self._counted.get(number)
        if known is None:
            return
        card_id, counted = known
        for used in self._counting(card_id, number):
            used.count(as_part or counted, -amount_minor, -times)
            limits_used.forget(used.recent, number, amount_minor)

    def _counting(self, card_id: str, number: int) -> Iterator[_Used]:
        """The card's counters, and those that went on from them with record `number` in them."""
        used = self._cards[card_id]
        yield used
        if used.replaced_no > number:
            while used.successor:
                used = self._cards[used.successor]
                yield used
