"""Snapshots in a SQLite file of their own, off the commit path.

synchronous=NORMAL is enough: commits reach the disk in order, the checkpoint after the blobs it speaks of. What a
power loss takes back here, the journal replays. So does what another version of the program wrote: a file of another
format is begun again.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import trio

from authoriser.snapshots.contract import Blob, Loaded

SNAPSHOTS_FILE = "snapshots.db"

FORMAT = 3
"""Of the blobs, as `PRAGMA user_version`: the shape of `ledger.state` when they were written. It grows with every
change of it. 2 did not know which message brought a payment's parts, nor how each counted; 1 and 0 had holds where
there are payments now."""

_SCHEMA = f"""
CREATE TABLE aggregates (id TEXT PRIMARY KEY, version INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE checkpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, aggregates INTEGER NOT NULL
);
PRAGMA user_version = {FORMAT};
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


class SqliteSnapshots:
    """The owner's handle. Blocking work runs in a worker thread, one call at a time."""

    def __init__(self, directory: Path, on_other_format: Callable[[int], None] = lambda _found: None) -> None:
        """`on_other_format` is told the format of a file whose content was dropped."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / SNAPSHOTS_FILE
        self._connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=5.0
        )
        self.path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._set_up(on_other_format)
        self._limiter = trio.CapacityLimiter(1)

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

    async def save(self, blobs: list[Blob]) -> None:
        await trio.to_thread.run_sync(self._save, blobs, limiter=self._limiter)

    def _save(self, blobs: list[Blob]) -> None:
        rows = [(blob.aggregate_id, blob.version, blob.data) for blob in blobs]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(_SAVE, rows)
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    async def move_checkpoint(self, seq: int) -> None:
        await trio.to_thread.run_sync(self._connection.execute, _MOVE, (seq,), limiter=self._limiter)

    async def close(self) -> None:
        await trio.to_thread.run_sync(self._connection.close, limiter=self._limiter)


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
