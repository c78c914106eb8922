"""Events as they come from Kafka, made from records as the relay makes them."""

from typing import Any

import msgspec

from authoriser.events import event_of
from authoriser.ledger import records as r
from consumers.incoming import Incoming, Message, decoded
from rules import Reason

AT_MS = 1_800_000_000_000
EXPIRES_MS = AT_MS + 604_800_000


def said(mti: str = "0100", **more: Any) -> r.Particulars:
    fields: dict[str, Any] = {
        "network": "visa",
        "link": "default",
        "mti": mti,
        "transmission": "0115080000",
        "stan": "000007",
        "rrn": "701508000007",
        "acquirer": "1234",
        "processing_code": "000000",
        "amount_minor": 2_550,
        "currency": "978",
        "merchant": "Grocer",
        "city": "Brussels",
        "country": "BE",
    }
    return r.Particulars(**fields | more)


def decided(reason: Reason, particulars: r.Particulars | None = None, **more: Any) -> r.Decided:
    fields: dict[str, Any] = {
        "at_ms": AT_MS,
        "account_id": "alice",
        "card_id": "card_1",
        "last_four": "0002",
        "key": "a key",
        "particulars": particulars or said(),
        "reason": reason,
        "response_code": "00",
        "approval_code": "",
        "hold": None,
        "forget_ms": EXPIRES_MS,
    }
    return r.Decided(**fields | more)


def approved(number: int = 7, amount_minor: int = 2_550, **more: Any) -> r.Decided:
    particulars = said(amount_minor=amount_minor)
    hold = r.HoldPlaced(number, amount_minor, EXPIRES_MS)
    return decided(Reason.APPROVED, particulars, hold=hold, approved_minor=amount_minor, **more)


def message(record: Any, number: int = 7, shard: int = 0) -> Message:
    event = event_of(record, number=number, seq=number, shard=shard)
    account = event.get("account")
    headers = (("ce_id", event["id"].encode()),)
    return Message(account.encode() if account else None, msgspec.json.encode(event), headers)


def incoming(record: Any, number: int = 7, shard: int = 0) -> Incoming:
    return decoded(message(record, number, shard))
