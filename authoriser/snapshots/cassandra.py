"""Snapshots in Cassandra: plain writes at a quorum, each USING TIMESTAMP of the number it is true at.

So a writer that has lost the shard can send what it likes, as late as it likes: what is newer stands. Owns the
statements of `schema/0004-snapshots.cql`, and how many of them are under way. Must not know what is in a blob.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

import trio
from msgspec import Struct

from authoriser.cassandra.schema_versions import require_schema
from authoriser.cassandra.session import CassandraError, Prepared, Row, Session
from authoriser.snapshots.blobs import FORMAT
from authoriser.snapshots.contract import HOUR_MS, Blob, CardEntry, Checkpoint, Due, StoreError

T = TypeVar("T")

READS_AT_ONCE = 64
"""Reads under way of one call: what a follower or a sweep brings in together."""
SAVES_AT_ONCE = 8
"""Requests of writes under way. More save nothing sooner: a node that syncs writes them one after the other. And the
journal's appends are writes of the same node, which wait behind them."""
TOGETHER_ROWS = 10
TOGETHER_BYTES = 4_096
"""Of the writes of one request: beyond ten partitions and 5 KiB Cassandra warns of each in its log, and rightly."""

_Write = tuple[Prepared, tuple[object, ...]]


TABLES = ("checkpoints", "snapshots", "card_index", "hold_expiries", "snapshot_formats")
"""The checkpoint first: without it the others are read by nobody."""
_CLAIM = "INSERT INTO {keyspace}.snapshot_formats (shard, format) VALUES (?, ?) IF NOT EXISTS"


class _Statements(Struct, frozen=True):
    load: Prepared
    save: Prepared
    card: Prepared
    cards: Prepared
    expiry: Prepared
    due: Prepared
    forget: Prepared
    checkpoint: Prepared
    move: Prepared


_CQL = {
    "load": "SELECT version, blob FROM {keyspace}.snapshots WHERE shard = ? AND account_id = ?",
    "save": "INSERT INTO {keyspace}.snapshots (shard, account_id, version, blob) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    "card": (
        "INSERT INTO {keyspace}.card_index (shard, name, card_id, card_token, account_id, last_four) "
        "VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
    ),
    "cards": (
        "SELECT card_id, card_token, account_id, last_four FROM {keyspace}.card_index "
        "WHERE shard = ? AND name = ? LIMIT ?"
    ),
    "expiry": (
        "INSERT INTO {keyspace}.hold_expiries (shard, hour, expires_ms, account_id) "
        "VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
    ),
    "due": (
        "SELECT expires_ms, account_id FROM {keyspace}.hold_expiries WHERE shard = ? AND hour = ? "
        "AND (expires_ms, account_id) > (?, ?) AND (expires_ms) <= (?) LIMIT ?"
    ),
    "forget": "DELETE FROM {keyspace}.hold_expiries USING TIMESTAMP ? WHERE shard = ? AND hour = ?",
    "checkpoint": "SELECT seq, expired_ms FROM {keyspace}.checkpoints WHERE shard = ?",
    "move": "INSERT INTO {keyspace}.checkpoints (shard, seq, expired_ms) VALUES (?, ?, ?) USING TIMESTAMP ?",
}


class CassandraSnapshots:
    """One shard's snapshots over a session that others use too."""

    def __init__(self, session: Session, shard: int, statements: _Statements) -> None:
        self._session = session
        self._shard = shard
        self._cql = statements
        self._expired_ms = 0

    @classmethod
    async def open(cls, session: Session, *, shard: int) -> Self:
        """Raises SchemaError or CassandraError where this keyspace has no snapshots, StoreError for another shape."""
        await require_schema(session)
        claim = await session.prepare(_CLAIM)
        (row,) = await session.execute(claim, (shard, FORMAT))
        if not row["[applied]"] and row["format"] != FORMAT:
            raise StoreError(
                f"the snapshots of shard {shard} are of format {row['format']}, and this program's are of {FORMAT}: "
                f"run the program that wrote them; or stop every process, TRUNCATE {', '.join(TABLES)} and have "
                "everything replayed from the journal"
            )
        prepared = {name: await session.prepare(text) for name, text in _CQL.items()}
        return cls(session, shard, _Statements(**prepared))

    async def _execute(self, statement: Prepared, *values: object) -> list[Row]:
        with self._ours():
            return await self._session.execute(statement, values)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except CassandraError as error:
            text = f"snapshots of shard {self._shard}: {error}"
            raise StoreError(text, passing=error.passing) from None

    async def checkpoint(self) -> Checkpoint:
        rows = await self._execute(self._cql.checkpoint, self._shard)
        found = Checkpoint(rows[0]["seq"], rows[0]["expired_ms"]) if rows else Checkpoint()
        self._expired_ms = found.expired_ms
        return found

    # ---- blobs

    async def load_one(self, aggregate_id: str) -> Blob | None:
        rows = await self._execute(self._cql.load, self._shard, aggregate_id)
        return Blob(aggregate_id, rows[0]["version"], rows[0]["blob"]) if rows else None

    async def load_many(self, aggregate_ids: Iterable[str]) -> list[Blob]:
        found: list[Blob] = []

        async def load(aggregate_id: str) -> None:
            blob = await self.load_one(aggregate_id)
            if blob is not None:
                found.append(blob)

        await _each(load, aggregate_ids, READS_AT_ONCE)
        return found

    async def save(self, blobs: list[Blob]) -> None:
        """The indexes first: a blob that is there is found by them."""
        await _each(self._write, _together(self._index(blobs)), SAVES_AT_ONCE)
        await _each(self._write, _together(self._blobs(blobs)), SAVES_AT_ONCE)

    async def _write(self, writes: list[_Write]) -> None:
        with self._ours():
            await self._session.execute_together(writes)

    def _blobs(self, blobs: list[Blob]) -> Iterator[_Write]:
        for blob in blobs:
            yield (
                self._cql.save,
                (self._shard, blob.aggregate_id, blob.version, blob.data, blob.version),
            )

    def _index(self, blobs: list[Blob]) -> Iterator[_Write]:
        for blob in blobs:
            for entry in blob.cards:
                values = (entry.card_id, entry.token, entry.account_id, entry.last_four, blob.version)
                for name in (_token(entry.token), _id(entry.card_id), _ends(entry.last_four)):
                    yield self._cql.card, (self._shard, name, *values)
            if blob.expires_ms:
                hour = blob.expires_ms // HOUR_MS
                expiry = (self._shard, hour, blob.expires_ms, blob.aggregate_id, blob.version)
                yield self._cql.expiry, expiry

    async def move_checkpoint(self, seq: int, expired_ms: int = 0) -> None:
        expired_ms = max(expired_ms, self._expired_ms)
        await self._execute(self._cql.move, self._shard, seq, expired_ms, seq)
        first, last = self._expired_ms // HOUR_MS, expired_ms // HOUR_MS
        if first:
            await _each(self._forget, range(first, last), SAVES_AT_ONCE)
        self._expired_ms = expired_ms

    async def _forget(self, hour: int) -> None:
        """Nothing of an hour that is over is asked for again, whenever it was written: any later number will do."""
        await self._execute(self._cql.forget, hour * HOUR_MS, self._shard, hour)

    # ---- indexes

    async def _cards(self, name: str, count: int) -> list[CardEntry]:
        rows = await self._execute(self._cql.cards, self._shard, name, count)
        return [
            CardEntry(bytes(row["card_token"]), row["card_id"], row["account_id"], row["last_four"])
            for row in rows
        ]

    async def card_of_token(self, token: bytes) -> CardEntry | None:
        return next(iter(await self._cards(_token(token), 1)), None)

    async def card_of_id(self, card_id: str) -> CardEntry | None:
        return next(iter(await self._cards(_id(card_id), 1)), None)

    async def cards_ending(self, last_four: str, count: int) -> list[CardEntry]:
        return await self._cards(_ends(last_four), count)

    async def due(self, after: Due, until_ms: int, count: int) -> list[Due]:
        """Hour by hour, after a long rest several at a time. A server that rests for no hour asks for one."""
        found: list[Due] = []
        last = until_ms // HOUR_MS
        for first in range(after.expires_ms // HOUR_MS, last + 1, READS_AT_ONCE):
            hours: dict[int, list[Due]] = {}

            async def ask(hour: int, hours: dict[int, list[Due]] = hours) -> None:
                values = (after.expires_ms, after.account_id, until_ms, count)
                rows = await self._execute(self._cql.due, self._shard, hour, *values)
                hours[hour] = [Due(row["expires_ms"], row["account_id"]) for row in rows]

            await _each(ask, range(first, min(first + READS_AT_ONCE, last + 1)), READS_AT_ONCE)
            found += [due for hour in sorted(hours) for due in hours[hour]]
            if len(found) >= count:
                break
        return found[:count]

    async def close(self) -> None:
        """The session is closed by whoever opened it."""
        await trio.lowlevel.checkpoint()


def _token(token: bytes) -> str:
    return f"token:{token.hex()}"


def _id(card_id: str) -> str:
    return f"id:{card_id}"


def _ends(last_four: str) -> str:
    return f"ends:{last_four}"


def _together(writes: Iterable[_Write]) -> Iterator[list[_Write]]:
    """Small writes in one request each few; a large one goes alone."""
    several: list[_Write] = []
    size = 0
    for write in writes:
        size_bytes = sum(len(value) for value in write[1] if isinstance(value, bytes | str))
        if several and (len(several) == TOGETHER_ROWS or size + size_bytes > TOGETHER_BYTES):
            yield several
            several, size = [], 0
        several.append(write)
        size += size_bytes
    if several:
        yield several


async def _each(function: Callable[[T], Awaitable[None]], items: Iterable[T], at_once: int) -> None:
    """`function` of every item, so many at once. After a failure no more are begun; raises the first StoreError."""
    waiting = iter(items)
    failed: list[StoreError] = []

    async def work(first: T) -> None:
        for item in itertools.chain((first,), waiting):
            if failed:
                return
            try:
                await function(item)
            except StoreError as error:
                failed.append(error)

    async with trio.open_nursery() as nursery:
        for item in itertools.islice(waiting, at_once):
            nursery.start_soon(work, item)
    if failed:
        raise failed[0]
