"""Journal records as events for people and programs: JSON objects, one a record, in order, none left out.

Owns the names and shapes of events. No token and no key of a duplicate stands in them: cards go by id and last four.
Reads the journal beside the server, in short transactions, so it neither waits for it nor holds it up.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.sqlite import JOURNAL_FILE, find_batch, read_batches
from authoriser.ledger import records as r
from authoriser.limits import EVENTS_PAGE
from authoriser.places import SHARD, shard_directory
from authoriser.texts import currency_letters, iso_time
from rules import Reason

FOLLOW_POLL_S = 0.1
"""How often `follow` looks for new batches."""


class NoJournalError(Exception):
    """There is nothing to read events from; the text says where it was looked for, or what is wrong with it."""


def read_events(data_dir: Path, from_record: int = 1, follow: bool = False) -> Iterator[dict[str, Any]]:  # noqa: FBT001, FBT002 - a flag of the command line
    """Every record from number `from_record` on, as an event. With `follow`, waits for more for ever.

    Raises NoJournalError where the data directory has no journal, or where it is damaged.
    """
    path = shard_directory(data_dir, SHARD) / JOURNAL_FILE
    if not path.exists():
        raise NoJournalError(f"there is no journal in {data_dir} (looked for {path})")
    try:
        yield from _events(path, from_record, follow)
    except (sqlite3.Error, BatchError) as error:
        raise NoJournalError(f"{path} can't be read: {error}") from None


def _events(path: Path, from_record: int, follow: bool) -> Iterator[dict[str, Any]]:  # noqa: FBT001
    seq = find_batch(path, lambda blob, at: _first_record(blob, at) <= from_record)
    while True:
        batches = read_batches(path, seq, EVENTS_PAGE)
        for at, blob in batches:
            batch, _digest = decode_batch(blob, seq=at, shard=SHARD, previous_hash=None)
            for number, record in enumerate(batch.records, batch.first_record_no):
                if number >= from_record:
                    yield event_of(record, number=number, seq=at, shard=SHARD)
            seq = at + 1
        if not batches:
            if not follow:
                return
            time.sleep(FOLLOW_POLL_S)


def _first_record(blob: bytes, seq: int) -> int:
    return decode_batch(blob, seq=seq, shard=SHARD, previous_hash=None)[0].first_record_no


def event_of(record: r.Record, *, number: int, seq: int, shard: int) -> dict[str, Any]:
    """One record as an event. `id` is the same however often it is read; `record` numbers have no gap."""
    kind, details = _EVENTS[type(record)](record)
    return {
        "id": f"{shard}-{number:012}",
        "record": number,
        "seq": seq,
        "shard": shard,
        "time": iso_time(record.at_ms),
        "type": kind,
        **details,
    }


_DECISIONS = {Reason.APPROVED: "card.authorisation.approved", Reason.VERIFIED: "card.authorisation.verified"}


def _decided(record: r.Decided) -> tuple[str, dict[str, Any]]:
    details = _card(record) | _particulars(record.particulars)
    details["reason"] = record.reason.value
    details["response_code"] = record.response_code
    if record.approval_code:
        details["approval_code"] = record.approval_code
    if record.hold is not None:
        details["hold_id"] = str(record.hold.hold_id)
        details["expires_at"] = iso_time(record.hold.expires_ms)
    return _DECISIONS.get(record.reason, "card.authorisation.declined"), details


def _reversed(record: r.Reversed) -> tuple[str, dict[str, Any]]:
    details = _card(record) | _particulars(record.particulars)
    details["reason"] = record.reason.value
    details["response_code"] = record.response_code
    details["hold_id"] = str(record.hold_id) if record.hold_id else None
    details["released_minor"] = record.released_minor
    details["remaining_minor"] = record.remaining_minor
    return "card.reversal.accepted", details


def _card(record: r.Decided | r.Reversed) -> dict[str, Any]:
    return {
        "account": record.account_id or None,
        "card_id": record.card_id or None,
        "last_four": record.last_four,
    }


def _particulars(said: r.Particulars) -> dict[str, Any]:
    named = {
        "network": said.network,
        "link": said.link,
        "mti": said.mti,
        "amount_minor": said.amount_minor,
        "currency": currency_letters(said.currency),
        "processing_code": said.processing_code,
        "merchant": said.merchant,
        "city": said.city,
        "country": said.country,
        "mcc": said.mcc,
        "entry_mode": said.entry_mode,
        "merchant_id": said.merchant_id,
        "terminal_id": said.terminal_id,
        "acquirer": said.acquirer,
        "rrn": said.rrn,
        "stan": said.stan,
        "transmission": said.transmission,
    }
    return {name: value for name, value in named.items() if value != ""}


def _hold(kind: str) -> Callable[[Any], tuple[str, dict[str, Any]]]:
    def event(record: r.HoldVoided | r.HoldExpired | r.AnswerUnknown) -> tuple[str, dict[str, Any]]:
        details = {"account": record.account_id, "card_id": record.card_id, "hold_id": str(record.hold_id)}
        if isinstance(record, r.HoldVoided | r.HoldExpired):
            details["released_minor"] = record.released_minor  # type: ignore[assignment]
        return kind, details

    return event


def _account_opened(record: r.AccountOpened) -> tuple[str, dict[str, Any]]:
    return "account.opened", {
        "account": record.account_id,
        "currency": currency_letters(record.currency),
        "credit_line_minor": record.credit_line_minor,
        "time_zone": record.time_zone,
        **_audit(record.audit),
    }


def _posted(record: r.Posted) -> tuple[str, dict[str, Any]]:
    book, _, currency = record.book.rpartition(":")
    return "account.credited", {
        "account": record.account_id,
        "amount_minor": record.amount_minor,
        "currency": currency_letters(currency),
        "book": book,
        **_audit(record.audit),
    }


def _card_issued(record: r.CardIssued) -> tuple[str, dict[str, Any]]:
    return "card.issued", {
        "account": record.account_id,
        "card_id": record.card_id,
        "last_four": record.last_four,
        "state": record.state.value,
        **_audit(record.audit),
    }


def _card_state_changed(record: r.CardStateChanged) -> tuple[str, dict[str, Any]]:
    return "card.state_changed", {
        "account": record.account_id,
        "card_id": record.card_id,
        "before": record.before.value,
        "after": record.after.value,
        **_audit(record.audit),
    }


def _audit(audit: r.Audit) -> dict[str, Any]:
    return {"actor": audit.actor, "uid": audit.uid, "audit_reason": audit.reason}


def _exception_noted(record: r.ExceptionNoted) -> tuple[str, dict[str, Any]]:
    return "exception.noted", {
        "exception_id": record.exception_id,
        "kind": record.kind,
        "link": record.link,
        "network": record.network,
        "mti": record.mti,
        "field": record.field or None,
        "detail": record.detail,
        "last_four": record.card_last_four or None,
        "amount_minor": record.amount_minor,
    }


def _epoch_started(record: r.EpochStarted) -> tuple[str, dict[str, Any]]:
    return "epoch.started", {
        "epoch": record.epoch,
        "software": record.software,
        "previous_ended_clean": record.clean,
    }


def _epoch_ended(_record: r.EpochEnded) -> tuple[str, dict[str, Any]]:
    return "epoch.ended", {}


_EVENTS: dict[type, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    r.EpochStarted: _epoch_started,
    r.EpochEnded: _epoch_ended,
    r.AccountOpened: _account_opened,
    r.CardIssued: _card_issued,
    r.Posted: _posted,
    r.CardStateChanged: _card_state_changed,
    r.Decided: _decided,
    r.Reversed: _reversed,
    r.HoldVoided: _hold("hold.voided"),
    r.HoldExpired: _hold("hold.expired"),
    r.AnswerUnknown: _hold("hold.answer_unknown"),
    r.ExceptionNoted: _exception_noted,
}
