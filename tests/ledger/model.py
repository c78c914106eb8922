"""What the ledger should do, said a second time: plain dictionaries, from the design and not from the code.

Knows the commands' shapes and nothing else of the ledger: no records, no state, no rules, no policy's table. The state
machine compares the ledger with this after every step. The files beside this one stand each upon the one before:
`model_base` (what is known), `model_rules` (what a card may do), `model_messages` (requests), `model_advices` (what
others decided, and completions), `model_reversals` (what takes back), `model_clearing` (a file's rows),
`model_operators`.
"""

from ledger_model_base import Expected, Said
from ledger_model_operators import Operators
from ledger_model_rules import LIMITED, NO_POLICY, TIGHT

__all__ = ["LIMITED", "NO_POLICY", "TIGHT", "Expected", "Model", "Said"]


class Model(Operators):
    """The whole of it."""
