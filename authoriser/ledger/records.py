"""What happened, as the journal keeps it: frozen, complete, and enough to rebuild the state without any rule.

Records are MessagePack arrays with an integer tag. A field is only ever added at the end, with a default,
so that an old journal can always be read. Amounts are integers of minor units; times are milliseconds since
the epoch, UTC. No PAN stands in any of them: `token` is the PAN's HMAC under a key kept outside the data
directory.
"""

from msgspec import Struct

from rules import CardState, Reason


class Particulars(Struct, frozen=True, array_like=True, gc=False):
    """What a message said that is worth keeping: enough to match it again and to tell the customer of it.

    `mti` has its repeat digit cleared. `acquirer` is DE32 without leading zeros. Absent fields are "".
    """

    network: str
    link: str
    mti: str
    transmission: str
    stan: str
    rrn: str
    acquirer: str
    processing_code: str
    amount_minor: int
    currency: str
    mcc: str = ""
    entry_mode: str = ""
    terminal_id: str = ""
    merchant_id: str = ""
    merchant: str = ""
    city: str = ""
    country: str = ""


class Audit(Struct, frozen=True, array_like=True, gc=False):
    """Who changed something, and why. `key` is the client's own, so that a lost acknowledgement can be retried.

    `what` names the change (method and target): the same key for another change is refused.
    `forget_ms` 0 keeps no key: what the change made is what a retry finds.
    """

    key: str
    actor: str
    uid: int
    reason: str
    what: str
    forget_ms: int


class HoldPlaced(Struct, frozen=True, array_like=True, gc=False):
    """The part of an approval that reduces available funds."""

    hold_id: int
    amount_minor: int
    expires_ms: int


class Tombstone(Struct, frozen=True, array_like=True, gc=False):
    """A full reversal that came before its original. A part that the reversal did not name is ""."""

    card_id: str
    network: str
    mti: str
    stan: str
    transmission: str
    acquirer: str
    rrn: str
    forget_ms: int


class EpochStarted(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A process took the shard. `epoch` is the slot of the batch that this record opens; epochs only grow.

    `nonce` is the instance's; `clean` says that the one before ended in order.
    """

    at_ms: int
    epoch: int
    nonce: str
    software: str
    clean: bool


class EpochEnded(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """The process drained: every answer was sent or voided before this record."""

    at_ms: int


class AccountOpened(Struct, frozen=True, array_like=True, tag=3, gc=False):
    at_ms: int
    account_id: str
    currency: str
    credit_line_minor: int
    time_zone: str
    audit: Audit


class CardIssued(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """`funded_minor` is the credit of the same import row, else 0; the money itself is a `Posted` of its own."""

    at_ms: int
    account_id: str
    card_id: str
    token: bytes
    key_version: int
    last_four: str
    expiry: str
    expires_ms: int
    state: CardState
    audit: Audit
    funded_minor: int = 0


class Posted(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """A balanced double entry: what the customer's account gains, `book` loses."""

    at_ms: int
    account_id: str
    kind: str
    amount_minor: int
    book: str
    audit: Audit


class CardStateChanged(Struct, frozen=True, array_like=True, tag=6, gc=False):
    at_ms: int
    account_id: str
    card_id: str
    before: CardState
    after: CardState
    audit: Audit


class Decided(Struct, frozen=True, array_like=True, tag=7, gc=False):
    """A request and its answer. `account_id` is "" for a card that nobody knows."""

    at_ms: int
    account_id: str
    card_id: str
    last_four: str
    key: str
    particulars: Particulars
    reason: Reason
    response_code: str
    approval_code: str
    hold: HoldPlaced | None
    forget_ms: int


class Reversed(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """A reversal and its answer. `hold_id` 0 moved nothing; `remaining_minor` is what stays held."""

    at_ms: int
    account_id: str
    card_id: str
    last_four: str
    key: str
    particulars: Particulars
    reason: Reason
    response_code: str
    original_key: str
    hold_id: int
    released_minor: int
    remaining_minor: int
    tombstone: Tombstone | None
    forget_ms: int


class HoldVoided(Struct, frozen=True, array_like=True, tag=9, gc=False):
    """No answer left in time: the hold is released, and the kept answer becomes this decline.

    `released_minor` is 0 where a reversal had released it before.
    """

    at_ms: int
    account_id: str
    card_id: str
    key: str
    hold_id: int
    released_minor: int
    reason: Reason
    response_code: str


class HoldExpired(Struct, frozen=True, array_like=True, tag=10, gc=False):
    at_ms: int
    account_id: str
    card_id: str
    hold_id: int
    released_minor: int


class AnswerUnknown(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """The process died before it was known whether this hold's answer had left. The hold stays."""

    at_ms: int
    account_id: str
    card_id: str
    hold_id: int


class ExceptionNoted(Struct, frozen=True, array_like=True, tag=12, gc=False):
    """Something an operator must look at. `detail` is safe to print: sensitive values were masked."""

    at_ms: int
    exception_id: str
    kind: str
    link: str
    network: str
    mti: str
    field: str
    detail: str
    card_last_four: str
    amount_minor: int


Record = (
    EpochStarted
    | EpochEnded
    | AccountOpened
    | CardIssued
    | Posted
    | CardStateChanged
    | Decided
    | Reversed
    | HoldVoided
    | HoldExpired
    | AnswerUnknown
    | ExceptionNoted
)
