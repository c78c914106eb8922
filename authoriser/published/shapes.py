"""The shape of each type of event. A field is only ever added, and may then be absent; a type keeps its meaning.

Owns which types there are. The tests hold every record's event to its shape, and docs/events/ to these structs.
"""

from typing import Any

from msgspec import UNSET, UnsetType

from authoriser.published.parts import (
    Audited,
    Controls,
    Decision,
    Entry,
    Envelope,
    Minor,
    Move,
    OfHold,
    Said,
    Time,
)


class EpochStarted(Envelope, frozen=True, kw_only=True, tag_field="type", tag="epoch.started"):
    """A process took the shard."""

    epoch: int
    software: str
    previous_ended_clean: bool


class EpochEnded(Envelope, frozen=True, kw_only=True, tag_field="type", tag="epoch.ended"):
    """The process drained and left in order."""


class AuthorisationApproved(
    Decision, frozen=True, kw_only=True, tag_field="type", tag="card.authorisation.approved"
):
    """A request was approved, or approved in part: see `reason` and `approved_minor`."""


class AuthorisationDeclined(
    Decision, frozen=True, kw_only=True, tag_field="type", tag="card.authorisation.declined"
):
    """A request was declined, whatever it asked for."""


class AuthorisationVerified(
    Decision, frozen=True, kw_only=True, tag_field="type", tag="card.authorisation.verified"
):
    """A shop asked whether the card is good, and it is."""


class BalanceGiven(Decision, frozen=True, kw_only=True, tag_field="type", tag="card.balance.given"):
    """A balance inquiry was answered."""


class AdviceAccepted(Decision, frozen=True, kw_only=True, tag_field="type", tag="card.advice.accepted"):
    """What the network or the shop had decided was booked."""


class PaymentPosted(Decision, frozen=True, kw_only=True, tag_field="type", tag="card.payment.posted"):
    """A single message (0200) was approved and posted at once."""


class RefundPosted(Decision, frozen=True, kw_only=True, tag_field="type", tag="card.refund.posted"):
    """A single message's refund was posted at once."""


class RefundApproved(Decision, frozen=True, kw_only=True, tag_field="type", tag="card.refund.approved"):
    """A refund was approved; the money comes with its clearing."""


class ReversalAccepted(Said, frozen=True, kw_only=True, tag_field="type", tag="card.reversal.accepted"):
    """A reversal was acknowledged. `hold_id` null: it moved nothing."""

    reason: str
    response_code: str
    hold_id: str | None
    released_minor: Minor
    remaining_minor: Minor
    matched_by: str | UnsetType = UNSET


class ClearingPosted(Said, frozen=True, kw_only=True, tag_field="type", tag="clearing.posted"):
    """One row of a clearing file. `outcome`: matched, forced, reconciled, ambiguous or suspense."""

    kind: str
    outcome: str
    fee_minor: Minor
    difference_minor: Minor
    hold_id: str | None
    matched_by: str | None
    settlement: str


class HoldVoided(OfHold, frozen=True, kw_only=True, tag_field="type", tag="hold.voided"):
    """An approval was taken back, because its answer did not leave in time."""

    released_minor: Minor
    moved: list[Move] | UnsetType = UNSET
    entries: list[Entry] | UnsetType = UNSET


class HoldExpired(OfHold, frozen=True, kw_only=True, tag_field="type", tag="hold.expired"):
    """A hold's time was over."""

    released_minor: Minor
    moved: list[Move] | UnsetType = UNSET


class HoldAnswerUnknown(OfHold, frozen=True, kw_only=True, tag_field="type", tag="hold.answer_unknown"):
    """A crash came between decision and answer: nobody knows whether the network heard of it. The hold stays."""


class HoldReleased(Audited, frozen=True, kw_only=True, tag_field="type", tag="hold.released"):
    """An operator let go of a hold."""

    account: str
    card_id: str
    hold_id: str
    released_minor: Minor


class ExceptionNoted(Envelope, frozen=True, kw_only=True, tag_field="type", tag="exception.noted"):
    """Something that an operator must look at."""

    exception_id: str
    kind: str
    link: str
    network: str
    mti: str
    field: str | None
    detail: str
    last_four: str | None
    amount_minor: Minor
    account: str | UnsetType = UNSET
    candidates: list[str] | UnsetType = UNSET


class ExceptionSettled(Audited, frozen=True, kw_only=True, tag_field="type", tag="exception.settled"):
    """An operator settled an exception: matched, or dismissed."""

    account: str | None
    exception_id: str
    resolution: str
    hold_id: str | UnsetType = UNSET
    released_minor: Minor | UnsetType = UNSET
    amount_minor: Minor | UnsetType = UNSET


class AccountOpened(Audited, frozen=True, kw_only=True, tag_field="type", tag="account.opened"):
    """An account was opened."""

    account: str
    currency: str
    credit_line_minor: Minor
    time_zone: str


class AccountCredited(Audited, frozen=True, kw_only=True, tag_field="type", tag="account.credited"):
    """Money came to an account from `book`."""

    account: str
    amount_minor: Minor
    currency: str
    book: str


class AccountAdjusted(Audited, frozen=True, kw_only=True, tag_field="type", tag="account.adjusted"):
    """An operator changed a balance, up or down."""

    account: str
    amount_minor: Minor
    currency: str
    book: str


class CardIssued(Audited, frozen=True, kw_only=True, tag_field="type", tag="card.issued"):
    """A card was issued."""

    account: str
    card_id: str
    last_four: str
    state: str


class CardStateChanged(Audited, frozen=True, kw_only=True, tag_field="type", tag="card.state_changed"):
    """A card was activated, frozen, blocked, closed, or the like."""

    account: str
    card_id: str
    before: str
    after: str


class CardReplaced(Audited, frozen=True, kw_only=True, tag_field="type", tag="card.replaced"):
    """A card has a successor; the old one stays good until `old_closes_at`."""

    account: str
    card_id: str
    last_four: str
    state: str
    old_card_id: str
    old_closes_at: Time


class ControlsChanged(Audited, frozen=True, kw_only=True, tag_field="type", tag="card.controls_changed"):
    """What a card has otherwise than its programme, whole; null: nothing any more."""

    account: str
    card_id: str
    controls: Controls | None


class PolicyChanged(Audited, frozen=True, kw_only=True, tag_field="type", tag="policy.changed"):
    """The rules by which every later request is decided, as TOML."""

    version: str
    text: str


class ChangeProposed(Audited, frozen=True, kw_only=True, tag_field="type", tag="change.proposed"):
    """A change that wants a second person: `method` with the parameters `asked`."""

    proposal: str
    method: str
    asked: dict[str, Any]
    until: Time


class ChangeConfirmed(Audited, frozen=True, kw_only=True, tag_field="type", tag="change.confirmed"):
    """A second person confirmed a change."""

    proposal: str


class ChangeWithdrawn(Audited, frozen=True, kw_only=True, tag_field="type", tag="change.withdrawn"):
    """A proposed change was withdrawn."""

    proposal: str


class OperatorLooked(Envelope, frozen=True, kw_only=True, tag_field="type", tag="operator.looked"):
    """Somebody read a card or an account."""

    method: str
    target: str
    actor: str
    uid: int


class ClearingFilePosted(Audited, frozen=True, kw_only=True, tag_field="type", tag="clearing.file_posted"):
    """Every row of a clearing file is posted."""

    file_sha256: str
    rows: int


DECISIONS: tuple[type[Decision], ...] = (
    AuthorisationApproved,
    AuthorisationDeclined,
    AuthorisationVerified,
    BalanceGiven,
    AdviceAccepted,
    PaymentPosted,
    RefundPosted,
    RefundApproved,
)

_ALL: tuple[type[Envelope], ...] = (
    *DECISIONS,
    EpochStarted,
    EpochEnded,
    ReversalAccepted,
    ClearingPosted,
    HoldVoided,
    HoldExpired,
    HoldAnswerUnknown,
    HoldReleased,
    ExceptionNoted,
    ExceptionSettled,
    AccountOpened,
    AccountCredited,
    AccountAdjusted,
    CardIssued,
    CardStateChanged,
    CardReplaced,
    ControlsChanged,
    PolicyChanged,
    ChangeProposed,
    ChangeConfirmed,
    ChangeWithdrawn,
    OperatorLooked,
    ClearingFilePosted,
)

SHAPES: dict[str, type[Envelope]] = {str(shape.__struct_config__.tag): shape for shape in _ALL}
"""By the event's type."""
