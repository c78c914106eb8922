"""Group commit: one append in flight; what is decided meanwhile forms the next batch.

Owns the order of records in the journal and the moment at which they count as durable. Whoever must not get ahead of
the log waits in `waiters`: each is released by an append that began after it came. An empty batch does, where there
is a waiter and no record. Knows nothing of replies, cards or money.
"""

import math
from collections.abc import Callable
from typing import Protocol

import trio
from msgspec import Struct

from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.journal.contract import Journal, Unknown
from authoriser.ledger.records import Record
from authoriser.limits import PENDING_RECORDS_MAX, PENDING_WAITERS_MAX

RETRY_FIRST_S = 0.01
RETRY_MAX_S = 1.0
"""After Unknown: the same bytes to the same slot, from 10 ms apart to a second."""


class Waiter(Protocol):
    """Something that may go out once the log has caught up. `release` must not block and must not raise."""

    def release(self) -> None: ...


class Tail(Struct, frozen=True):
    """Where a journal ends: its last slot, that batch's hash, the last record's number and time."""

    seq: int = 0
    hash: bytes = GENESIS
    record_no: int = 0
    last_ms: int = 0


class Commit(Struct, frozen=True, gc=False):
    """One durable batch, for whoever measures: when its append began and ended, seconds of `trio.current_time`."""

    seq: int
    records: int
    waiters: int
    size_bytes: int
    began: float
    ended: float


class GroupCommit:
    """The only writer of one shard's journal in this process."""

    def __init__(
        self, journal: Journal, *, shard: int, nonce: str, tail: Tail, epoch: int = 0, pace_s: float = 0.0
    ) -> None:
        """`epoch` is one that was begun already; 0 begins one with the first batch.

        `pace_s` lies at least between the beginnings of two appends. After a rest the first one waits for nothing.
        """
        self._journal = journal
        self._shard = shard
        self._nonce = nonce
        self._pace_s = pace_s
        self._hash = tail.hash
        self._last_ms = tail.last_ms
        self._records: list[Record] = []
        self._waiters: list[Waiter] = []
        self._wake = trio.lowlevel.ParkingLot()
        self._idle = False
        """Whether `run` sleeps. Waking it is for the first of a batch; asking the lot each time costs a microsecond."""
        self._durable = trio.lowlevel.ParkingLot()
        self._began = -math.inf
        self.epoch = epoch or tail.seq + 1
        self.durable_seq = tail.seq
        self.durable_record_no = tail.record_no
        self.proven = -math.inf
        """When the last durable append began, seconds of `trio.current_time`: the slot was still ours then."""

    @property
    def pending_records(self) -> int:
        """Records that no append has begun for."""
        return len(self._records)

    @property
    def admits(self) -> bool:
        """Whether more may be decided. Beyond the bound nothing is."""
        return len(self._records) < PENDING_RECORDS_MAX and self.admits_waiters

    @property
    def admits_waiters(self) -> bool:
        """Whether more may wait. In a long stall, waiters outlive the replies that they stood for."""
        return len(self._waiters) < PENDING_WAITERS_MAX

    def submit(self, records: tuple[Record, ...]) -> None:
        """Put `records`, applied already, into the next batch. They are never parted."""
        if records:
            self._records += records
            self._last_ms = max(self._last_ms, records[-1].at_ms)
            if self._idle:
                self._rouse()

    def wait(self, waiter: Waiter) -> None:
        """Release `waiter` when everything submitted so far, and an append begun from now on, is durable."""
        self._waiters.append(waiter)
        if self._idle:
            self._rouse()

    def _rouse(self) -> None:
        self._idle = False
        self._wake.unpark()

    async def until_durable(self, record_no: int) -> None:
        """Return when the record of that number is durable."""
        while self.durable_record_no < record_no:
            await self._durable.park()

    async def barrier(self) -> None:
        """Return when an append that began after this call is durable."""
        event = trio.Event()
        self.wait(_Event(event))
        await event.wait()

    async def run(self, on_commit: Callable[[Commit], None]) -> None:
        """Append for ever. `on_commit` is called after the waiters of each batch.

        Raises Fenced, or Unknown(retry=False), from the journal: nothing more is released, and the process is to
        drop what it holds. Cancellation leaves the append in flight unknown.
        """
        try:
            while True:
                while not (self._records or self._waiters):
                    self._idle = True
                    await self._wake.park()
                if (due := self._began + self._pace_s) > trio.current_time():
                    await trio.sleep_until(due)
                await self._append_batch(on_commit)
        finally:
            self.proven = -math.inf

    async def beat(self, every_s: float) -> None:
        """For ever: an empty batch whenever no append has begun for `every_s` and there is nothing to say."""
        while True:
            due = self._began + every_s
            if due > trio.current_time():
                await trio.sleep_until(due)
            elif self._idle:
                await self.barrier()
            else:
                await trio.sleep(every_s)

    async def _append_batch(self, on_commit: Callable[[Commit], None]) -> None:
        records, self._records = self._records, []
        waiters, self._waiters = self._waiters, []
        seq = self.durable_seq + 1
        batch = Batch(
            version=VERSION,
            shard=self._shard,
            seq=seq,
            epoch=self.epoch,
            nonce=self._nonce,
            first_record_no=self.durable_record_no + 1,
            last_ms=self._last_ms,
            previous_hash=self._hash,
            records=records,
        )
        began = self._began = trio.current_time()
        blob, digest = encode_batch(batch)
        await append_until_known(self._journal, seq, blob)
        ended = trio.current_time()
        self.proven = began
        self._hash = digest
        self.durable_seq = seq
        self.durable_record_no += len(records)
        for waiter in waiters:
            waiter.release()
        self._durable.unpark_all()
        on_commit(Commit(seq, len(records), len(waiters), len(blob), began, ended))


async def append_until_known(journal: Journal, seq: int, blob: bytes) -> None:
    """Return when `blob` is durable in slot `seq`; after Unknown the same bytes go there again.

    Raises Fenced, or Unknown(retry=False), as the journal does. Cancelled, it leaves the slot unknown.
    """
    pause = RETRY_FIRST_S
    while True:
        try:
            await journal.append(seq, blob)
        except Unknown as unknown:
            if not unknown.retry:
                raise
            await trio.sleep(pause)
            pause = min(2 * pause, RETRY_MAX_S)
        else:
            return


class _Event:
    def __init__(self, event: trio.Event) -> None:
        self._event = event

    def release(self) -> None:
        self._event.set()
