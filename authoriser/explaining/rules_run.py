"""A decision's rules, run again over what they saw: which were asked, in their order, and what they said.

Owns finding the very policy that decided, in the journal or in this program. Says so where the rules give another
reason than the record has: then it was another program that decided.
"""

import statistics
import time
from collections.abc import Collection

from msgspec import Struct

from authoriser.explaining.reading import JournalReader, Watch
from authoriser.ledger import records as r
from rules import Facts, PolicyError, Reason, RuleSet, Step, default_rules, read_policy

RUNS = 201
"""Of one evaluation, for its median: a few milliseconds in all."""

POLICY_CHANGED = bytes((14,)) + b"\xcf"
"""The tag of a PolicyChanged and the mark of its time, a 64-bit number: in MessagePack they stand side by side."""


class RulesRun(Struct, frozen=True):
    """`policy` is the version that decided, `source` where its text was found: the record's number, "default", or ""
    where it is nowhere; then this program's default stands in, and `version` is the one that was run.

    `reason` is what the rules say now, `agrees` whether the record says the same. `microseconds` is the median of RUNS
    evaluations on this machine.
    """

    policy: str
    source: str
    version: str
    steps: tuple[Step, ...]
    reason: Reason
    agrees: bool
    microseconds: float


class KnownPolicies:
    """The rule sets that the journal names, by version, and this program's default."""

    def __init__(self, found: dict[str, tuple[int, RuleSet]]) -> None:
        self._found = found

    def of(self, version: str) -> tuple[str, RuleSet]:
        """Where the policy's text was found, and its rules; this program's default where it is nowhere."""
        default = default_rules()
        if version in self._found:
            number, rules = self._found[version]
            return str(number), rules
        return "default" if version == default.version else "", default


def policies_of(journal: JournalReader, versions: Collection[str], watch: Watch) -> KnownPolicies:
    """The policies of these versions. Raises NoJournalError."""
    wanted = set(versions) - {default_rules().version, ""}
    found: dict[str, tuple[int, RuleSet]] = {}
    if wanted:
        for read in journal.read(watch, [POLICY_CHANGED]):
            record = read.record
            if isinstance(record, r.PolicyChanged) and record.version in wanted - found.keys():
                try:
                    found[record.version] = read.number, read_policy(record.text)
                except PolicyError:
                    continue  # another program's: its keys are no longer known here
    return KnownPolicies(found)


def run_rules(record: r.Decided, policies: KnownPolicies) -> RulesRun | None:
    """None where no rule was asked: an advice, an unknown card, or a reversal that came first."""
    facts = record.facts
    if facts is None:
        return None
    source, rules = policies.of(record.policy)
    reason = rules.evaluate(facts)
    return RulesRun(
        policy=record.policy,
        source=source,
        version=rules.version,
        steps=rules.explain(facts),
        reason=reason,
        agrees=same_answer(record.reason, reason),
        microseconds=_median_us(rules, facts),
    )


def same_answer(recorded: Reason, reason: Reason) -> bool:
    """Whether the rules' word is the answer that was given. Approving a part is the ledger's, for want of funds."""
    if recorded is Reason.APPROVED_PARTIALLY:
        return reason is Reason.INSUFFICIENT_FUNDS
    return recorded is reason


def _median_us(rules: RuleSet, facts: Facts) -> float:
    times = []
    for _ in range(RUNS):
        began = time.perf_counter_ns()
        rules.evaluate(facts)
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times) / 1_000
