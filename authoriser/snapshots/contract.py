"""What a snapshot store promises.

A blob says which record it is true at. It is handed over only once that record is durable, so a snapshot never
knows more than the journal. The checkpoint moves on only when every aggregate touched before it has been saved.

Beside the blobs stands what finds an account that is not in memory: by a card of its own, and by the moment at which
its first hold ends. Both are saved before the blob that they belong to counts as saved.
"""

import sqlite3
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from msgspec import Struct

HOUR_MS = 3_600_000


class StoreError(Exception):
    """The store can't be asked or written to now, or what it holds contradicts itself. The text has no card's data.

    `passing`: the same may succeed later, as with a node that is away. Otherwise trying again can't help.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


STORE_FAILURES = (OSError, sqlite3.Error, StoreError)
"""How a store that fails shows. What failed may be tried again: the journal holds it all."""


class CardEntry(Struct, frozen=True):
    """Where a card is. Written once, when the card is new: none of it ever changes."""

    token: bytes
    card_id: str
    account_id: str
    last_four: str


class Blob(Struct, frozen=True):
    """One aggregate: an account, or the commons under the id "". `version` is the record it is true at.

    `cards` are those of the account that no blob before it brought, `expires_ms` is when the first of its open holds
    ends, 0 where it has none. Both are for the store's indexes, and not read back with the blob.
    """

    aggregate_id: str
    version: int
    data: bytes
    cards: tuple[CardEntry, ...] = ()
    expires_ms: int = 0


class Loaded(Struct, frozen=True):
    """A store's content. Replay starts after batch `checkpoint_seq`; aggregates skip what they have.

    `blobs` are read as they are asked for, once, and before anything is saved: a million of them need not stand in
    memory beside what they become. `aggregates` is how many the checkpoint was moved over, so that one that got lost
    is noticed.
    """

    checkpoint_seq: int
    blobs: Iterable[Blob]
    aggregates: int = 0


class Checkpoint(Struct, frozen=True):
    """How far the snapshots go: every aggregate touched up to batch `seq` is saved.

    Every hold that ended up to `expired_ms` has been let go by then, in what was saved; 0 where nobody said so yet.
    """

    seq: int = 0
    expired_ms: int = 0


class Due(Struct, frozen=True, order=True):
    """An account with a hold that ends then, or ended otherwise since the entry was made."""

    expires_ms: int
    account_id: str


class SnapshotStore(Protocol):
    """One shard's snapshots. Every method raises one of STORE_FAILURES where the store can't do it now."""

    async def checkpoint(self) -> Checkpoint:
        """How far the snapshots go; Checkpoint(0, 0) for an empty store."""
        ...

    async def load_one(self, aggregate_id: str) -> Blob | None:
        """One blob; None where there is none."""
        ...

    async def load_many(self, aggregate_ids: Iterable[str]) -> list[Blob]:
        """The blobs that there are, in any order; a bounded number of them is asked for at a time."""
        ...

    async def save(self, blobs: list[Blob]) -> None:
        """Keep `blobs`; an older version never replaces a newer one. Saved, indexes too, when this returns."""
        ...

    async def move_checkpoint(self, seq: int, expired_ms: int = 0) -> None:
        """Promise that every aggregate touched up to batch `seq` is saved. It never goes back.

        Entries of holds that ended before the hour of `expired_ms` may be dropped.
        """
        ...

    async def card_of_token(self, token: bytes) -> CardEntry | None:
        """The card with that number; None where no snapshot has one."""
        ...

    async def card_of_id(self, card_id: str) -> CardEntry | None: ...

    async def cards_ending(self, last_four: str, count: int) -> list[CardEntry]:
        """Up to `count` cards whose numbers end so, in any order."""
        ...

    async def due(self, after: Due, until_ms: int, count: int) -> list[Due]:
        """Up to `count` entries behind `after` that end at `until_ms` at the latest, in their order."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class WholeStore(SnapshotStore, Protocol):
    """A store that can be read whole: what a start does that takes every account into memory."""

    async def load(self) -> Loaded:
        """All blobs, and the checkpoint they were saved under (0 for an empty store)."""
        ...
