"""From snapshots and journal to a state: what a start does, and what `verify` does twice to compare.

The whole journal replayed from nothing gives the same state as the snapshots with the tail replayed over them.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from authoriser.journal.batch import GENESIS, Batch, decode_batch
from authoriser.journal.contract import Journal
from authoriser.journal.group_commit import Tail
from authoriser.ledger.apply import replay
from authoriser.ledger.state import ShardState
from authoriser.limits import EVENTS_PAGE
from authoriser.snapshots import Checkpoint, Loaded, SnapshotStore, StoreError, WholeStore
from authoriser.snapshots.blobs import COMMONS_ID, account_of, commons_of

__all__ = [
    "COMMONS_ID",
    "RecoveryError",
    "Replayer",
    "bring_touched",
    "recover",
    "recover_tail",
    "touched_by",
]


class RecoveryError(Exception):
    """The data directory contradicts itself. Serving from it would invent or lose money."""


class Replayer:
    """Feeds batches, in order, into a state. `tail` is where the journal stood after the last one."""

    def __init__(self, shard: int, loaded: Loaded | None = None) -> None:
        self.state = ShardState(shard)
        self.next_seq = 1
        self.tail = Tail()
        self._epoch = 0
        self._nonce = ""
        self._hash: bytes | None = GENESIS
        if loaded is not None:
            self._take(loaded)

    def _take(self, loaded: Loaded) -> None:
        blobs = 0
        for blob in loaded.blobs:
            blobs += 1
            try:
                if blob.aggregate_id == COMMONS_ID:
                    self.state.commons = commons_of(blob)
                else:
                    self.state.load(account_of(blob))
            except StoreError as error:
                raise RecoveryError(f"{error}; without snapshots.db everything is replayed") from None
        if blobs < loaded.aggregates:
            text = f"{loaded.aggregates - blobs} of {loaded.aggregates} snapshots are missing"
            raise RecoveryError(f"{text}; without snapshots.db everything is replayed")
        if loaded.checkpoint_seq:
            # The checkpoint's own batch is read again: its hash, number and time are where the tail begins.
            self.next_seq = loaded.checkpoint_seq
            self._hash = None

    def feed(self, seq: int, blob: bytes) -> Batch:
        """Apply one batch. Raises BatchError or RecoveryError where it is not what must follow."""
        if seq != self.next_seq:
            raise RecoveryError(f"the journal has a gap: batch {self.next_seq} is missing before {seq}")
        batch, digest = decode_batch(blob, seq=seq, shard=self.state.shard, previous_hash=self._hash)
        if batch.epoch < self._epoch:
            raise RecoveryError(f"batch {seq}: epoch {batch.epoch} after epoch {self._epoch}")
        if self._epoch and (batch.epoch, batch.nonce) not in {(self._epoch, self._nonce), (seq, batch.nonce)}:
            raise RecoveryError(f"batch {seq}: a writer of epoch {batch.epoch} that did not begin it")
        if self._hash is not None and batch.first_record_no != self.state.record_no + 1:
            expected = self.state.record_no + 1
            raise RecoveryError(f"batch {seq}: record {batch.first_record_no} where {expected} must follow")
        for number, record in enumerate(batch.records, batch.first_record_no):
            try:
                replay(self.state, record, number)
            except (AssertionError, KeyError) as error:
                text = f"batch {seq}: record {number} ({type(record).__name__}) contradicts what stands before it"
                raise RecoveryError(f"{text} ({type(error).__name__}: {error})") from error
        record_no = batch.first_record_no + len(batch.records) - 1
        self.state.record_no = record_no
        self.state.last_ms = max(self.state.last_ms, batch.last_ms)
        self._epoch, self._nonce = batch.epoch, batch.nonce
        self._hash = digest
        self.next_seq = seq + 1
        self.tail = Tail(seq=seq, hash=digest, record_no=record_no, last_ms=self.state.last_ms)
        return batch

    def finish(self) -> ShardState:
        """The state, once the last batch was fed. Raises RecoveryError where a snapshot knows more.

        What the tail touched stays marked dirty: the checkpoint must not pass it before it is saved again.
        """
        ahead = [a.account_id for a in self.state.accounts.values() if a.version > self.state.record_no]
        if ahead or self.state.commons.version > self.state.record_no or self._hash is None:
            raise RecoveryError(
                f"the snapshots know more than the journal, which ends at record {self.state.record_no}: "
                "the journal is older than the snapshots, or was cut"
            )
        return self.state


async def recover(journal: Journal, snapshots: WholeStore, shard: int) -> Replayer:
    """Load the snapshots and replay the journal's tail over them. `finish` was called on what this returns."""
    with _nothing_collected():
        replayer = Replayer(shard, await snapshots.load())
        while batches := await journal.read(replayer.next_seq, EVENTS_PAGE):
            for seq, blob in batches:
                replayer.feed(seq, blob)
        replayer.finish()
        return replayer


async def recover_tail(journal: Journal, snapshots: SnapshotStore, shard: int) -> tuple[Replayer, Checkpoint]:
    """Replay the journal's tail over the accounts that it touches, and load no other. `finish` was called.

    Raises one of STORE_FAILURES where a snapshot can't be had, and what `recover` does.
    """
    with _nothing_collected():
        checkpoint = await snapshots.checkpoint()
        commons = await snapshots.load_one(COMMONS_ID)
        if checkpoint.seq and commons is None:
            raise RecoveryError("there is a checkpoint, and the snapshot of the commons is missing")
        replayer = Replayer(shard, Loaded(checkpoint.seq, [commons] if commons is not None else []))
        while batches := await journal.read(replayer.next_seq, EVENTS_PAGE):
            await bring_touched(replayer.state, snapshots, batches)
            for seq, blob in batches:
                replayer.feed(seq, blob)
        replayer.finish()
        return replayer, checkpoint


async def bring_touched(
    state: ShardState, snapshots: SnapshotStore, batches: list[tuple[int, bytes]]
) -> None:
    """Load the accounts that these batches touch, those that are not in memory and have a snapshot.

    To be called before they are replayed. One without a snapshot is opened by a record of the tail itself. Raises
    BatchError, or one of STORE_FAILURES.
    """
    touched = touched_by(batches, state.shard)
    touched.difference_update(state.accounts)
    for saved in await snapshots.load_many(touched):
        state.load(account_of(saved))


def touched_by(batches: list[tuple[int, bytes]], shard: int) -> set[str]:
    """The accounts that records of these batches name. Raises BatchError."""
    touched: set[str] = set()
    for seq, blob in batches:
        batch, _ = decode_batch(blob, seq=seq, shard=shard, previous_hash=None)
        touched.update(getattr(record, "account_id", "") for record in batch.records)
    touched.discard("")
    return touched


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """What is loaded stays. Looking through it again and again takes two fifths of the time of a load."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
