"""The reasons a decision can have, and the words for card states and transactions.

A reason is ours; which DE39 a network is told for it is data of the dialect. Each name is stable: it stands
in journals, events and metrics.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a request was answered as it was. The value is what journals and events carry."""

    APPROVED = "approved"
    VERIFIED = "verified"
    FORMAT_ERROR = "format_error"
    UNKNOWN_CARD = "unknown_card"
    CARD_INACTIVE = "card_inactive"
    CARD_FROZEN = "card_frozen"
    CARD_BLOCKED = "card_blocked"
    CARD_LOST = "card_lost"
    CARD_STOLEN = "card_stolen"
    CARD_CLOSED = "card_closed"
    CARD_EXPIRED = "card_expired"
    EXPIRY_MISMATCH = "expiry_mismatch"
    UNSUPPORTED_TRANSACTION = "unsupported_transaction"
    WRONG_CURRENCY = "wrong_currency"
    INVALID_AMOUNT = "invalid_amount"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    DUPLICATE_MISMATCH = "duplicate_mismatch"
    REVERSED_BEFORE = "reversed_before"
    ANSWER_VOID = "answer_void"
    NOT_ADMITTED = "not_admitted"
    SYSTEM_ERROR = "system_error"
    REVERSAL_DONE = "reversal_done"
    NO_ORIGINAL = "no_original"


class CardState(StrEnum):
    """The life of a card. Only `active` spends; the rest say why not."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    FROZEN = "frozen"
    BLOCKED = "blocked"
    LOST = "lost"
    STOLEN = "stolen"
    CLOSED = "closed"


class Transaction(StrEnum):
    """What is asked for, from the first two digits of DE3 (ISO 8583:1987, processing code)."""

    PURCHASE = "purchase"
    CASH = "cash"
    CASHBACK = "cashback"
    VERIFICATION = "verification"
    UNSUPPORTED = "unsupported"
