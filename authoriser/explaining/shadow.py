"""What each card would have used of its limits, counted by another policy's classes over what was really approved.

Counts and gives back with the very functions that the ledger uses, so the same policy gives the same figures. Owns the
counters; asks no rule.
"""

from bisect import bisect_right
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
    """One card's counters."""

    usage: dict[str, Usage]
    recent: list[Spend]


class Shadow:
    """The counters of every card under `rules`, as records are fed in their order."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._cards: dict[str, _Used] = {}
        self._payments: dict[int, tuple[str, Counted]] = {}
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
            usage = tuple([used.usage.get(name, NO_USAGE) for name in ("", *classes)])
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

    def feed(self, record: r.Record) -> None:
        """Count what a record approved, and give back what it undid."""
        if isinstance(record, r.CardReplaced):
            old = self._cards.get(record.old_card_id)
            if old is not None:
                self._cards[record.card_id] = _Used(dict(old.usage), list(old.recent))
            return
        for moved in getattr(record, "moved", None) or payments.moves_of_old(record):
            if moved.returned_minor or moved.returned_times:
                self._give_back(moved)
        if isinstance(record, r.Decided) and record.counted is not None:
            self._count(record, record.counted)

    def _count(self, record: r.Decided, counted: Counted) -> None:
        said, counted = counted, Counted(counted.local_day, self._classes(record, counted))
        hold_id, times = 0, 0
        approved_minor = record.approved_minor
        if record.hold is not None:
            hold_id, times = record.hold.hold_id, 1
            approved_minor = approved_minor or record.hold.amount_minor
            self._payments[hold_id] = record.card_id, counted
        elif record.moved:
            hold_id = record.moved[0].hold_id
            self._parts[hold_id, said] = counted
        used = self._cards.get(record.card_id)
        if used is None:
            used = self._cards[record.card_id] = _Used({}, [])
        limits_used.count(used.usage, counted, approved_minor, times)
        limits_used.remember(used.recent, Spend(record.at_ms, hold_id, approved_minor, counted.classes))

    def _classes(self, record: r.Decided, counted: Counted) -> tuple[str, ...]:
        facts = record.facts
        if facts is not None:
            return self._rules.classes(facts.transaction, facts.mcc, facts.entry)
        # An advice: how its card was taken stands only in the classes that it counted for.
        kept = tuple(name for name in counted.classes if name in OF_EVERY_POLICY)
        return kept + self._rules.classes(Transaction.PURCHASE, record.particulars.mcc, Entry.UNKNOWN)

    def _give_back(self, moved: r.Moved) -> None:
        known = self._payments.get(moved.hold_id)
        if known is None:
            return
        card_id, counted = known
        if moved.counted is not None:
            counted = self._parts.get((moved.hold_id, moved.counted), counted)
        used = self._cards[card_id]
        limits_used.count(used.usage, counted, -moved.returned_minor, -moved.returned_times)
        limits_used.forget(used.recent, moved.hold_id, moved.returned_minor)
