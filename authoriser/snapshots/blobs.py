"""An account as its snapshot and back, and what the store's indexes are told of it.

Owns the encoding of aggregates, for whoever saves and whoever loads. Knows no store.
"""

from collections.abc import Collection

import msgspec

from authoriser.ledger.sharing import share
from authoriser.ledger.state import Account, Commons
from authoriser.snapshots.contract import Blob, CardEntry, StoreError

FORMAT = 4
"""The shape of `ledger.state` in a blob, beside which every store keeps this number. It grows with every change of what
the same places mean. 3 had what a card spent in all among its classes; 2 did not know which message brought a payment's
parts, nor how each counted; 1 and 0 had holds where there are payments now."""

COMMONS_ID = ""
"""The commons' id among the snapshots; no account has an empty one."""

_encoder = msgspec.msgpack.Encoder()
_accounts = msgspec.msgpack.Decoder(Account)
_commons = msgspec.msgpack.Decoder(Commons)


def account_blob(account: Account, new_cards: Collection[str] = (), expires_ms: int = 0) -> Blob:
    """The account as it is now. `new_cards` are the ids of cards that the store has not been told of."""
    cards: tuple[CardEntry, ...] = ()
    if new_cards:
        cards = tuple(
            CardEntry(card.token, card.card_id, account.account_id, card.last_four)
            for card in account.cards.values()
            if card.card_id in new_cards
        )
    return Blob(account.account_id, account.version, _encoder.encode(account), cards, expires_ms)


def commons_blob(commons: Commons) -> Blob:
    return Blob(COMMONS_ID, commons.version, _encoder.encode(commons))


def account_of(blob: Blob) -> Account:
    """Raises StoreError where the blob is no account."""
    try:
        return share(_accounts.decode(blob.data))
    except msgspec.MsgspecError:
        raise StoreError(f"the snapshot of {blob.aggregate_id!r} can't be read") from None


def commons_of(blob: Blob) -> Commons:
    """Raises StoreError where the blob is no commons."""
    try:
        return _commons.decode(blob.data)
    except msgspec.MsgspecError:
        raise StoreError("the snapshot of 'the commons' can't be read") from None


def first_expiry_ms(account: Account) -> int:
    """When the first of its open holds ends; 0 where it has none."""
    return min((payment.expires_ms for payment in account.payments.values() if payment.held_minor), default=0)


def described(blob: Blob) -> Blob:
    """A blob as it was read, with all that the indexes are to know of it. Raises StoreError."""
    if blob.aggregate_id == COMMONS_ID:
        return blob
    account = account_of(blob)
    whole = account_blob(account, account.cards, first_expiry_ms(account))
    return msgspec.structs.replace(blob, cards=whole.cards, expires_ms=whole.expires_ms)
