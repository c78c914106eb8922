"""Pure decision rules: what a card may do, and the one reason when it may not.

Owns the reasons and the order in which rules are asked. Knows no clock, no I/O, no message format and no
ledger: each rule is a function of `Facts` alone, one rule a file. Imports nothing of ours, so that a rule can
be read, tested and replayed with nothing else at hand.
"""

from rules.facts import (
    NO_CHECKS,
    NO_USAGE,
    Checks,
    Controls,
    Counted,
    Facts,
    Limit,
    Spend,
    Usage,
)
from rules.policy import PolicyError, RuleSet, Step, default_rules, read_policy
from rules.reason import CardState, Check, Entry, Reason, Transaction
from rules.sort import Sort

__all__ = [
    "NO_CHECKS",
    "NO_USAGE",
    "CardState",
    "Check",
    "Checks",
    "Controls",
    "Counted",
    "Entry",
    "Facts",
    "Limit",
    "PolicyError",
    "Reason",
    "RuleSet",
    "Sort",
    "Spend",
    "Step",
    "Transaction",
    "Usage",
    "default_rules",
    "read_policy",
]
