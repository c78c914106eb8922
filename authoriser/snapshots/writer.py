"""Snapshot rounds: every account touched since the last round, encoded in slices, saved once durable.

A round takes the set of touched aggregates, encodes a few at a time between awaits, and hands blobs to the store only
when the journal has the records that they know of. When all are saved, the checkpoint moves to the batch that was
durable when the round began: whatever was touched up to it was in this set or in an earlier one.

Where not every account is in memory, a start loads only what the tail touches. There the checkpoint stays behind by as
long as an answer may be open: after a crash, the tail shows every approval whose answer nobody knows of. And it moves
only after an append that began once all was saved: whoever has lost the shard meanwhile moves it no more, so that what
it says of holds that ended is true of the whole log.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import trio

from authoriser.cache import AccountCache
from authoriser.journal.group_commit import GroupCommit
from authoriser.ledger.state import ShardState
from authoriser.limits import (
    SNAPSHOT_GAP_S,
    SNAPSHOT_INTERVAL_S,
    SNAPSHOT_PAUSE_S,
    SNAPSHOT_QUIET_SLOTS,
    SNAPSHOT_SLICE,
)
from authoriser.snapshots.blobs import COMMONS_ID, account_blob, commons_blob, first_expiry_ms
from authoriser.snapshots.contract import STORE_FAILURES, Blob, SnapshotStore

FINISH_MAX_S = 5.0
"""For the last round of a process that ends: less than a drain may take."""


class _Mark(NamedTuple):
    """Where the log stood at a moment of the ledger's clock."""

    at_ms: int
    seq: int
    record_no: int


class SnapshotWriter:
    """The one writer of a shard's snapshots in this process."""

    def __init__(
        self,
        state: ShardState,
        commit: GroupCommit,
        store: SnapshotStore,
        on_failure: Callable[[Exception], None],
        *,
        cache: AccountCache | None = None,
        now_ms: Callable[[], int] = lambda: 0,
        answers_open_ms: int = 0,
    ) -> None:
        """With a `cache`, the store's indexes are kept, and the checkpoint stays `answers_open_ms` behind."""
        self._state = state
        self._commit = commit
        self._store = store
        self._on_failure = on_failure
        self._cache = cache
        self._now_ms = now_ms
        self._answers_open_ms = answers_open_ms
        self._in_round = trio.Lock()
        self._hurry = False
        self._wanted = trio.Event()
        self._saving: set[str] = set()
        """Taken by the round under way, and not yet acknowledged."""
        self._marks: deque[_Mark] = deque()
        self._saved_seq = 0
        """Where the log stood when the last round began that had something to save."""
        self._moved_seq = 0
        """Where this writer's checkpoint is."""
        self._expiries_told: dict[str, int] = {}
        """Account in memory -> the first end of a hold that the store's index has of it."""
        self.checkpoint_record_no = 0

    async def run(self) -> None:
        """A round each interval, or when one is wanted. A store that fails is tried again: the journal holds it all."""
        while True:
            await trio.sleep(SNAPSHOT_GAP_S)
            with trio.move_on_after(SNAPSHOT_INTERVAL_S - SNAPSHOT_GAP_S):
                await self._wanted.wait()
            self._wanted = trio.Event()
            try:
                await self.round(pause_s=SNAPSHOT_PAUSE_S)
            except STORE_FAILURES as error:
                self._on_failure(error)

    def want_round(self) -> None:
        """Have the next round begin soon."""
        self._wanted.set()

    def is_unsaved(self, account_id: str) -> bool:
        """Whether the account has an effect that no acknowledged snapshot has."""
        return account_id in self._state.dirty or account_id in self._saving

    def forget(self, account_id: str) -> None:
        """The account leaves memory."""
        self._expiries_told.pop(account_id, None)

    async def finish(self) -> None:
        """A last round, in a hurry, so that the next start has little to replay. What it leaves costs that start."""
        self._hurry = True
        try:
            with trio.move_on_after(FINISH_MAX_S):
                await self.round()
        except STORE_FAILURES as error:
            self._on_failure(error)

    async def round(self, pause_s: float = 0.0) -> None:
        """Save everything touched so far, slice by slice with a pause between, then move the checkpoint."""
        async with self._in_round:
            state, cache = self._state, self._cache
            mark = _Mark(self._now_ms(), self._commit.durable_seq, self._commit.durable_record_no)
            expired_ms = cache.expired_ms if cache is not None else 0
            touched = state.dirty
            if not touched and not self._is_behind(mark):
                return
            state.dirty = set()
            self._saving = set(touched)
            try:
                await self._save(touched, pause_s)
            except BaseException:
                state.dirty |= self._saving
                raise
            finally:
                self._saving = set()
            if touched:
                self._saved_seq = mark.seq
            reached = self._reached(mark)
            if reached is not None:
                if cache is not None and not self._hurry:
                    await self._commit.barrier()
                await self._store.move_checkpoint(reached.seq, expired_ms)
                self._moved_seq = reached.seq
                self.checkpoint_record_no = reached.record_no

    def _is_behind(self, mark: _Mark) -> bool:
        """Whether the checkpoint should move, though nothing was touched since the last round."""
        if self._cache is None:
            return False
        return self._moved_seq < self._saved_seq or mark.seq >= self._moved_seq + SNAPSHOT_QUIET_SLOTS

    def _reached(self, mark: _Mark) -> _Mark | None:
        """How far the checkpoint may move after a round that began at `mark`; None while no mark is old enough."""
        if self._cache is None or self._hurry:
            return mark
        marks = self._marks
        marks.append(mark)
        before_ms = mark.at_ms - self._answers_open_ms
        while len(marks) > 1 and marks[1].at_ms < before_ms:
            marks.popleft()
        return marks[0] if marks[0].at_ms < before_ms else None

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
        saved = [blob.aggregate_id for blob in blobs]
        self._saving.difference_update(saved)
        self._state.new_cards.difference_update(entry.card_id for blob in blobs for entry in blob.cards)
        if self._cache is not None:
            self._expiries_told.update(
                (blob.aggregate_id, blob.expires_ms) for blob in blobs if blob.expires_ms
            )
            self._cache.saved(saved)

    def _weight(self, aggregate_id: str) -> int:
        """How much there is to encode: one for the aggregate, and one for each kept answer and hold."""
        if aggregate_id == COMMONS_ID:
            commons = self._state.commons
            return 1 + len(commons.unknown_kept) + len(commons.exceptions)
        account = self._state.accounts[aggregate_id]
        return 1 + len(account.kept) + len(account.payments)

    def _blob(self, aggregate_id: str) -> Blob:
        if aggregate_id == COMMONS_ID:
            return commons_blob(self._state.commons)
        account = self._state.accounts[aggregate_id]
        expires_ms = 0
        if self._cache is not None:
            expires_ms = first_expiry_ms(account)
            if self._expiries_told.get(aggregate_id) == expires_ms:
                expires_ms = 0
        return account_blob(account, self._state.new_cards, expires_ms)
