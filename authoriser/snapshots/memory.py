"""The fake: snapshots in memory. Passes the same contract tests as the real store."""

import trio

from authoriser.snapshots.contract import Blob, Loaded


class MemorySnapshots:
    def __init__(self) -> None:
        self._blobs: dict[str, Blob] = {}
        self._checkpoint_seq = 0
        self._aggregates = 0

    async def load(self) -> Loaded:
        await trio.lowlevel.checkpoint()
        return Loaded(self._checkpoint_seq, list(self._blobs.values()), self._aggregates)

    async def save(self, blobs: list[Blob]) -> None:
        await trio.lowlevel.checkpoint()
        for blob in blobs:
            kept = self._blobs.get(blob.aggregate_id)
            if kept is None or kept.version <= blob.version:
                self._blobs[blob.aggregate_id] = blob

    async def move_checkpoint(self, seq: int) -> None:
        await trio.lowlevel.checkpoint()
        if seq >= self._checkpoint_seq:
            self._checkpoint_seq, self._aggregates = seq, len(self._blobs)

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
