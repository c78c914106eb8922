"""What is asked of the ledger. Everything a decision needs that is not state, time or policy stands in here."""

from collections.abc import Mapping

from msgspec import Struct, field

from authoriser.ledger.records import AmountGiven, Audit, Particulars
from rules import NO_CHECKS, CardState, Checks, Controls, Entry, Reason, Transaction

MATCHING = ("reference", "retrieval", "network_id")
CLEARING_MATCHING = ("network_id", "approval_code", "unique")
"""The orders of a network that says nothing of its own."""


class Lifetimes(Struct, frozen=True, gc=False):
    """Until when what is approved after `after_ms`, and not after `until_ms`, is kept, for one lifetime of a hold."""

    after_ms: int
    until_ms: int
    remembered_ms: int
    """The payment."""
    forget_ms: int
    """The answer."""


class Policy(Struct, frozen=True):
    """How long things are kept, how much of them, and how reasons are told to the network.

    A payment is remembered for `payment_lifetime_ms` after its hold's end. `response_codes` is the network profile's
    table from reason to DE39, with the dialect's own words over it. `refund_codes` are the DE39 that a refund may be
    declined with ("" in it: any), `refund_else` stands for the others. `matching` is the order in which an original
    is looked for, `clearing_matching` a clearing's or completion's: names of `authoriser.ledger.matching`.
    `lifetimes` are those last asked for, by the hold's.
    """

    response_codes: Mapping[str, str]
    reply_deadline_ms: int
    hold_lifetime_ms: int
    request_key_lifetime_ms: int
    reversal_key_lifetime_ms: int
    tombstone_lifetime_ms: int
    payment_lifetime_ms: int
    kept_answers_max: int
    unknown_card_answers_max: int
    refund_codes: frozenset[str] = frozenset()
    refund_else: str = ""
    matching: tuple[str, ...] = MATCHING
    clearing_matching: tuple[str, ...] = CLEARING_MATCHING
    lifetimes: dict[int, Lifetimes] = field(default_factory=dict)


class OriginalReference(Struct, frozen=True, gc=False):
    """What a reversal says of its original. A part it does not name is ""."""

    mti: str = ""
    stan: str = ""
    transmission: str = ""
    acquirer: str = ""


NO_REFERENCE = OriginalReference()


class AuthorisationRequest(Struct, frozen=True, gc=False):
    """0100/0101 and 0200/0201. `token` is the PAN's HMAC, None where the number fails Luhn and cannot be anybody's.

    `cashback_minor` is the part of the amount that is handed out in notes (DE54, type 40), `fee_minor` what comes on
    top (DE28; below zero: off it), in the currency of `particulars.currency`. `increment` says that the amount is
    added to the payment that `original`, the RRN or the network's id names; `partial_allowed` that less than all may
    be approved. `hold_lifetime_ms` is the network's own word, 0 where it has none. `account_type` is DE3's third and
    fourth digit.
    """

    particulars: Particulars
    key: str
    token: bytes | None
    last_four: str
    transaction: Transaction
    stated_expiry: str
    entry: Entry = Entry.UNKNOWN
    checks: Checks = NO_CHECKS
    original: OriginalReference = NO_REFERENCE
    cashback_minor: int = 0
    fee_minor: int = 0
    hold_lifetime_ms: int = 0
    account_type: str = "00"
    increment: bool = False
    partial_allowed: bool = False


class Advice(Struct, frozen=True, gc=False):
    """0120/0121 (what a stand-in decided) and 0220/0221 (a completion or forced posting): facts, never declined.

    `approving` says that its DE39 approved. `final` False leaves the rest of the hold for captures to come,
    `increment` says that the amount is added to a payment.
    `sibling_key` is the key that the request itself would have, had it come to us (0100 for a 0120, 0200 for a 0220).
    `action_code` is DE39.
    """

    particulars: Particulars
    key: str
    sibling_key: str
    token: bytes | None
    last_four: str
    transaction: Transaction
    approving: bool
    action_code: str = ""
    entry: Entry = Entry.UNKNOWN
    original: OriginalReference = NO_REFERENCE
    fee_minor: int = 0
    hold_lifetime_ms: int = 0
    final: bool = True
    increment: bool = False


class ReversalRequest(Struct, frozen=True, gc=False):
    """0400/0401 and 0420/0421. `new_total_minor` is DE95, None for a full reversal."""

    particulars: Particulars
    key: str
    token: bytes | None
    last_four: str
    original: OriginalReference
    new_total_minor: int | None


class ClearRow(Struct, frozen=True, gc=False):
    """One row of a clearing file. `key` is made of the acquirer's reference, or of the file's hash and the line.

    `kind`: presentment, refund, reversal, chargeback, representment. `particulars` hold network, network id, approval
    code, acquirer, RRN, merchant, amount and currency (the cardholder's), mti "". `settlement_date` is YYYYMMDD.
    `particulars.transmission` begins with the purchase's MMDD where the file says it.
    """

    particulars: Particulars
    key: str
    token: bytes | None
    last_four: str
    kind: str
    settlement_date: str
    fee_minor: int = 0
    final: bool = True


class VoidAnswer(Struct, frozen=True, gc=False):
    """No byte of this approval's answer left in time."""

    account_id: str
    key: str
    hold_id: int


class ExpireHold(Struct, frozen=True, gc=False):
    account_id: str
    hold_id: int


class MarkAnswerUnknown(Struct, frozen=True, gc=False):
    account_id: str
    hold_id: int


class NoteException(Struct, frozen=True, gc=False):
    exception_id: str
    kind: str
    link: str
    network: str
    mti: str
    field: str
    detail: str
    card_last_four: str
    amount_minor: int


class OpenAccount(Struct, frozen=True, gc=False):
    account_id: str
    currency: str
    credit_line_minor: int
    time_zone: str
    audit: Audit


class IssueCard(Struct, frozen=True, gc=False):
    """`card_id` was drawn by the caller: nothing random happens in the ledger."""

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


class CreditAccount(Struct, frozen=True, gc=False):
    account_id: str
    amount_minor: int
    audit: Audit


class ChangeCardState(Struct, frozen=True, gc=False):
    """`activating` says what `active` means: to activate an inactive card. Without it, a freeze is lifted."""

    card_id: str
    after: CardState
    audit: Audit
    activating: bool = False


class ReplaceCard(Struct, frozen=True, gc=False):
    """A new number for a card: the new card as `card`, the old one good until `old_closes_ms`."""

    old_card_id: str
    old_closes_ms: int
    card: IssueCard
    audit: Audit


class SetControls(Struct, frozen=True, gc=False):
    """`controls` whole, as they shall be; None takes them away."""

    card_id: str
    controls: Controls | None
    audit: Audit


class ReleaseHold(Struct, frozen=True, gc=False):
    account_id: str
    hold_id: int
    audit: Audit


class AdjustBalance(Struct, frozen=True, gc=False):
    """`amount_minor` is added to the balance; below zero it is taken from it, into the negative if need be."""

    account_id: str
    amount_minor: int
    audit: Audit


class SettleException(Struct, frozen=True, gc=False):
    """`hold_id` is the payment that the message meant, 0 to dismiss the entry and move nothing."""

    exception_id: str
    hold_id: int
    audit: Audit


class LoadPolicy(Struct, frozen=True, gc=False):
    """`text` is the policy's TOML. Refused where it is none."""

    text: str
    audit: Audit


class ProposeChange(Struct, frozen=True, gc=False):
    """A change that wants a second person waits under `proposal_id`."""

    proposal_id: str
    method: str
    params: bytes
    forget_ms: int
    audit: Audit


class EndProposal(Struct, frozen=True, gc=False):
    """`confirm` by somebody else than who proposed it, or withdraw. The change itself is a command of its own."""

    proposal_id: str
    confirm: bool
    audit: Audit


class EndClearingFile(Struct, frozen=True, gc=False):
    """Every row of this file has been posted."""

    sha256: str
    rows: int
    audit: Audit


class NoteLook(Struct, frozen=True, gc=False):
    """Somebody read a card or an account."""

    what: str
    actor: str
    uid: int


class ImportRow(Struct, frozen=True, gc=False):
    """One line of an import: account if new, card, and its funding, all or nothing."""

    account: OpenAccount
    card: IssueCard

    @property
    def credit_minor(self) -> int:
        return self.card.funded_minor


Command = (
    AuthorisationRequest
    | ReversalRequest
    | VoidAnswer
    | ExpireHold
    | MarkAnswerUnknown
    | NoteException
    | OpenAccount
    | IssueCard
    | CreditAccount
    | ChangeCardState
    | ImportRow
    | Advice
    | ClearRow
    | ReplaceCard
    | SetControls
    | ReleaseHold
    | AdjustBalance
    | SettleException
    | LoadPolicy
    | ProposeChange
    | EndProposal
    | NoteLook
    | EndClearingFile
)


class Reply(Struct, frozen=True, gc=False):
    """What the network is told. `approval_code` is DE38, "" where there is none.

    `replied_minor` is DE4 where it is another than what was asked, `amounts` is DE54.
    """

    reason: Reason
    response_code: str
    approval_code: str = ""
    replied_minor: int | None = None
    amounts: tuple[AmountGiven, ...] = ()


class CommandRefused(Exception):  # noqa: N818 - the outcome is a refusal, named as one
    """An operator's change that cannot be made. `kind` is not_found, ambiguous, conflict or forbidden; the text says
    why.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
