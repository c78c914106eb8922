"""Journal records as events for people and programs: JSON objects, one a record, in order, none left out.

Owns the reading and the envelope; what each record says stands in event_shapes.py (payments) and
event_shapes_operators.py (operators). Reads the journal beside the server, in short transactions, so it neither waits
for it nor holds it up.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from authoriser.event_shapes import PAYMENT_EVENTS
from authoriser.event_shapes_operators import OPERATOR_EVENTS
from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.sqlite import JOURNAL_FILE, find_batch, read_batches
from authoriser.ledger import records as r
from authoriser.limits import EVENTS_PAGE
from authoriser.places import SHARD, shard_directory
from authoriser.texts import iso_time

FOLLOW_POLL_S = 0.1
"""How often `follow` looks for new batches."""


class NoJournalError(Exception):
    """There is nothing to read events from; the text says where it was looked for, or what is wrong with it."""


def read_events(data_dir: Path, from_record: int = 1, follow: bool = False) -> Iterator[dict[str, Any]]:  # noqa: FBT001, FBT002 - a flag of the command line
    """Every record from number `from_record` on, as an event. With `follow`, waits for more for ever.

    Raises NoJournalError where the data directory has no journal, or where it is damaged.
    """
    for number, seq, record in read_records(data_dir, from_record, follow):
        yield event_of(record, number=number, seq=seq, shard=SHARD)


def read_records(
    data_dir: Path,
    from_record: int = 1,
    follow: bool = False,  # noqa: FBT001, FBT002 - likewise
) -> Iterator[tuple[int, int, r.Record]]:
    """The same records themselves, each with its number and its batch's. Raises NoJournalError likewise."""
    path = shard_directory(data_dir, SHARD) / JOURNAL_FILE
    if not path.exists():
        raise NoJournalError(f"there is no journal in {data_dir} (looked for {path})")
    try:
        yield from _records(path, from_record, follow)
    except (sqlite3.Error, BatchError) as error:
        raise NoJournalError(f"{path} can't be read: {error}") from None


def _records(path: Path, from_record: int, follow: bool) -> Iterator[tuple[int, int, r.Record]]:  # noqa: FBT001
    seq = find_batch(path, lambda blob, at: _first_record(blob, at) <= from_record)
    while True:
        batches = read_batches(path, seq, EVENTS_PAGE)
        for at, blob in batches:
            batch, _digest = decode_batch(blob, seq=at, shard=SHARD, previous_hash=None)
            for number, record in enumerate(batch.records, batch.first_record_no):
                if number >= from_record:
                    yield number, at, record
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
    **PAYMENT_EVENTS,
    **OPERATOR_EVENTS,
}
