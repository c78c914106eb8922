"""What happened, as the journal keeps it: frozen, complete, and enough to rebuild the state without any rule.

Records are MessagePack arrays with an integer tag. A field is only ever added at the end, with a default,
so that an old journal can always be read. Amounts are integers of minor units; times are milliseconds since
the epoch, UTC. No PAN stands in any of them: `token` is the PAN's HMAC under a key kept outside the data
directory.
"""

from msgspec import Struct

from rules import CardState, Controls, Counted, Facts, Reason


class Particulars(Struct, frozen=True, array_like=True, gc=False):
    """What a message said that is worth keeping: enough to match it again and to tell the customer of it.

    `mti` has its repeat digit cleared; a row of a clearing file has none, and its kind stands in `processing_code`.
    `acquirer` is DE32 without leading zeros. `amount_minor` and `currency` are the cardholder's (DE6 and DE51 where
    the message has them); `transaction_minor` and `transaction_currency` are the shop's, where they are others.
    `network_id` is the network's own name for the payment, `reference` the acquirer's for a clearing. `approval_code`
    is the DE38 that the message itself names. Absent fields are "".
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
    transaction_minor: int = 0
    transaction_currency: str = ""
    network_id: str = ""
    approval_code: str = ""
    condition: str = ""
    reference: str = ""


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
    """A payment begins. `hold_id` names it from here on: it is the number of its record.

    `amount_minor` is held until `expires_ms`; 0 where nothing is, as of a single message (0200), which has
    `captured_minor` at once (`fee_minor` of it a fee), or of an authorised refund. `kind` is "" for a payment, "refund"
    for money that comes back. The payment is remembered until `forget_ms`.
    """

    hold_id: int
    amount_minor: int
    expires_ms: int
    captured_minor: int = 0
    kind: str = ""
    fee_minor: int = 0
    forget_ms: int = 0


class Returned(Struct, frozen=True, array_like=True, gc=False):
    """What limits get back of the message of record `number`, which had made a payment grow."""

    number: int
    amount_minor: int


class Moved(Struct, frozen=True, array_like=True, gc=False):
    """What happens to a payment that exists. Amounts are differences, in minor units of the account's currency.

    `held_minor` is what available funds lose (less than nothing: get back), `authorised_minor` what the payment is
    approved for, `captured_minor` what is posted of it, `online_minor` what of that a clearing file will only confirm.
    `transaction_minor` is the difference in the shop's currency where that is another, `fee_minor` that of the fees in
    `captured_minor`. `expires_ms` and `forget_ms` 0 leave them. `approval_code` is one more DE38 by which it is known.
    `ended` says how it ended, "" where it did not: voided, reversed, expired, captured, superseded, released.
    `returned_minor` and `returned_times` are given back to limits: `returned` as the messages counted that had made the
    payment grow, the rest as its first did. (Older journals have `counted`: as the one message did that was undone.)
    """

    hold_id: int
    held_minor: int = 0
    authorised_minor: int = 0
    captured_minor: int = 0
    online_minor: int = 0
    transaction_minor: int = 0
    expires_ms: int = 0
    approval_code: str = ""
    ended: str = ""
    returned_minor: int = 0
    returned_times: int = 0
    fee_minor: int = 0
    forget_ms: int = 0
    counted: Counted | None = None
    returned: tuple[Returned, ...] = ()


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """A balanced double entry: the account gains `amount_minor` (less than nothing: pays), and `book` loses it.

    `other` is the book that stands where the account would, for what belongs to no card of ours. `kind` is purchase,
    refund, presentment, fee, reversal, chargeback, representment, adjustment or credit.
    """

    kind: str
    amount_minor: int
    book: str
    other: str = ""


class AmountGiven(Struct, frozen=True, array_like=True, gc=False):
    """One amount of the reply's DE54. `kind`: 01 ledger balance, 02 available, 57 original. Below zero: debit."""

    account: str
    kind: str
    currency: str
    amount_minor: int


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
    """A request or an advice, and its answer. `account_id` is "" for a card that nobody knows.

    `hold` is the payment that it begins, `moved` what it does to others. `approved_minor` is what this very message was
    approved for, `replied_minor` the DE4 of the reply where it differs from what was asked (partial approval).
    `facts` are what the rules saw under policy `policy`, None where no rule was asked. `matched_by` says by what an
    advice or increment found its payment, `named` what its DE90 said of it: MTI, STAN, DE7, DE32, each "" where it is
    not filled. `part_of` is of an advice that speaks of an increment alone: the increment's key, or its own where that
    never came.
    """

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
    approved_minor: int = 0
    replied_minor: int | None = None
    amounts: tuple[AmountGiven, ...] = ()
    moved: tuple[Moved, ...] = ()
    entries: tuple[Entry, ...] = ()
    counted: Counted | None = None
    facts: Facts | None = None
    policy: str = ""
    matched_by: str = ""
    named: tuple[str, ...] = ()
    sibling: str = ""
    part_of: str = ""


class Reversed(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """A reversal and its answer. `hold_id` 0 moved nothing; `remaining_minor` is what stays held.

    `named` is what its DE90 said of its original: MTI, STAN, DE7, DE32, each "" where it is not filled.
    Before `moved` there was (journals of version 0.1), `released_minor` and `remaining_minor` alone said what happened.
    """

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
    moved: tuple[Moved, ...] = ()
    entries: tuple[Entry, ...] = ()
    matched_by: str = ""
    named: tuple[str, ...] = ()


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
    moved: tuple[Moved, ...] = ()
    entries: tuple[Entry, ...] = ()


class HoldExpired(Struct, frozen=True, array_like=True, tag=10, gc=False):
    at_ms: int
    account_id: str
    card_id: str
    hold_id: int
    released_minor: int
    moved: tuple[Moved, ...] = ()


class AnswerUnknown(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """The process died before it was known whether this hold's answer had left. The hold stays."""

    at_ms: int
    account_id: str
    card_id: str
    hold_id: int


class ExceptionNoted(Struct, frozen=True, array_like=True, tag=12, gc=False):
    """Something an operator must look at. `detail` is safe to print: sensitive values were masked.

    `about` is the key of the message that it is about, `candidates` the payments that the message may have meant on the
    account `on_account`, `new_total_minor` a reversal's DE95.
    """

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
    about: str = ""
    on_account: str = ""
    candidates: tuple[int, ...] = ()
    new_total_minor: int | None = None


class Cleared(Struct, frozen=True, array_like=True, tag=13, gc=False):
    """One row of a clearing file, posted. `kind`: presentment, refund, reversal, chargeback, representment.

    `outcome`: matched, forced (no payment of ours, or one that was reversed), reconciled (posted online before),
    ambiguous, suspense (no card of ours, or another currency). `difference_minor` is what it posts beyond what was
    authorised and not captured yet (below zero: less). `fee_minor` is a part of `entries`, not of `amount_minor`.
    """

    at_ms: int
    account_id: str
    card_id: str
    last_four: str
    key: str
    particulars: Particulars
    kind: str
    outcome: str
    amount_minor: int
    fee_minor: int
    difference_minor: int
    hold_id: int
    matched_by: str
    settlement: str
    forget_ms: int
    moved: tuple[Moved, ...] = ()
    entries: tuple[Entry, ...] = ()
    final: bool = True


class PolicyChanged(Struct, frozen=True, array_like=True, tag=14, gc=False):
    """The rules by which every later request is decided: the whole TOML, and the beginning of its hash."""

    at_ms: int
    version: str
    text: str
    audit: Audit


class ControlsChanged(Struct, frozen=True, array_like=True, tag=15, gc=False):
    """What one card has otherwise than its programme, whole. None: nothing any more."""

    at_ms: int
    account_id: str
    card_id: str
    controls: Controls | None
    audit: Audit


class CardReplaced(Struct, frozen=True, array_like=True, tag=16, gc=False):
    """A new number on the same account; the old one is good until `old_closes_ms`. Both are one to matching."""

    at_ms: int
    account_id: str
    old_card_id: str
    old_closes_ms: int
    card_id: str
    token: bytes
    key_version: int
    last_four: str
    expiry: str
    expires_ms: int
    state: CardState
    audit: Audit


class HoldReleased(Struct, frozen=True, array_like=True, tag=17, gc=False):
    """An operator let go of a hold."""

    at_ms: int
    account_id: str
    card_id: str
    moved: tuple[Moved, ...]
    audit: Audit


class Adjusted(Struct, frozen=True, array_like=True, tag=18, gc=False):
    """An operator changed a balance, up or down."""

    at_ms: int
    account_id: str
    entries: tuple[Entry, ...]
    audit: Audit


class ExceptionSettled(Struct, frozen=True, array_like=True, tag=19, gc=False):
    """An operator's decision about an entry of the exception list. `resolution`: matched, or dismissed."""

    at_ms: int
    account_id: str
    exception_id: str
    resolution: str
    audit: Audit
    moved: tuple[Moved, ...] = ()
    entries: tuple[Entry, ...] = ()


class ChangeProposed(Struct, frozen=True, array_like=True, tag=20, gc=False):
    """A change that wants a second person. `params` are the method's, as JSON without card numbers."""

    at_ms: int
    proposal_id: str
    method: str
    params: bytes
    forget_ms: int
    audit: Audit


class ProposalEnded(Struct, frozen=True, array_like=True, tag=21, gc=False):
    """`resolution`: confirmed (the change follows in the same batch) or withdrawn."""

    at_ms: int
    proposal_id: str
    resolution: str
    audit: Audit


class ClearingFileEnded(Struct, frozen=True, array_like=True, tag=23, gc=False):
    """Every row of a clearing file is posted. Its hash stays, so that the file is never posted again."""

    at_ms: int
    sha256: str
    rows: int
    audit: Audit


class Looked(Struct, frozen=True, array_like=True, tag=22, gc=False):
    """Somebody read a card or an account. `what` names the method and its target."""

    at_ms: int
    what: str
    actor: str
    uid: int


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
    | Cleared
    | PolicyChanged
    | ControlsChanged
    | CardReplaced
    | HoldReleased
    | Adjusted
    | ExceptionSettled
    | ChangeProposed
    | ProposalEnded
    | Looked
    | ClearingFileEnded
)
