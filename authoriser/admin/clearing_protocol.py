"""What the methods of clearing and of an account's history take and give, as structs shared by client and server.

Owns these structs alone; `protocol.py` has the table that says which method has which. Dates are YYYYMMDD, times
ISO 8601 UTC with milliseconds, amounts whole minor units.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from authoriser.admin.values import (
    AMOUNT_LIMIT_MINOR,
    AccountId,
    AmountMinor,
    CardId,
    Change,
    CurrencyName,
    Look,
    PanDigits,
    Params,
)
from authoriser.limits import CLEARING_ROWS_MAX, HISTORY_PAGE_MAX
from authoriser.telemetry.scrub import holds_pan

Kind = Literal["presentment", "refund", "reversal", "chargeback", "representment"]
KINDS: Final[tuple[Kind, ...]] = ("presentment", "refund", "reversal", "chargeback", "representment")
DEBITS: Final[frozenset[str]] = frozenset({"presentment", "representment"})
"""Kinds that the cardholder pays; the others come back."""

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Date = Annotated[str, Meta(pattern=r"\A[0-9]{8}\Z")]
NetworkName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")]
Word = Annotated[str, Meta(pattern=r"\A[!-~]{0,40}\Z")]
"""An identifier of the network's or the acquirer's; "" where the row has none."""
Words = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f|]{0,64}\Z")]


class ClearingRow(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the file; `line` counts from 1, the header's line. The card is named by `pan` or by `card_id`.

    `amount_minor` and `currency` are the cardholder's, `transaction_minor` and `transaction_currency` the shop's where
    they are others. `fee_minor` below zero takes something off. `sequence` is the row's place among the parts of its
    payment, "" where it has none. What a row does not say is "".
    """

    line: int
    kind: Kind
    network: NetworkName
    amount_minor: Annotated[int, Meta(ge=1, lt=AMOUNT_LIMIT_MINOR)]
    currency: CurrencyName
    settlement_date: Date
    pan: PanDigits | UnsetType = UNSET
    card_id: CardId | UnsetType = UNSET
    network_id: Word = ""
    approval_code: Word = ""
    acquirer: Annotated[str, Meta(pattern=r"\A([1-9][0-9]{0,10})?\Z")] = ""
    rrn: Word = ""
    reference: Word = ""
    merchant_id: Words = ""
    merchant: Words = ""
    city: Words = ""
    country: Annotated[str, Meta(pattern=r"\A([A-Z]{2})?\Z")] = ""
    mcc: Annotated[str, Meta(pattern=r"\A([0-9]{4})?\Z")] = ""
    transaction_minor: AmountMinor = 0
    transaction_currency: Annotated[str, Meta(pattern=r"\A([A-Z]{3})?\Z")] = ""
    fee_minor: Annotated[int, Meta(gt=-AMOUNT_LIMIT_MINOR, lt=AMOUNT_LIMIT_MINOR)] = 0
    transaction_date: Annotated[str, Meta(pattern=r"\A([0-9]{8})?\Z")] = ""
    sequence: Annotated[str, Meta(pattern=r"\A([1-9][0-9]?)?\Z")] = ""
    final: bool = True

    def __post_init__(self) -> None:
        if (self.pan is UNSET) == (self.card_id is UNSET):
            raise ValueError("a row should have exactly one of pan and card_id")
        if self.amount_minor + self.fee_minor < 0:
            raise ValueError("fee_minor takes off more than the amount")
        if isinstance(self.pan, str) and any(self.pan in text for text in self.texts()):
            raise ValueError("a text holds the card's own number, and texts are shown in events")
        if holds_pan(self.merchant) or holds_pan(self.city):
            raise ValueError("merchant and city must hold no card number; they are shown in events")

    def texts(self) -> tuple[str, ...]:
        """What is kept and shown of the row, in which its card's number must not stand: digits and letters only."""
        texts = (self.network_id, self.approval_code, self.rrn, self.reference, self.merchant_id)
        return tuple("".join(filter(str.isalnum, text)) for text in (*texts, self.merchant, self.city))


ClearingRows = Annotated[tuple[ClearingRow, ...], Meta(max_length=CLEARING_ROWS_MAX)]


class ClearingCheck(Params, frozen=True, forbid_unknown_fields=True):
    """Whether these rows could be posted, and whether the file was. Nothing is changed."""

    file_sha256: Sha256
    rows: ClearingRows


class ClearingPost(Params, frozen=True, forbid_unknown_fields=True):
    """Idempotent by the acquirer's reference or by file hash and line, so it needs no key."""

    file_sha256: Sha256
    rows: ClearingRows


class ClearingFinish(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every row of the file is posted: remembered for good, with who posted it and why."""

    file_sha256: Sha256
    rows: Annotated[int, Meta(ge=1)]


class ClearingProblem(Struct, frozen=True):
    line: int
    column: str
    message: str


class ClearingChecked(Struct, frozen=True):
    """`finished_at` is when the whole file had been posted, None where it was not."""

    problems: tuple[ClearingProblem, ...]
    finished_at: str | None


class RowPosted(Struct, frozen=True):
    """What became of a row. `outcome`: matched, forced, reconciled, ambiguous, suspense.

    `outcome` is "finished" for a row of a file that was finished so long ago that its rows are not kept; the rest is
    then empty. `difference_minor` is what it posts beyond what was authorised (below zero: less). `repeated`: it was
    posted before, and not again.
    """

    line: int
    outcome: str
    kind: str = ""
    amount_minor: int = 0
    fee_minor: int = 0
    difference_minor: int = 0
    settlement: str = ""
    matched_by: str = ""
    repeated: bool = False


class ClearingPosted(Struct, frozen=True):
    rows: tuple[RowPosted, ...]


class ClearingFinished(Struct, frozen=True):
    """`changed` is False where the file had been finished before."""

    changed: bool


class AccountHistory(Look, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`before` is the token of a page, for the page after it: what is older."""

    account: AccountId
    limit: Annotated[int, Meta(ge=1, le=HISTORY_PAGE_MAX)] = 50
    before: Annotated[str, Meta(pattern=r"\A[0-9]{1,15}-[0-9]{1,4}\Z")] | None = None


class HistoryEntry(Struct, frozen=True, omit_defaults=True):
    """One thing that a customer or an operator sees on an account. What does not apply is left out.

    `kind`: authorisation, refund, inquiry, verification, advice, hold, purchase, presentment, reversal, chargeback,
    representment, fee, credit, adjustment. `status` says what came of it: approved, declined, posted, confirmed (a
    message posted it before), noted; of a hold: grown, released, expired, voided, reversed, captured, superseded. Of
    what is posted, `amount_minor` is what the account gains (below zero: pays) and `balance_minor` its balance after
    it; of a hold it is by how much it changes. `held_minor` is all that is held on the account after it.
    """

    token: str
    at: str
    record: int
    kind: str
    status: str
    amount_minor: int
    currency: str
    balance_minor: int | None = None
    held_minor: int = 0
    merchant: str = ""
    city: str = ""
    reason: str = ""
    card_id: str = ""
    last_four: str = ""
    payment: str = ""
    approval_code: str = ""
    rrn: str = ""


class HistoryShown(Struct, frozen=True):
    """Newest first. `before` is the token for what is older, None where there is nothing."""

    account: str
    entries: tuple[HistoryEntry, ...]
    before: str | None
