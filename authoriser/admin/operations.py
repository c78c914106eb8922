"""What the methods of controls, replacements, holds, policies and proposals take and give.

Owns these structs alone; `protocol.py` has the table that says which method has which.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from authoriser.admin.values import (
    AMOUNT_LIMIT_MINOR,
    AccountId,
    AmountMinor,
    CardRef,
    Change,
    Country,
    ExceptionId,
    Expiry,
    Look,
    Mcc,
    Merchant,
    Number,
    PanDigits,
    Params,
    ProposalId,
    SpendingClass,
    Window,
)
from authoriser.limits import CONTROLS_LIST_MAX, OVERLAP_MAX_DAYS, POLICY_TEXT_MAX

# ---- cards


class CardActivate(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class CardClose(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class CardLost(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class CardStolen(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class CardReplace(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new number on the same account. The old card stays as good as it is for `overlap_days`, then it is closed."""

    card: CardRef
    pan: PanDigits
    expiry: Expiry
    state: Literal["inactive", "active"] = "active"
    overlap_days: Annotated[int, Meta(ge=0, le=OVERLAP_MAX_DAYS)] = 0


class LimitSet(Params, frozen=True, forbid_unknown_fields=True):
    """One limit, put in the place of another of the same class and window. With neither amount nor count: taken away.

    `until` is ISO 8601; without an offset it is in the account's time zone.
    """

    window: Window
    spending: SpendingClass = ""
    amount_minor: AmountMinor | None = None
    count: Annotated[int, Meta(ge=0, lt=1_000_000)] | None = None
    until: str | None = None


Mccs = Annotated[tuple[Mcc, ...], Meta(max_length=CONTROLS_LIST_MAX)]
Merchants = Annotated[tuple[Merchant, ...], Meta(max_length=CONTROLS_LIST_MAX)]
Countries = Annotated[tuple[Country, ...], Meta(max_length=CONTROLS_LIST_MAX)]


class CardControlsSet(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays, null is the programme's word again. `reset` takes everything off first.

    A list takes the place of the programme's; an empty one is no list, whatever the programme has.
    """

    card: CardRef
    reset: bool = False
    ecommerce: bool | UnsetType | None = UNSET
    contactless: bool | UnsetType | None = UNSET
    cash: bool | UnsetType | None = UNSET
    magstripe: bool | UnsetType | None = UNSET
    mcc_allow: Mccs | UnsetType | None = UNSET
    mcc_block: Mccs | UnsetType | None = UNSET
    merchant_allow: Merchants | UnsetType | None = UNSET
    merchant_block: Merchants | UnsetType | None = UNSET
    country_allow: Countries | UnsetType | None = UNSET
    country_block: Countries | UnsetType | None = UNSET
    limits: Annotated[tuple[LimitSet, ...], Meta(max_length=CONTROLS_LIST_MAX)] = ()


class CardControlsShow(Look, frozen=True, forbid_unknown_fields=True):
    card: CardRef


class Limit(Struct, frozen=True):
    """`used_minor` and `used_count` are this period's so far; None for a limit of one transaction."""

    spending: str
    window: str
    amount_minor: int | None
    count: int | None
    until: str | None
    used_minor: int | None
    used_count: int | None


class Controls(Struct, frozen=True):
    """What one card has otherwise than its programme; None leaves the programme's word."""

    ecommerce: bool | None
    contactless: bool | None
    cash: bool | None
    magstripe: bool | None
    mcc_allow: tuple[str, ...] | None
    mcc_block: tuple[str, ...] | None
    merchant_allow: tuple[str, ...] | None
    merchant_block: tuple[str, ...] | None
    country_allow: tuple[str, ...] | None
    country_block: tuple[str, ...] | None
    limits: tuple[Limit, ...]


# ---- money


class HoldRelease(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountId
    hold: Number


class AccountAdjust(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`amount_minor` is added; below zero it is taken, into the negative if need be."""

    account: AccountId
    amount_minor: Annotated[int, Meta(gt=-AMOUNT_LIMIT_MINOR, lt=AMOUNT_LIMIT_MINOR)]

    def __post_init__(self) -> None:
        Change.__post_init__(self)
        if not self.amount_minor:
            raise ValueError("amount_minor is 0, which adjusts nothing")


# ---- the policy

PolicyText = Annotated[str, Meta(max_length=POLICY_TEXT_MAX)]


class PolicyShow(Params, frozen=True, forbid_unknown_fields=True):
    pass


class PolicyCheck(Params, frozen=True, forbid_unknown_fields=True):
    text: PolicyText


class PolicyLoad(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: PolicyText


class PolicyResult(Struct, frozen=True):
    """`default` says that none was ever loaded."""

    version: str
    default: bool
    text: str


class PolicyChecked(Struct, frozen=True):
    """`loaded`: these are the rules in force."""

    version: str
    loaded: bool


class PolicyLoaded(Struct, frozen=True):
    version: str
    changed: bool


# ---- second persons


class ProposalsList(Params, frozen=True, forbid_unknown_fields=True):
    pass


class ProposalsConfirm(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    proposal: ProposalId


class ProposalsWithdraw(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    proposal: ProposalId


class Proposal(Struct, frozen=True):
    """A change that waits, until `until`. `amount_minor` is below zero for what is taken; `hold` only for a release."""

    proposal: str
    at: str
    until: str
    method: str
    account: str
    amount_minor: int
    currency: str
    currency_exponent: int
    hold: str | None
    actor: str
    uid: int
    reason: str


class ProposalsListed(Struct, frozen=True):
    """The oldest first."""

    proposals: tuple[Proposal, ...]


# ---- the exception list


class ExceptionsSettle(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`hold` is the payment that the message meant. Without it the entry is dismissed, and nothing moves."""

    exception: ExceptionId
    hold: Number | None = None


class ExceptionSettled(Struct, frozen=True):
    """`resolution`: matched or dismissed. `changed` is False where it was settled so before."""

    exception: str
    resolution: str
    changed: bool
