"""What is asked of the ledger. Everything a decision needs that is not state, time or policy stands in here."""

from collections.abc import Mapping

from msgspec import Struct

from authoriser.ledger.records import Audit, Particulars
from rules import CardState, Reason, Transaction


class Policy(Struct, frozen=True):
    """How long things are kept, how much of them, and how reasons are told to the network.

    `response_codes` is the dialect's table from reason to DE39.
    """

    response_codes: Mapping[str, str]
    reply_deadline_ms: int
    hold_lifetime_ms: int
    request_key_lifetime_ms: int
    reversal_key_lifetime_ms: int
    tombstone_lifetime_ms: int
    kept_answers_max: int
    unknown_card_answers_max: int


class AuthorisationRequest(Struct, frozen=True, gc=False):
    """0100/0101. `token` is the PAN's HMAC, None where the number fails Luhn and cannot be anybody's."""

    particulars: Particulars
    key: str
    token: bytes | None
    last_four: str
    transaction: Transaction
    stated_expiry: str


class OriginalReference(Struct, frozen=True, gc=False):
    """What a reversal says of its original. A part it does not name is ""."""

    mti: str = ""
    stan: str = ""
    transmission: str = ""
    acquirer: str = ""


class ReversalRequest(Struct, frozen=True, gc=False):
    """0400/0401 and 0420/0421. `new_total_minor` is DE95, None for a full reversal."""

    particulars: Particulars
    key: str
    token: bytes | None
    last_four: str
    original: OriginalReference
    new_total_minor: int | None


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
    card_id: str
    after: CardState
    audit: Audit


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
)


class Reply(Struct, frozen=True, gc=False):
    """What the network is told. `approval_code` is DE38, "" where there is none."""

    reason: Reason
    response_code: str
    approval_code: str = ""


class CommandRefused(Exception):  # noqa: N818 - the outcome is a refusal, named as one
    """An operator's change that cannot be made. `kind` is not_found, ambiguous or conflict; the text says why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
