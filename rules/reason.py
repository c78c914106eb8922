"""The reasons a decision can have, and the words for card states, transactions and ways to take a card.

A reason is ours; which DE39 a network is told for it, what the customer reads and what an operator should do stand in
`reasons.toml`. Each name is stable: it stands in journals, events and metrics.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a request was answered as it was. The value is what journals and events carry."""

    # What went well.
    APPROVED = "approved"
    APPROVED_PARTIALLY = "approved_partially"
    VERIFIED = "verified"
    BALANCE_GIVEN = "balance_given"
    ADVICE_ACCEPTED = "advice_accepted"
    REVERSAL_DONE = "reversal_done"
    NO_ORIGINAL = "no_original"
    # What the message is.
    FORMAT_ERROR = "format_error"
    UNKNOWN_CARD = "unknown_card"
    UNSUPPORTED_TRANSACTION = "unsupported_transaction"
    WRONG_CURRENCY = "wrong_currency"
    INVALID_AMOUNT = "invalid_amount"
    DUPLICATE_MISMATCH = "duplicate_mismatch"
    REVERSED_BEFORE = "reversed_before"
    OVERTAKEN = "overtaken"
    # What the card is.
    CARD_INACTIVE = "card_inactive"
    CARD_FROZEN = "card_frozen"
    CARD_BLOCKED = "card_blocked"
    CARD_LOST = "card_lost"
    CARD_STOLEN = "card_stolen"
    CARD_CLOSED = "card_closed"
    CARD_EXPIRED = "card_expired"
    EXPIRY_MISMATCH = "expiry_mismatch"
    # Who holds it.
    MAC_WRONG = "mac_wrong"
    CRYPTOGRAM_WRONG = "cryptogram_wrong"
    SECURITY_CODE_WRONG = "security_code_wrong"
    PIN_WRONG = "pin_wrong"
    PIN_TRIES_EXCEEDED = "pin_tries_exceeded"
    NOT_AUTHENTICATED = "not_authenticated"
    PIN_REQUIRED = "pin_required"
    # What it may be used for.
    MAGSTRIPE_OFF = "magstripe_off"
    CONTACTLESS_OFF = "contactless_off"
    ECOMMERCE_OFF = "ecommerce_off"
    CASH_OFF = "cash_off"
    ENTRY_MODE_NOT_ALLOWED = "entry_mode_not_allowed"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    MCC_NOT_ALLOWED = "mcc_not_allowed"
    MERCHANT_NOT_ALLOWED = "merchant_not_allowed"
    # How much of it.
    CASHBACK_NOT_ALLOWED = "cashback_not_allowed"
    TRANSACTION_LIMIT = "transaction_limit"
    AMOUNT_LIMIT = "amount_limit"
    COUNT_LIMIT = "count_limit"
    VELOCITY_LIMIT = "velocity_limit"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    # What we are.
    ANSWER_VOID = "answer_void"
    NOT_ADMITTED = "not_admitted"
    SYSTEM_ERROR = "system_error"


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
    REFUND = "refund"
    INQUIRY = "inquiry"
    VERIFICATION = "verification"
    UNSUPPORTED = "unsupported"


class Entry(StrEnum):
    """How the card's number was taken, from DE22 by the dialect's table. `card_present` is all but the last four."""

    CHIP = "chip"
    CONTACTLESS = "contactless"
    MAGSTRIPE = "magstripe"
    FALLBACK = "fallback"
    MANUAL = "manual"
    ECOMMERCE = "ecommerce"
    STORED = "stored"
    UNKNOWN = "unknown"


class Check(StrEnum):
    """What became of one proof that a message can carry. One letter, because every record has four of them."""

    ABSENT = "-"
    NOT_CHECKED = "?"
    PASSED = "P"
    FAILED = "F"
    TRIES_EXCEEDED = "X"
