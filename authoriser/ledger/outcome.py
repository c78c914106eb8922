"""What a decision would do: the records it makes, and the reply that they wait for."""

from msgspec import Struct

from authoriser.ledger.commands import Reply
from authoriser.ledger.records import Record


class Outcome(Struct, frozen=True, gc=False):
    """`records` are to be applied in order and made durable before `reply` leaves.

    `key` names the kept answer that a request's reply is, so that a repeat can join it; `hold_id` is its
    hold, 0 where there is none. `repeated` says that the reply was given before; `refused` that nothing was
    admitted.
    """

    records: tuple[Record, ...] = ()
    reply: Reply | None = None
    account_id: str = ""
    key: str = ""
    hold_id: int = 0
    repeated: bool = False
    refused: bool = False
    changed: bool = False
