"""The journal as the relay reads it: whole batches in order, each checked against the one before.

Owns the checks. Reads beside the writer and holds nobody up. Blocking reads run in a thread.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.contract import Unknown
from authoriser.journal.slots import Slots
from authoriser.ledger.records import Record
from authoriser.limits import RELAY_PAGE_BATCHES
from authoriser.relay.position import Halt, Position, require_same_journal


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


class BatchReader:
    """One shard's batches from a position on."""

    def __init__(self, slots: Slots, shard: int) -> None:
        self._slots = slots
        self._shard = shard

    async def require(self, position: Position) -> None:
        """Raises Halt unless this is the journal that the position was made from, Unknown where it can't be read."""
        if position.seq == 0:
            return
        slots = await self._asked(self._slots.read, position.seq, 1)
        if not slots or slots[0][0] != position.seq:
            require_same_journal(position, None, await self._asked(self._slots.end))
        require_same_journal(
            position, self._decoded(position.seq, slots[0][1], previous=None).digest, position.seq
        )

    async def at(self, seq: int) -> RelayedBatch:
        """One batch. Raises Halt where there is none."""
        slots = await self._asked(self._slots.read, seq, 1)
        if not slots or slots[0][0] != seq:
            raise Halt("journal_behind", f"the journal has no batch {seq}")
        return self._decoded(seq, slots[0][1], previous=None)

    async def after(self, seq: int, digest: bytes) -> list[RelayedBatch]:
        """The batches after one, a page at most, none where it is the last. Raises Halt for a gap or damage."""
        slots = await self._asked(self._slots.read, seq + 1, RELAY_PAGE_BATCHES)
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

    async def _asked(self, call: Callable[..., Any], *values: int) -> Any:
        try:
            return await asyncio.to_thread(call, *values)
        except Unknown as unknown:
            if unknown.retry:
                raise
            raise Halt("journal_damaged", str(unknown)) from None

    def _decoded(self, seq: int, blob: bytes, previous: bytes | None) -> RelayedBatch:
        try:
            batch, digest = decode_batch(blob, seq=seq, shard=self._shard, previous_hash=previous)
        except BatchError as error:
            raise Halt("journal_damaged", str(error)) from None
        return RelayedBatch(seq, digest, batch.first_record_no, batch.records, len(blob))

    async def close(self) -> None:
        await asyncio.to_thread(self._slots.close)
