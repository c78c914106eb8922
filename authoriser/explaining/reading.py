"""The journal's records, read beside a running server in short transactions, oldest first.

Owns the way to look for a few records among millions: a batch is decoded only where the bytes that are looked for
stand in it. MessagePack writes text and whole numbers as they are, so no record is missed.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from authoriser.events import NoJournalError
from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.sqlite import JOURNAL_FILE, find_batch, read_batches
from authoriser.ledger import records as r
from authoriser.limits import EVENTS_PAGE
from authoriser.places import SHARD, shard_directory

Watch = Callable[[int], None]
"""Is told, now and then, up to which batch a reading has come."""


class Read(Struct, frozen=True):
    """One record, with its number and its batch's."""

    seq: int
    number: int
    record: r.Record


class JournalReader:
    """One shard's journal. `last_seq` is its end when it was opened: what comes later is not read.

    Every method raises NoJournalError where the journal is damaged.
    """

    def __init__(self, data_dir: Path) -> None:
        """Raises NoJournalError where the data directory has no journal."""
        self._path = shard_directory(data_dir, SHARD) / JOURNAL_FILE
        if not self._path.exists():
            raise NoJournalError(f"there is no journal in {data_dir} (looked for {self._path})")
        with self._readable():
            self.last_seq = _last_seq(self._path)

    def read(
        self,
        watch: Watch,
        needles: Collection[bytes] | None = None,
        from_seq: int = 1,
        to_seq: int | None = None,
    ) -> Iterator[Read]:
        """Every record of the batches that hold one of `needles`, or of all without.

        `needles` is looked at anew for each batch, so it may grow on the way.
        """
        end = self.last_seq if to_seq is None else min(to_seq, self.last_seq)
        seq = from_seq
        while seq <= end:
            with self._readable():
                batches = read_batches(self._path, seq, EVENTS_PAGE)
            if not batches:
                break
            for at, blob in batches:
                if at > end:
                    break
                if needles is None or any(needle in blob for needle in needles):
                    yield from self._records(blob, at)
            seq = batches[-1][0] + 1
            watch(min(seq - 1, end))

    def _records(self, blob: bytes, seq: int) -> Iterator[Read]:
        with self._readable():
            batch, _digest = decode_batch(blob, seq=seq, shard=SHARD, previous_hash=None)
        for number, record in enumerate(batch.records, batch.first_record_no):
            yield Read(seq, number, record)

    def seq_of(self, number: int) -> int:
        """The batch that holds record `number`: the last one, where the journal has not come to it."""
        with self._readable():
            return find_batch(self._path, lambda blob, at: _first_record(blob, at) <= number)

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, BatchError) as error:
            raise NoJournalError(f"{self._path} can't be read: {error}") from None


def needle(value: str | int) -> bytes:
    """What stands in a batch wherever a record holds `value`."""
    return value.encode() if isinstance(value, str) else msgspec.msgpack.encode(value)


def _first_record(blob: bytes, seq: int) -> int:
    return decode_batch(blob, seq=seq, shard=SHARD, previous_hash=None)[0].first_record_no


def _last_seq(path: Path) -> int:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
    )
    try:
        return int(connection.execute("SELECT max(seq) FROM journal").fetchone()[0] or 0)
    finally:
        connection.close()
