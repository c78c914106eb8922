"""Who did what and who looked, from the journal: every operator's change and every reading of a card or an account.

Reads the journal beside the server, as `events` does. Owns the words for each change and the filters. No card number
stands in the journal, so none can stand here: cards go by id and last four.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from authoriser.events import event_of, read_records
from authoriser.journal.slots import Slots
from authoriser.ledger import records as r
from authoriser.places import SHARD
from authoriser.texts import currency_letters


class AuditEntry(Struct, frozen=True):
    """One change or look. `card` is a card's id, "" where it concerns none; `reason` is "" for a look.

    `what` names it as its event does; `details` are the event's own, without what stands here already.
    """

    record: int
    time: str
    actor: str
    uid: int
    what: str
    account: str
    card: str
    last_four: str
    reason: str
    details: dict[str, Any]


class AuditPage(Struct, frozen=True):
    """The newest of all that fits, in the order in which it happened; `total` is how many fit."""

    total: int
    entries: tuple[AuditEntry, ...]


class AuditFilter(Struct, frozen=True):
    """What is asked for; "" and 0 ask for all. `card` is an id or the last four digits."""

    card: str = ""
    account: str = ""
    actor: str = ""
    since_ms: int = 0


class _Found(Struct, frozen=True):
    """A record that says who did something, with what can be asked for. Its event is made only if it is shown."""

    number: int
    seq: int
    record: Any
    actor: str
    uid: int
    account: str
    cards: tuple[str, ...]
    last_fours: tuple[str, ...]
    currency: str


def read_audit(slots: Slots, wanted: AuditFilter, limit: int) -> AuditPage:
    """The newest `limit` entries. Raises NoJournalError where there is no journal, or a damaged one."""
    total = 0
    newest: deque[_Found] = deque(maxlen=limit)
    for found in _find(slots, wanted.since_ms):
        if _fits(found, wanted):
            total += 1
            newest.append(found)
    return AuditPage(total, tuple(map(_entry, newest)))


def _fits(found: _Found, wanted: AuditFilter) -> bool:
    return (
        (not wanted.card or wanted.card in found.cards or wanted.card in found.last_fours)
        and (not wanted.account or wanted.account == found.account)
        and (not wanted.actor or wanted.actor == found.actor)
    )


def _find(slots: Slots, since_ms: int) -> Iterator[_Found]:
    """All of them from then on. Cards and currencies are learnt from the beginning: later records name them by id."""
    cards: dict[str, tuple[str, str]] = {}
    proposed: dict[str, str] = {}
    currencies: dict[str, str] = {}
    for number, seq, record in read_records(slots):
        if isinstance(record, r.CardIssued | r.CardReplaced):
            cards[record.card_id] = (record.account_id, record.last_four)
        elif isinstance(record, r.AccountOpened):
            currencies[record.account_id] = currency_letters(record.currency)
        elif isinstance(record, r.ChangeProposed):
            asked = msgspec.json.decode(record.params)
            proposed[record.proposal_id] = str(asked.get("account", ""))
        if record.at_ms < since_ms:
            continue
        if isinstance(record, r.Looked):
            actor, uid = record.actor, record.uid
            target = record.what.partition(":")[2]
            account = cards[target][0] if target in cards else target
            named: tuple[str, ...] = (target,) if target in cards else ()
        else:
            audit: r.Audit | None = getattr(record, "audit", None)
            if audit is None:
                continue
            actor, uid = audit.actor, audit.uid
            account = getattr(record, "account_id", "") or proposed.get(
                getattr(record, "proposal_id", ""), ""
            )
            both = (getattr(record, "card_id", ""), getattr(record, "old_card_id", ""))
            named = tuple(card for card in both if card)
        last_fours = tuple(cards[card][1] for card in named if card in cards)
        currency = currencies.get(account, "")
        yield _Found(number, seq, record, actor, uid, account, named, last_fours, currency)


def _entry(found: _Found) -> AuditEntry:
    event = event_of(found.record, number=found.number, seq=found.seq, shard=SHARD)
    looked = isinstance(found.record, r.Looked)
    left_out = _ENVELOPE | _LOOK if looked else _ENVELOPE
    details = {name: value for name, value in event.items() if name not in left_out and value is not None}
    if details.keys() & {"amount_minor", "released_minor"}:
        details.setdefault("currency", found.currency)
    return AuditEntry(
        record=found.number,
        time=event["time"],
        actor=found.actor,
        uid=found.uid,
        what=event["method"] if looked else event["type"],
        account=found.account,
        card=found.cards[0] if found.cards else "",
        last_four=found.last_fours[0] if found.last_fours else "",
        reason="" if looked else event["audit_reason"],
        details=details,
    )


_ENVELOPE = frozenset(
    {"id", "record", "seq", "shard", "time", "type", "actor", "uid", "audit_reason"}
    | {"account", "card_id", "last_four"}
)
"""Of an event: what an entry says in fields of its own."""
_LOOK = frozenset({"method", "target"})
"""Likewise of a look."""
