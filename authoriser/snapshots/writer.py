"""Snapshot rounds: every account touched since the last round, encoded in slices, saved once durable.

A round takes the set of touched aggregates, encodes a few at a time between awaits, and hands blobs to the store only
when the journal has the records that they know of. When all are saved, the checkpoint moves to the batch that was
durable when the round began: whatever was touched up to it was in this set or in an earlier one.
"""

import sqlite3
from collections.abc import Callable

import msgspec
import trio

from authoriser.journal.group_commit import GroupCommit
from authoriser.ledger.state import ShardState
from authoriser.limits import SNAPSHOT_INTERVAL_S, SNAPSHOT_PAUSE_S, SNAPSHOT_SLICE
from authoriser.recovery import COMMONS_ID
from authoriser.snapshots.contract import Blob, SnapshotStore

_encoder = msgspec.msgpack.Encoder()

FINISH_MAX_S = 5.0
"""For the last round of a process that ends: less than a drain may take."""


class SnapshotWriter:
    """The one writer of a shard's snapshots in this process."""

    def __init__(
        self,
        state: ShardState,
        commit: GroupCommit,
        store: SnapshotStore,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._state = state
        self._commit = commit
        self._store = store
        self._on_failure = on_failure
        self._in_round = trio.Lock()
        self._hurry = False
        self.checkpoint_record_no = 0

    async def run(self) -> None:
        """A round each interval. A store that fails is tried again with the next: the journal holds it all."""
        while True:
            await trio.sleep(SNAPSHOT_INTERVAL_S)
            try:
                await self.round(pause_s=SNAPSHOT_PAUSE_S)
            except (OSError, sqlite3.Error) as error:
                self._on_failure(error)

    async def finish(self) -> None:
        """A last round, in a hurry, so that the next start has little to replay. What it leaves costs that start."""
        self._hurry = True
        try:
            with trio.move_on_after(FINISH_MAX_S):
                await self.round()
        except (OSError, sqlite3.Error) as error:
            self._on_failure(error)

    async def round(self, pause_s: float = 0.0) -> None:
        """Save everything touched so far, slice by slice with a pause between, then move the checkpoint."""
        async with self._in_round:
            state = self._state
            seq, record_no = self._commit.durable_seq, self._commit.durable_record_no
            touched = state.dirty
            if not touched:
                return
            state.dirty = set()
            try:
                await self._save(touched, pause_s)
            except BaseException:
                state.dirty |= touched
                raise
            await self._store.move_checkpoint(seq)
            self.checkpoint_record_no = record_no

    async def _save(self, touched: set[str], pause_s: float) -> None:
        blobs: list[Blob] = []
        weight = 0
        for aggregate_id in touched:
            blobs.append(self._blob(aggregate_id))
            weight += self._weight(aggregate_id)
            if weight >= SNAPSHOT_SLICE:
                await self._hand_over(blobs)
                blobs, weight = [], 0
                await trio.sleep(0 if self._hurry else pause_s)
        if blobs:
            await self._hand_over(blobs)

    async def _hand_over(self, blobs: list[Blob]) -> None:
        await self._commit.until_durable(max(blob.version for blob in blobs))
        await self._store.save(blobs)

    def _weight(self, aggregate_id: str) -> int:
        """How much there is to encode: one for the aggregate, and one for each kept answer and hold."""
        if aggregate_id == COMMONS_ID:
            commons = self._state.commons
            return 1 + len(commons.unknown_kept) + len(commons.exceptions)
        account = self._state.accounts[aggregate_id]
        return 1 + len(account.kept) + len(account.payments)

    def _blob(self, aggregate_id: str) -> Blob:
        if aggregate_id == COMMONS_ID:
            commons = self._state.commons
            return Blob(COMMONS_ID, commons.version, _encoder.encode(commons))
        account = self._state.accounts[aggregate_id]
        return Blob(aggregate_id, account.version, _encoder.encode(account))
