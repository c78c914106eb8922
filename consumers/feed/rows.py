"""Events as rows of the feed: which of them an account's list shows, and what of them has a column.

Pure. A row hangs on its event alone, so writing it twice changes nothing.
"""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from consumers.incoming import Incoming

SHOWN = frozenset(
    {
        "card.authorisation.approved",
        "card.authorisation.declined",
        "card.advice.accepted",
        "card.payment.posted",
        "card.refund.approved",
        "card.refund.posted",
        "card.reversal.accepted",
        "clearing.posted",
        "hold.voided",
        "hold.expired",
        "hold.released",
        "account.credited",
        "account.adjusted",
    }
)
"""What happened to an account's money, or would have. Inquiries and cards' own changes are not in it."""


class Entry(Struct, frozen=True):
    """One row. What the event does not say is None. `hold_id` names the payment that several rows may be about.

    `amount_minor` is what the message asked for, or what a hold gave back; `event` is the whole event as JSON.
    """

    account: str
    month: int
    record: int
    event_id: str
    at: datetime
    type: str
    reason: str | None
    hold_id: str | None
    card_id: str | None
    last_four: str | None
    amount_minor: int | None
    currency: str | None
    merchant: str | None
    city: str | None
    country: str | None
    mcc: str | None
    event: str


COLUMNS = Entry.__struct_fields__


def month_of(at: datetime) -> int:
    """The bucket: 202611."""
    return at.year * 100 + at.month


def entry_of(incoming: Incoming) -> Entry | None:
    """The row of an event; None where the feed does not show it."""
    event = incoming.event
    account = getattr(event, "account", None)
    if event is None or incoming.type not in SHOWN or not account:
        return None
    at = datetime.fromisoformat(event.time).astimezone(UTC)

    def said(name: str) -> Any:
        value = getattr(event, name, None)
        return value if isinstance(value, str | int) else None

    amount_minor = said("amount_minor")
    return Entry(
        account=account,
        month=month_of(at),
        record=incoming.record,
        event_id=incoming.id,
        at=at,
        type=incoming.type,
        reason=said("reason"),
        hold_id=said("hold_id"),
        card_id=said("card_id"),
        last_four=said("last_four"),
        amount_minor=said("released_minor") if amount_minor is None else amount_minor,
        currency=said("currency"),
        merchant=said("merchant"),
        city=said("city"),
        country=said("country"),
        mcc=said("mcc"),
        event=(incoming.message.value or b"").decode(),
    )
