"""What the shapes of events are put together from: their envelope, and the parts that several of them share.

A field that may be absent is UNSET; one that is there and says nothing is null. Amounts are integers of minor units,
currencies ISO 4217's letters (what is no currency stays as it came), times ISO 8601 in UTC with milliseconds.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Minor = Annotated[int, Meta(description="Minor units of the currency beside it, or of the account's.")]


class Envelope(Struct, frozen=True, kw_only=True):
    """`id` names the event for good, however often it is read. `record` counts from 1 within the shard, without a gap;
    `seq` is the journal's batch.
    """

    id: str
    record: int
    seq: int
    shard: int
    time: Time


class Audited(Envelope, frozen=True, kw_only=True):
    """Who changed it and why; `uid` is the user that the system saw."""

    actor: str
    uid: int
    audit_reason: str


class Entry(Struct, frozen=True, kw_only=True):
    """A double entry: what the account gains (below zero: pays), and the book that loses it."""

    kind: str
    amount_minor: Minor
    currency: str
    book: str
    other: str | UnsetType = UNSET


class Move(Struct, frozen=True, kw_only=True):
    """What happened to a payment that was there. Amounts are differences; `ended` says how it ended."""

    hold_id: str
    held_minor: Minor | UnsetType = UNSET
    authorised_minor: Minor | UnsetType = UNSET
    captured_minor: Minor | UnsetType = UNSET
    online_minor: Minor | UnsetType = UNSET
    fee_minor: Minor | UnsetType = UNSET
    expires_at: Time | UnsetType = UNSET
    approval_code: str | UnsetType = UNSET
    ended: str | UnsetType = UNSET


class AmountGiven(Struct, frozen=True, kw_only=True):
    """An amount of the reply's DE54. `kind`: 01 ledger balance, 02 available, 57 original amount."""

    kind: str
    amount_minor: Minor
    currency: str


class Limit(Struct, frozen=True, kw_only=True):
    """A limit of one card; either may be null."""

    spending: str
    window: str
    amount_minor: Minor | None
    count: int | None
    until: Time | None


class Said(Envelope, frozen=True, kw_only=True):
    """What a message or a clearing row said; what it did not say is absent.

    `amount_minor` and `currency` are the cardholder's, `transaction_minor` and `transaction_currency` the shop's where
    those are others. `account` and `card_id` are null where the card is nobody's.
    """

    account: str | None
    card_id: str | None
    last_four: str
    amount_minor: Minor
    network: str | UnsetType = UNSET
    link: str | UnsetType = UNSET
    mti: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    processing_code: str | UnsetType = UNSET
    merchant: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    mcc: str | UnsetType = UNSET
    entry_mode: str | UnsetType = UNSET
    merchant_id: str | UnsetType = UNSET
    terminal_id: str | UnsetType = UNSET
    acquirer: str | UnsetType = UNSET
    rrn: str | UnsetType = UNSET
    stan: str | UnsetType = UNSET
    transmission: str | UnsetType = UNSET
    network_id: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    transaction_minor: Minor | UnsetType = UNSET
    transaction_currency: str | UnsetType = UNSET
    moved: list[Move] | UnsetType = UNSET
    entries: list[Entry] | UnsetType = UNSET


class Decision(Said, frozen=True, kw_only=True):
    """A request or an advice, and its answer. `reason` is one of docs/reasons.md.

    `approved_minor` is what this very message was approved for, `hold_id` the payment that it began or moved.
    """

    reason: str
    response_code: str
    approval_code: str | UnsetType = UNSET
    approved_minor: Minor | UnsetType = UNSET
    hold_id: str | UnsetType = UNSET
    held_minor: Minor | UnsetType = UNSET
    expires_at: Time | UnsetType = UNSET
    captured_minor: Minor | UnsetType = UNSET
    fee_minor: Minor | UnsetType = UNSET
    matched_by: str | UnsetType = UNSET
    amounts: list[AmountGiven] | UnsetType = UNSET


class OfHold(Envelope, frozen=True, kw_only=True):
    account: str
    card_id: str
    hold_id: str


class Controls(Struct, frozen=True, kw_only=True):
    """A card's own switches, lists and limits; what leaves the programme's word is absent. See docs/policy.md."""

    limits: list[Limit]
    ecommerce: bool | UnsetType = UNSET
    contactless: bool | UnsetType = UNSET
    cash: bool | UnsetType = UNSET
    magstripe: bool | UnsetType = UNSET
    mcc_allow: list[str] | UnsetType = UNSET
    mcc_block: list[str] | UnsetType = UNSET
    merchant_allow: list[str] | UnsetType = UNSET
    merchant_block: list[str] | UnsetType = UNSET
    country_allow: list[str] | UnsetType = UNSET
    country_block: list[str] | UnsetType = UNSET
