"""The journal as the relay reads it: whole batches in order, each checked against the one before.

Owns the checks. Reads beside the writer and holds nobody up. Blocking reads run in a thread.
"""

import asyncio
import sqlite3
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.contract import Unknown
from authoriser.journal.sqlite import JOURNAL_FILE
from authoriser.ledger.records import Record
from authoriser.limits import RELAY_PAGE_BATCHES
from authoriser.relay.position import Halt, Position, require_same_journal

BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Everything else may pass: a file that is not there yet, a lock."""

Slots = list[tuple[int, bytes]]


class SlotReader(Protocol):
    """Where the slots are. Each call may block."""

    def read(self, from_seq: int, count: int) -> Slots:
        """As `Journal.read`; raises Unknown likewise."""
        ...

    def end(self) -> int:
        """The last slot, 0 where there is none. For words only: it may be asked slowly."""
        ...

    def close(self) -> None: ...


class RelayedBatch(Struct, frozen=True):
    """One batch on its way. `first_record` is the number of `records[0]`, or of the one that comes next."""

    seq: int
    digest: bytes
    first_record: int
    records: list[Record]
    size_bytes: int

    @property
    def last_record(self) -> int:
        return self.first_record + len(self.records) - 1


class SqliteSlots:
    """The embedded journal's file, opened read only; each read is a short transaction of its own."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL_FILE
        self._connection: sqlite3.Connection | None = None

    def read(self, from_seq: int, count: int) -> Slots:
        query = "SELECT seq, blob FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?"
        try:
            return self._connected().execute(query, (from_seq, count)).fetchall()
        except sqlite3.Error as error:
            raise self._said(error) from None

    def end(self) -> int:
        try:
            row = self._connected().execute("SELECT max(seq) FROM journal").fetchone()
        except sqlite3.Error as error:
            raise self._said(error) from None
        return int(row[0] or 0)

    def _said(self, error: sqlite3.Error) -> Exception:
        self.close()
        text = f"{self._path} can't be read: {error}"
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in BROKEN:
            return Halt("journal_damaged", text)
        return Unknown(text, retry=True)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            # Each call runs in whichever thread is free, and never two at once.
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                timeout=5.0,
                check_same_thread=False,
            )
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class BatchReader:
    """One shard's batches from a position on."""

    def __init__(self, slots: SlotReader, shard: int) -> None:
        self._slots = slots
        self._shard = shard

    async def require(self, position: Position) -> None:
        """Raises Halt unless this is the journal that the position was made from, Unknown where it can't be read."""
        if position.seq == 0:
            return
        slots = await asyncio.to_thread(self._slots.read, position.seq, 1)
        if not slots or slots[0][0] != position.seq:
            require_same_journal(position, None, await asyncio.to_thread(self._slots.end))
        require_same_journal(
            position, self._decoded(position.seq, slots[0][1], previous=None).digest, position.seq
        )

    async def at(self, seq: int) -> RelayedBatch:
        """One batch. Raises Halt where there is none."""
        slots = await asyncio.to_thread(self._slots.read, seq, 1)
        if not slots or slots[0][0] != seq:
            raise Halt("journal_behind", f"the journal has no batch {seq}")
        return self._decoded(seq, slots[0][1], previous=None)

    async def after(self, seq: int, digest: bytes) -> list[RelayedBatch]:
        """The batches after one, a page at most, none where it is the last. Raises Halt for a gap or damage."""
        slots = await asyncio.to_thread(self._slots.read, seq + 1, RELAY_PAGE_BATCHES)
        batches = []
        for found, blob in slots:
            seq += 1
            if found != seq:
                raise Halt(
                    "journal_gap", f"the journal of shard {self._shard} has batch {found} and lacks {seq}"
                )
            batch = self._decoded(seq, blob, previous=digest)
            digest = batch.digest
            batches.append(batch)
        return batches

    def _decoded(self, seq: int, blob: bytes, previous: bytes | None) -> RelayedBatch:
        try:
            batch, digest = decode_batch(blob, seq=seq, shard=self._shard, previous_hash=previous)
        except BatchError as error:
            raise Halt("journal_damaged", str(error)) from None
        return RelayedBatch(seq, digest, batch.first_record_no, batch.records, len(blob))

    async def close(self) -> None:
        await asyncio.to_thread(self._slots.close)
