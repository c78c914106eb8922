"""Journal records as events for people and programs: JSON objects, one a record, in order, none left out.

Owns the reading and the envelope; what each record says stands in event_shapes.py (payments) and
event_shapes_operators.py (operators). Reads the journal beside the server, page by page, so it neither waits for it nor
holds it up.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from authoriser.event_shapes import PAYMENT_EVENTS
from authoriser.event_shapes_operators import OPERATOR_EVENTS
from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.contract import Unknown
from authoriser.journal.slots import Slots, find_slot, new_pages, pages
from authoriser.ledger import records as r
from authoriser.opening import NoJournalError
from authoriser.places import SHARD
from authoriser.texts import iso_time

FOLLOW_POLL_S = 0.2
"""How often `follow` looks for new batches; five looks a second disturb nobody."""


def read_events(slots: Slots, from_record: int = 1, follow: bool = False) -> Iterator[dict[str, Any]]:  # noqa: FBT001, FBT002 - a flag of the command line
    """Every record from number `from_record` up to the journal's end by now, as an event. With `follow`, for ever.

    Raises NoJournalError where the journal can't be read, or is damaged.
    """
    for number, seq, record in read_records(slots, from_record, follow):
        yield event_of(record, number=number, seq=seq, shard=SHARD)


def read_records(
    slots: Slots,
    from_record: int = 1,
    follow: bool = False,  # noqa: FBT001, FBT002 - likewise
) -> Iterator[tuple[int, int, r.Record]]:
    """The same records themselves, each with its number and its batch's. Raises NoJournalError likewise."""
    try:
        yield from _records(slots, from_record, follow)
    except BatchError as error:
        raise NoJournalError(f"{slots.name} can't be read: {error}") from None
    except Unknown as error:
        raise NoJournalError(str(error)) from None


def _records(slots: Slots, from_record: int, follow: bool) -> Iterator[tuple[int, int, r.Record]]:  # noqa: FBT001
    end = slots.end()
    seq = find_slot(slots, end, lambda blob, at: first_record_of(blob, at) <= from_record)
    new = new_pages(slots, max(end + 1, seq), FOLLOW_POLL_S) if follow else ()
    for at, blob in itertools.chain.from_iterable(itertools.chain(pages(slots, seq, end), new)):
        batch, _digest = decode_batch(blob, seq=at, shard=SHARD, previous_hash=None)
        for number, record in enumerate(batch.records, batch.first_record_no):
            if number >= from_record:
                yield number, at, record


def first_record_of(blob: bytes, seq: int) -> int:
    """The number of a batch's first record, or of the one that comes next. Raises BatchError."""
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
