"""What an account's parts have in common, made one object again after it was read from its snapshot.

Owns memory alone: nothing here changes what any aggregate says. While the process runs, a payment and its kept answer
hold the same `Particulars`; a snapshot writes them twice, and reading makes two of them, each with texts of its own.
Put together again, a payment with its answer takes 1.9 kB where it took 4.5 (`benchmarks.million`).
"""

import sys
from functools import lru_cache

from msgspec.structs import force_setattr

from authoriser.ledger.records import Particulars
from authoriser.ledger.state import Account
from rules import Counted

_OFTEN = (
    "network",
    "link",
    "mti",
    "acquirer",
    "processing_code",
    "currency",
    "mcc",
    "entry_mode",
    "terminal_id",
    "merchant_id",
    "merchant",
    "city",
    "country",
    "transaction_currency",
    "condition",
)
"""Fields of Particulars that many messages have alike. The others name one message."""


def share(account: Account) -> Account:
    """The same account, in less memory. Must be asked before anybody else holds a part of it."""
    account.currency = sys.intern(account.currency)
    account.time_zone = sys.intern(account.time_zone)
    for card_id, card in account.cards.items():
        card.card_id = card_id
        card.expiry = sys.intern(card.expiry)
        card.last_four = sys.intern(card.last_four)
    if account.kept:
        _share_messages(account)
    return account


def _share_messages(account: Account) -> None:
    cards, payments = account.cards, account.payments
    for key, kept in account.kept.items():
        card = cards.get(kept.card_id)
        if card is not None:
            kept.card_id = card.card_id
        kept.response_code = sys.intern(kept.response_code)
        _intern(kept.particulars)
        payment = payments.get(kept.hold_id)
        if payment is None or payment.key != key:
            continue
        payment.key, payment.card_id = key, kept.card_id
        if payment.particulars == kept.particulars:
            payment.particulars = kept.particulars
        if kept.approval_code in payment.approval_codes[:1]:
            kept.approval_code = payment.approval_codes[0]
    for payment in payments.values():
        if payment.counted is not None:
            payment.counted = _one(payment.counted)


def _intern(said: Particulars) -> None:
    """Frozen as it is: an equal text in the same place changes nothing that anybody could see."""
    for name in _OFTEN:
        force_setattr(said, name, sys.intern(getattr(said, name)))


@lru_cache(maxsize=1024)
def _one(counted: Counted) -> Counted:
    return counted
