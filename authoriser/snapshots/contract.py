"""What a snapshot store promises.

A blob says which record it is true at. It is handed over only once that record is durable, so a snapshot never
knows more than the journal. The checkpoint moves on only when every aggregate touched before it has been saved.
"""

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct


class Blob(Struct, frozen=True):
    """One aggregate: an account, or the commons under the id "". `version` is the record it is true at."""

    aggregate_id: str
    version: int
    data: bytes


class Loaded(Struct, frozen=True):
    """A store's content. Replay starts after batch `checkpoint_seq`; aggregates skip what they have.

    `blobs` are read as they are asked for, once, and before anything is saved: a million of them need not stand in
    memory beside what they become. `aggregates` is how many the checkpoint was moved over, so that one that got lost
    is noticed.
    """

    checkpoint_seq: int
    blobs: Iterable[Blob]
    aggregates: int = 0


class SnapshotStore(Protocol):
    async def load(self) -> Loaded:
        """All blobs, and the checkpoint they were saved under (0 for an empty store)."""
        ...

    async def save(self, blobs: list[Blob]) -> None:
        """Keep `blobs`; an older version never replaces a newer one. Saved when this returns."""
        ...

    async def move_checkpoint(self, seq: int) -> None:
        """Promise that every aggregate touched up to batch `seq` is saved, and remember how many there are."""
        ...

    async def close(self) -> None: ...
