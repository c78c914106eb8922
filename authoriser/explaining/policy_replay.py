"""Yesterday's traffic under another policy: every decision's facts judged again, and what would have been different.

Owns the comparison and its sums. Writes nothing, and changes nothing of the past: what was approved stays counted, and
funds are what they were.
"""

import time
from collections import Counter

from msgspec import Struct

from authoriser.explaining.reading import JournalReader, Read, Watch
from authoriser.explaining.rules_run import same_answer
from authoriser.explaining.shadow import Shadow
from authoriser.ledger import records as r
from authoriser.texts import currency_letters, iso_time
from rules import Facts, Reason, RuleSet

EXAMPLES_MAX = 3
"""Of one difference: enough to look one up with `authoriser explain`."""

APPROVALS = frozenset({Reason.APPROVED, Reason.APPROVED_PARTIALLY, Reason.VERIFIED, Reason.BALANCE_GIVEN})
"""What a shop hears as yes."""


class Example(Struct, frozen=True):
    """One decision. `amount_minor` is what was asked, a fee with it; `currency` in ISO 4217 letters."""

    record: int
    at: str
    rrn: str
    last_four: str
    amount_minor: int
    currency: str


class Amount(Struct, frozen=True):
    amount_minor: int
    currency: str


class Sum(Struct, frozen=True):
    """How many decisions, and what they asked for, by currency."""

    count: int
    amounts: tuple[Amount, ...]


class Difference(Struct, frozen=True):
    """Decisions whose reason would have been `after` instead of `before`. `examples` are the first ones."""

    before: str
    after: str
    count: int
    amounts: tuple[Amount, ...]
    examples: tuple[Example, ...]


class PolicyReplay(Struct, frozen=True):
    """`from_seq` and `to_seq` are the batches that were compared; counters were kept from the journal's beginning.

    `without_facts` are messages that no rule was asked about (unknown cards, advices) or whose record has no facts
    (journals of version 0.1). `other_reason` stayed declined, or approved, for another reason. `policies` are the
    versions that decided, each with its number of decisions.
    """

    policy: str
    policies: dict[str, int]
    from_seq: int
    to_seq: int
    compared: int
    same: int
    without_facts: int
    newly_declined: Sum
    newly_approved: Sum
    other_reason: Sum
    differences: tuple[Difference, ...]
    seconds: float


class _Tally:
    """The sums of one pair of reasons while they grow."""

    def __init__(self) -> None:
        self.count = 0
        self.amounts: Counter[str] = Counter()
        self.examples: list[Example] = []

    def add(self, read: Read, record: r.Decided, facts: Facts) -> None:
        self.count += 1
        currency = currency_letters(facts.currency)
        self.amounts[currency] += facts.amount_minor
        if len(self.examples) < EXAMPLES_MAX:
            said = record.particulars
            self.examples.append(
                Example(
                    read.number,
                    iso_time(record.at_ms),
                    said.rrn,
                    record.last_four,
                    facts.amount_minor,
                    currency,
                )
            )


def replay_policy(
    journal: JournalReader, rules: RuleSet, watch: Watch, from_seq: int = 1, to_seq: int | None = None
) -> PolicyReplay:
    """Judge the decisions of batches `from_seq` to `to_seq` (None: the last) again under `rules`.

    Raises NoJournalError.
    """
    began = time.monotonic()
    shadow = Shadow(rules)
    tallies: dict[tuple[str, str], _Tally] = {}
    policies: Counter[str] = Counter()
    compared = without_facts = 0
    end = journal.last_seq if to_seq is None else min(to_seq, journal.last_seq)
    for read in journal.read(watch, to_seq=end):
        record = read.record
        if isinstance(record, r.Decided) and read.seq >= from_seq:
            if record.facts is None:
                without_facts += 1
            else:
                compared += 1
                policies[record.policy] += 1
                facts = shadow.facts(record.card_id, record.facts)
                after = rules.evaluate(facts)
                if not same_answer(record.reason, after):
                    pair = record.reason.value, after.value
                    tallies.setdefault(pair, _Tally()).add(read, record, facts)
        shadow.feed(read.number, record)
    groups: dict[str, list[_Tally]] = {"declined": [], "approved": [], "other": []}
    for (before, after_value), tally in tallies.items():
        groups[_turn(Reason(before), Reason(after_value))].append(tally)
    return PolicyReplay(
        policy=rules.version,
        policies=dict(policies.most_common()),
        from_seq=from_seq,
        to_seq=end,
        compared=compared,
        same=compared - sum(tally.count for tally in tallies.values()),
        without_facts=without_facts,
        newly_declined=_sum(groups["declined"]),
        newly_approved=_sum(groups["approved"]),
        other_reason=_sum(groups["other"]),
        differences=tuple(
            Difference(before, after_value, tally.count, _amounts(tally.amounts), tuple(tally.examples))
            for (before, after_value), tally in sorted(tallies.items(), key=lambda item: -item[1].count)
        ),
        seconds=round(time.monotonic() - began, 3),
    )


def _turn(before: Reason, after: Reason) -> str:
    if (before in APPROVALS) == (after in APPROVALS):
        return "other"
    return "approved" if after in APPROVALS else "declined"


def _sum(tallies: list[_Tally]) -> Sum:
    amounts: Counter[str] = Counter()
    for tally in tallies:
        amounts.update(tally.amounts)
    return Sum(sum(tally.count for tally in tallies), _amounts(amounts))


def _amounts(amounts: Counter[str]) -> tuple[Amount, ...]:
    return tuple(Amount(minor, currency) for currency, minor in sorted(amounts.items()))
