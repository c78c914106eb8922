"""Snapshots in a SQLite file of their own, off the commit path.

synchronous=NORMAL is enough: commits reach the disk in order, the checkpoint after the blobs it speaks of. What a
power loss takes back here, the journal replays. So does what another version of the program wrote: a file of another
format is begun again.

The indexes are kept only for a process that does not have every account in memory. One that has would write them for
nobody; the file then says that they are not whole, and whoever needs them makes them anew (`authoriser.recovery`).
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import trio

from authoriser.snapshots.blobs import FORMAT
from authoriser.snapshots.contract import HOUR_MS, Blob, CardEntry, Checkpoint, Due, Loaded

SNAPSHOTS_FILE = "snapshots.db"

_SCHEMA = f"""
CREATE TABLE aggregates (id TEXT PRIMARY KEY, version INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE checkpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, aggregates INTEGER NOT NULL
);
PRAGMA user_version = {FORMAT};
"""
_INDEXES = """
CREATE TABLE IF NOT EXISTS cards (
    token BLOB PRIMARY KEY, card_id TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL, last_four TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS cards_by_last_four ON cards (last_four);
CREATE TABLE IF NOT EXISTS hold_expiries (
    expires_ms INTEGER, account_id TEXT, PRIMARY KEY (expires_ms, account_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS indexes (
    one INTEGER PRIMARY KEY CHECK (one = 1), whole INTEGER NOT NULL, expired_ms INTEGER NOT NULL
);
INSERT INTO indexes VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
"""
_SAVE = """
INSERT INTO aggregates (id, version, data) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, data = excluded.data
WHERE excluded.version >= aggregates.version
"""
_MOVE = """
INSERT INTO checkpoint (one, seq, aggregates) VALUES (1, ?, (SELECT count(*) FROM aggregates))
ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, aggregates = excluded.aggregates WHERE excluded.seq >= seq
"""
_CARDS = "SELECT token, card_id, account_id, last_four FROM cards WHERE "
_PAGE = "SELECT id, version, data FROM aggregates WHERE ? IS NULL OR id > ? ORDER BY id LIMIT ?"
INDEX_PAGE = 1_000
"""Blobs in memory at a time while the indexes are made anew."""
_DUE = """
SELECT expires_ms, account_id FROM hold_expiries
WHERE (expires_ms, account_id) > (?, ?) AND expires_ms <= ? ORDER BY expires_ms, account_id LIMIT ?
"""


class SqliteSnapshots:
    """The owner's handle. Blocking work runs in a worker thread: one call that writes and one that reads at a time."""

    def __init__(
        self,
        directory: Path,
        on_other_format: Callable[[int], None] = lambda _found: None,
        *,
        indexed: bool = False,
    ) -> None:
        """`on_other_format` is told the format of a file whose content was dropped. `indexed` keeps the indexes."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / SNAPSHOTS_FILE
        self._connection = _connect(self.path)
        self.path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._set_up(on_other_format)
        self._indexed = indexed
        self._connection.executescript(_INDEXES)
        if not indexed:
            self._connection.execute("UPDATE indexes SET whole = 0 WHERE whole")
        self._reader = _connect(self.path)
        self._limiter = trio.CapacityLimiter(1)
        self._read_limiter = trio.CapacityLimiter(1)

    def _set_up(self, on_other_format: Callable[[int], None]) -> None:
        """The tables, made anew where the file has none or those of another format."""
        found = _format(self._connection)
        if found == FORMAT:
            return
        tables = [
            name
            for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        if tables:
            on_other_format(found)
        drops = "".join(f"DROP TABLE {name};" for name in tables)
        self._connection.executescript(f"BEGIN IMMEDIATE; {drops} {_SCHEMA} COMMIT;")

    async def load(self) -> Loaded:
        return await trio.to_thread.run_sync(_load, self._connection, limiter=self._limiter)

    # ---- one by one

    async def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        def read() -> list[tuple[object, ...]]:
            return self._reader.execute(statement, values).fetchall()

        return await trio.to_thread.run_sync(read, limiter=self._read_limiter)

    async def checkpoint(self) -> Checkpoint:
        rows = await self._read("SELECT seq, (SELECT expired_ms FROM indexes) FROM checkpoint", ())
        return Checkpoint(*rows[0]) if rows else Checkpoint()  # type: ignore[arg-type]

    async def load_one(self, aggregate_id: str) -> Blob | None:
        blobs = await self.load_many((aggregate_id,))
        return blobs[0] if blobs else None

    async def load_many(self, aggregate_ids: Iterable[str]) -> list[Blob]:
        def read(ids: list[str]) -> list[Blob]:
            return [
                Blob(*values)
                for aggregate_id in ids
                for values in self._reader.execute(
                    "SELECT id, version, data FROM aggregates WHERE id = ?", (aggregate_id,)
                )
            ]

        return await trio.to_thread.run_sync(read, list(aggregate_ids), limiter=self._read_limiter)

    async def _cards(self, where: str, *values: object) -> list[CardEntry]:
        return [CardEntry(*row) for row in await self._read(_CARDS + where, values)]  # type: ignore[arg-type]

    async def card_of_token(self, token: bytes) -> CardEntry | None:
        return next(iter(await self._cards("token = ?", token)), None)

    async def card_of_id(self, card_id: str) -> CardEntry | None:
        return next(iter(await self._cards("card_id = ?", card_id)), None)

    async def cards_ending(self, last_four: str, count: int) -> list[CardEntry]:
        return await self._cards("last_four = ? LIMIT ?", last_four, count)

    async def due(self, after: Due, until_ms: int, count: int) -> list[Due]:
        rows = await self._read(_DUE, (after.expires_ms, after.account_id, until_ms, count))
        return [Due(*row) for row in rows]  # type: ignore[arg-type]

    # ---- writing

    async def save(self, blobs: list[Blob]) -> None:
        await trio.to_thread.run_sync(self._save, blobs, limiter=self._limiter)

    def _save(self, blobs: list[Blob]) -> None:
        rows = [(blob.aggregate_id, blob.version, blob.data) for blob in blobs]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(_SAVE, rows)
            if self._indexed:
                self._index(blobs)
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _index(self, blobs: list[Blob]) -> None:
        cards = [
            (entry.token, entry.card_id, entry.account_id, entry.last_four)
            for blob in blobs
            for entry in blob.cards
        ]
        if cards:
            self._connection.executemany("INSERT OR IGNORE INTO cards VALUES (?, ?, ?, ?)", cards)
        expiries = [(blob.expires_ms, blob.aggregate_id) for blob in blobs if blob.expires_ms]
        if expiries:
            self._connection.executemany("INSERT OR IGNORE INTO hold_expiries VALUES (?, ?)", expiries)

    async def move_checkpoint(self, seq: int, expired_ms: int = 0) -> None:
        await trio.to_thread.run_sync(self._move, seq, expired_ms, limiter=self._limiter)

    def _move(self, seq: int, expired_ms: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            moved = self._connection.execute(_MOVE, (seq,)).rowcount
            if moved and expired_ms:
                past_ms = expired_ms - expired_ms % HOUR_MS
                self._connection.execute("DELETE FROM hold_expiries WHERE expires_ms < ?", (past_ms,))
                self._connection.execute(
                    "UPDATE indexes SET expired_ms = ? WHERE expired_ms < ?", (expired_ms, expired_ms)
                )
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # ---- the indexes as a whole

    async def indexes_are_whole(self) -> bool:
        """Whether every card and every open hold of a saved account is found by the indexes."""
        rows = await self._read("SELECT whole FROM indexes", ())
        return rows == [(1,)]

    async def make_indexes(self, described: Callable[[Blob], Blob]) -> None:
        """Make them anew of every blob there is, and call them whole. `described` fills in what a blob says to them.

        Takes some ten seconds for a million accounts. Raises what `described` raises.
        """
        await trio.to_thread.run_sync(self._make_indexes, described, limiter=self._limiter)

    def _make_indexes(self, described: Callable[[Blob], Blob]) -> None:
        write = self._connection
        write.executescript(
            "BEGIN IMMEDIATE; DELETE FROM cards; DELETE FROM hold_expiries;"
            "UPDATE indexes SET whole = 0, expired_ms = 0; COMMIT;"
        )
        last: str | None = None
        while rows := write.execute(_PAGE, (last, last, INDEX_PAGE)).fetchall():
            last = rows[-1][0]
            write.execute("BEGIN IMMEDIATE")
            try:
                self._index([described(Blob(*row)) for row in rows])
            except BaseException:
                write.execute("ROLLBACK")
                raise
            write.execute("COMMIT")
        write.execute("UPDATE indexes SET whole = 1")

    async def close(self) -> None:
        await trio.to_thread.run_sync(self._reader.close, limiter=self._read_limiter)
        await trio.to_thread.run_sync(self._connection.close, limiter=self._limiter)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)


def load_snapshots(path: Path) -> Loaded:
    """Read beside the owner, for `verify`: one consistent moment of the store. Blocking. Another format is nothing."""
    if not path.exists():
        return Loaded(0, [])
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
    )
    try:
        if _format(connection) != FORMAT:
            return Loaded(0, [])
        loaded = _load(connection)
        return Loaded(loaded.checkpoint_seq, list(loaded.blobs), loaded.aggregates)
    finally:
        connection.close()


def _format(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def _load(connection: sqlite3.Connection) -> Loaded:
    connection.execute("BEGIN")
    row = connection.execute("SELECT seq, aggregates FROM checkpoint").fetchone()
    seq, aggregates = row or (0, 0)
    return Loaded(seq, _blobs(connection), aggregates)


def _blobs(connection: sqlite3.Connection) -> Iterator[Blob]:
    """Every blob, in the transaction that the checkpoint was read in."""
    try:
        for values in connection.execute("SELECT id, version, data FROM aggregates"):
            yield Blob(*values)
    finally:
        connection.execute("COMMIT")
