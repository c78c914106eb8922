"""What a record of the log and an event of Kafka say, in the same words, so that one can be held against the other.

A fact is small: which message, which answer, and what it did to an account's money. Both sides are read from what is
published of them; neither is made from the other.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from authoriser.ledger.records import (
    AccountOpened,
    Adjusted,
    AnswerUnknown,
    Cleared,
    Decided,
    Entry,
    EpochEnded,
    EpochStarted,
    ExceptionSettled,
    HoldExpired,
    HoldPlaced,
    HoldReleased,
    HoldVoided,
    Moved,
    Particulars,
    Posted,
    Record,
    Reversed,
)
from drills.evidence import EvidenceError, Key

APPROVING = frozenset({"approved", "approved_partially"})
"""Reasons by which a request was approved."""


class Fact(Struct, frozen=True):
    """`number` is the record's, `seq` its batch's. `kind` is the event's type, all decisions' being "decision".

    `approved` is of a request that was approved, not of an advice. `held_minor` is what holds grew by, `balance_minor`
    what the account gained, `credit_line_minor` what it was opened with.
    """

    number: int
    seq: int
    kind: str
    account: str = ""
    key: Key | None = None
    code: str = ""
    approval_code: str = ""
    approved: bool = False
    hold_id: str = ""
    held_minor: int = 0
    balance_minor: int = 0
    credit_line_minor: int = 0


# ---- of records

_KINDS: dict[type, str] = {
    Decided: "decision",
    Reversed: "card.reversal.accepted",
    HoldVoided: "hold.voided",
    HoldExpired: "hold.expired",
    AnswerUnknown: "hold.answer_unknown",
    Cleared: "clearing.posted",
    HoldReleased: "hold.released",
    AccountOpened: "account.opened",
    Posted: "account.credited",
    Adjusted: "account.adjusted",
    ExceptionSettled: "exception.settled",
    EpochStarted: "epoch.started",
    EpochEnded: "epoch.ended",
}
"""Of every other record it is enough that its event is at its place."""


def fact_of_record(record: Record, *, number: int, seq: int) -> Fact:
    kind = _KINDS.get(type(record), "")
    if not kind:
        return Fact(number, seq, "")
    said: Particulars | None = getattr(record, "particulars", None)
    hold: HoldPlaced | None = getattr(record, "hold", None)
    moved: tuple[Moved, ...] = getattr(record, "moved", ())
    entries: tuple[Entry, ...] = getattr(record, "entries", ())
    return Fact(
        number=number,
        seq=seq,
        kind=kind,
        account=getattr(record, "account_id", ""),
        key=_key(said.mti, said.transmission, said.stan, said.acquirer, said.rrn)
        if said is not None
        else None,
        code=getattr(record, "response_code", "") if said is not None else "",
        approval_code=getattr(record, "approval_code", ""),
        approved=isinstance(record, Decided) and record.reason.value in APPROVING,
        hold_id=_hold_of(record, hold, moved),
        held_minor=(hold.amount_minor if hold is not None else 0) + sum(move.held_minor for move in moved),
        balance_minor=(record.amount_minor if isinstance(record, Posted) else 0)
        + sum(entry.amount_minor for entry in entries if not entry.other),
        credit_line_minor=getattr(record, "credit_line_minor", 0),
    )


def _hold_of(record: Any, hold: HoldPlaced | None, moved: tuple[Moved, ...]) -> str:
    if hold is not None:
        return str(hold.hold_id)
    if isinstance(record, Decided):
        return str(moved[0].hold_id) if len(moved) == 1 else ""
    if isinstance(record, HoldReleased | ExceptionSettled):
        return str(moved[0].hold_id) if moved else ""
    return str(getattr(record, "hold_id", 0) or "")


def _key(mti: str, transmission: str, stan: str, acquirer: str, rrn: str) -> Key | None:
    return Key(mti, transmission, stan, acquirer, rrn) if mti else None


# ---- of events


class _Move(Struct):
    held_minor: int = 0


class _Entry(Struct):
    amount_minor: int = 0
    other: str = ""


class _Event(Struct):
    """What a consumer may rely on, as far as it is asked for here. docs/events/ has all of it."""

    id: str
    record: int
    seq: int
    shard: int
    type: str
    account: str | None = None
    mti: str = ""
    transmission: str = ""
    stan: str = ""
    acquirer: str = ""
    rrn: str = ""
    reason: str = ""
    response_code: str = ""
    approval_code: str = ""
    hold_id: str | None = None
    held_minor: int = 0
    moved: tuple[_Move, ...] = ()
    entries: tuple[_Entry, ...] = ()
    amount_minor: int = 0
    released_minor: int = 0
    credit_line_minor: int = 0


_DECISIONS = ("card.authorisation.", "card.balance.", "card.advice.", "card.payment.", "card.refund.")
_CREDITED = frozenset({"account.credited", "account.adjusted", "exception.settled"})
"""Events whose `amount_minor` is what the account gains; that of a message is what it asks for."""
_RELEASED = frozenset({"hold.released", "exception.settled"})
"""Events that say what is held no more in `released_minor` alone, without `moved`."""
_decoder = msgspec.json.Decoder(_Event)


def fact_of_event(value: bytes | None, *, shard: int) -> Fact:
    """Raises EvidenceError for what is no event of the shard."""
    try:
        event = _decoder.decode(value or b"")
    except msgspec.MsgspecError as error:
        raise EvidenceError(f"a message of the topic is no event: {error}") from None
    if (event.shard, event.id) != (shard, f"{shard}-{event.record:012}"):
        raise EvidenceError(
            f"event {event.id} says shard {event.shard}, record {event.record}; is it shard {shard}'s?"
        )
    kind = "decision" if event.type.startswith(_DECISIONS) else event.type
    if kind not in _TOLD:
        return Fact(event.record, event.seq, "")
    held_minor = event.held_minor + sum(move.held_minor for move in event.moved)
    return Fact(
        number=event.record,
        seq=event.seq,
        kind=kind,
        account=event.account or "",
        key=_key(event.mti, event.transmission, event.stan, event.acquirer, event.rrn),
        code=event.response_code,
        approval_code=event.approval_code,
        approved=kind == "decision" and event.reason in APPROVING,
        hold_id=event.hold_id or "",
        held_minor=held_minor - (event.released_minor if kind in _RELEASED else 0),
        balance_minor=(event.amount_minor if kind in _CREDITED else 0)
        + sum(entry.amount_minor for entry in event.entries if not entry.other),
        credit_line_minor=event.credit_line_minor,
    )


_TOLD = frozenset(_KINDS.values())


def by_key(facts: Iterable[Fact], wanted: Callable[[Fact], bool]) -> dict[Key, list[Fact]]:
    """Facts of messages, those wanted, by their keys."""
    found: dict[Key, list[Fact]] = {}
    for fact in facts:
        if fact.key is not None and wanted(fact):
            found.setdefault(fact.key, []).append(fact)
    return found
