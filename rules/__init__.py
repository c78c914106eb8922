"""Pure decision rules: what a card may do, and the one reason when it may not.

Owns the reasons and the order in which rules are asked. Knows no clock, no I/O, no message format and no
ledger: each rule is a function of `Facts` alone, one rule a file. Imports nothing of ours, so that a rule can
be read, tested and replayed with nothing else at hand.
"""

from rules.evaluate import ORDER, evaluate
from rules.facts import Facts
from rules.reason import CardState, Reason, Transaction

__all__ = ["ORDER", "CardState", "Facts", "Reason", "Transaction", "evaluate"]
