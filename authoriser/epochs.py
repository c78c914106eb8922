"""How an epoch begins: its record, and after a crash the marks on payments whose answers nobody knows of.

An epoch is the time during which one process decides for a shard; its number is the slot of the batch that opens it.
Decides only, and changes nothing: the records may yet lose their slot to another process.
"""

from collections.abc import Mapping

from msgspec import Struct

from authoriser import __version__
from authoriser.ledger.commands import MarkAnswerUnknown, Policy
from authoriser.ledger.decide import decide
from authoriser.ledger.records import EpochStarted, Record
from authoriser.ledger.state import ShardState

ANSWER_UNKNOWN_MARGIN_MS = 1_000
"""Added to the longest deadline when looking for holds whose answers the crash may have swallowed."""


class Sealed(Struct, frozen=True):
    """An epoch whose record is durable in slot `epoch`: every batch before it is the log's, for good.

    `began` is when its append began, in seconds of `trio.current_time`.
    """

    epoch: int
    nonce: str
    began: float


def answers_open_ms(policies: Mapping[str, Policy]) -> int:
    """How long after its record an answer may still be neither sent nor voided. `policies` are by link name."""
    deadline_ms = max((policy.reply_deadline_ms for policy in policies.values()), default=0)
    return deadline_ms + ANSWER_UNKNOWN_MARGIN_MS


def epoch_records(
    state: ShardState, *, epoch: int, nonce: str, now_ms: int, policies: Mapping[str, Policy]
) -> tuple[Record, ...]:
    """The first batch of an epoch over `state`. `policies` are by link name.

    All of it goes into one batch: an epoch that began and marked nothing would look to the next as if nothing was open.
    """
    clean = state.commons.ended_clean
    records: list[Record] = [EpochStarted(now_ms, epoch, nonce, __version__, clean)]
    if clean:
        return tuple(records)
    # Whatever was decided longer ago than a deadline before the last record was sent or voided before it.
    since_ms = state.last_ms - answers_open_ms(policies)
    any_policy = next(iter(policies.values()))
    for account in state.accounts.values():
        latest = {
            spend.number
            for card in account.cards.values()
            for spend in card.recent or ()
            if spend.at_ms >= since_ms
        }
        for payment in account.payments.values():
            grown = any(part.number in latest for part in payment.parts)
            fresh = payment.placed_ms >= since_ms or grown
            posted = payment.online_minor and payment.particulars.mti == "0200"
            if fresh and (not payment.ended or posted):
                mark = MarkAnswerUnknown(account.account_id, payment.hold_id)
                records += decide(state, mark, now_ms, any_policy).records
    return tuple(records)
