"""Everything a rule may look at, gathered before the first rule runs."""

from msgspec import Struct

from rules.reason import CardState, Transaction


class Facts(Struct, frozen=True, gc=False):
    """One request beside the card and account that it names.

    Amounts are integers of minor units of the account's currency. Times are milliseconds since the epoch,
    UTC. `stated_expiry` is DE14 (YYMM) or "" where the message has none. Currencies are ISO 4217 numeric
    codes.
    """

    now_ms: int
    transaction: Transaction
    amount_minor: int
    currency: str
    stated_expiry: str
    card_state: CardState
    card_expiry: str
    card_expires_ms: int
    account_currency: str
    available_minor: int
