"""`decide(state, command, now_ms, policy) -> Outcome`: what would happen, as records. Changes nothing.

Owns which function decides which command. Each kind of message has a file of its own: requests, advices, reversals,
clearing; `process.py` has what the process itself commands, `operator_changes.py` and `settling.py` what people do.
Repeats are answered before any rule is asked, from the answer that was kept.
"""

from collections.abc import Callable
from typing import Any

from authoriser.ledger import commands as c
from authoriser.ledger import operator_changes, process
from authoriser.ledger.advices import advise
from authoriser.ledger.clearing import clear, end_file
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.requests import authorise
from authoriser.ledger.reversals import reverse
from authoriser.ledger.settling import settle_exception
from authoriser.ledger.state import ShardState


def decide(state: ShardState, command: c.Command, now_ms: int, policy: c.Policy) -> Outcome:
    """What `command` does to `state` at `now_ms` (milliseconds, UTC, never before the last record).

    Raises CommandRefused for an operator's change that cannot be made; never for a network's message.
    """
    return _DECIDE[type(command)](state, command, now_ms, policy)


_DECIDE: dict[type, Callable[[ShardState, Any, int, c.Policy], Outcome]] = {
    c.AuthorisationRequest: authorise,
    c.Advice: advise,
    c.ReversalRequest: reverse,
    c.ClearRow: clear,
    c.EndClearingFile: end_file,
    c.SettleException: settle_exception,
    c.VoidAnswer: process.void,
    c.ExpireHold: process.expire,
    c.MarkAnswerUnknown: process.mark_unknown,
    c.NoteException: process.note,
    **operator_changes.DECIDE,
}
