"""The fake: snapshots in memory, with the faults that a real store has. Passes the same contract tests.

Several `MemorySnapshots` may share one `MemoryShelf`, as processes share a disk or a cluster.
"""

from collections.abc import Iterable

import trio
from msgspec.structs import replace

from authoriser.snapshots.contract import HOUR_MS, Blob, CardEntry, Checkpoint, Due, Loaded, StoreError


class MemoryShelf:
    """What outlives a process."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.cards: dict[bytes, CardEntry] = {}
        self.due: set[Due] = set()
        self.checkpoint = Checkpoint()
        self.aggregates = 0


class MemorySnapshots:
    """One process's handle on a `MemoryShelf`, with switches for its faults."""

    def __init__(self, shelf: MemoryShelf | None = None) -> None:
        self.shelf = shelf if shelf is not None else MemoryShelf()
        self.loads = 0
        """Blobs that were asked for one by one or several at a time."""
        self.broken = False
        """While it is, whatever is asked of the store fails."""
        self.checkpoint_broken = False
        """While it is, blobs are saved and the checkpoint can't be moved."""
        self._running = trio.Event()
        self._running.set()

    def stall(self) -> None:
        """From now on every answer waits, as from a server that does not speak."""
        if self._running.is_set():
            self._running = trio.Event()

    def resume(self) -> None:
        self._running.set()

    async def _asked(self) -> MemoryShelf:
        await self._running.wait()
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise StoreError("the test said so", passing=True)
        return self.shelf

    async def load(self) -> Loaded:
        shelf = await self._asked()
        return Loaded(shelf.checkpoint.seq, list(shelf.blobs.values()), shelf.aggregates)

    async def checkpoint(self) -> Checkpoint:
        return (await self._asked()).checkpoint

    async def load_one(self, aggregate_id: str) -> Blob | None:
        self.loads += 1
        return (await self._asked()).blobs.get(aggregate_id)

    async def load_many(self, aggregate_ids: Iterable[str]) -> list[Blob]:
        asked = list(aggregate_ids)
        self.loads += len(asked)
        blobs = (await self._asked()).blobs
        return [blobs[aggregate_id] for aggregate_id in asked if aggregate_id in blobs]

    async def save(self, blobs: list[Blob]) -> None:
        shelf = await self._asked()
        for blob in blobs:
            shelf.cards.update((entry.token, entry) for entry in blob.cards)
            if blob.expires_ms:
                shelf.due.add(Due(blob.expires_ms, blob.aggregate_id))
            kept = shelf.blobs.get(blob.aggregate_id)
            if kept is None or kept.version <= blob.version:
                shelf.blobs[blob.aggregate_id] = replace(blob, cards=(), expires_ms=0)

    async def move_checkpoint(self, seq: int, expired_ms: int = 0) -> None:
        shelf = await self._asked()
        if self.checkpoint_broken:
            raise StoreError("the test said so", passing=True)
        if seq < shelf.checkpoint.seq:
            return
        shelf.checkpoint = Checkpoint(seq, max(expired_ms, shelf.checkpoint.expired_ms))
        shelf.aggregates = len(shelf.blobs)
        past_ms = expired_ms - expired_ms % HOUR_MS
        shelf.due = {due for due in shelf.due if due.expires_ms >= past_ms}

    async def card_of_token(self, token: bytes) -> CardEntry | None:
        return (await self._asked()).cards.get(token)

    async def card_of_id(self, card_id: str) -> CardEntry | None:
        shelf = await self._asked()
        return next((entry for entry in shelf.cards.values() if entry.card_id == card_id), None)

    async def cards_ending(self, last_four: str, count: int) -> list[CardEntry]:
        shelf = await self._asked()
        return [entry for entry in shelf.cards.values() if entry.last_four == last_four][:count]

    async def due(self, after: Due, until_ms: int, count: int) -> list[Due]:
        shelf = await self._asked()
        return sorted(due for due in shelf.due if due > after and due.expires_ms <= until_ms)[:count]

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
