"""Snapshots in a SQLite file of their own, off the commit path.

synchronous=NORMAL is enough: commits reach the disk in order, the checkpoint after the blobs it speaks of. What a
power loss takes back here, the journal replays.
"""

import sqlite3
from pathlib import Path

import trio

from authoriser.snapshots.contract import Blob, Loaded

SNAPSHOTS_FILE = "snapshots.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS aggregates (id TEXT PRIMARY KEY, version INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
"""
_SAVE = """
INSERT INTO aggregates (id, version, data) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, data = excluded.data
WHERE excluded.version >= aggregates.version
"""
_MOVE = """
INSERT INTO checkpoint (one, seq) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seq = max(seq, excluded.seq)
"""


class SqliteSnapshots:
    """The owner's handle. Blocking work runs in a worker thread, one call at a time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / SNAPSHOTS_FILE
        self._connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=5.0
        )
        self.path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._limiter = trio.CapacityLimiter(1)

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
    """Read beside the owner, for `verify`: one consistent moment of the store. Blocking."""
    if not path.exists():
        return Loaded(0, [])
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
    )
    try:
        return _load(connection)
    finally:
        connection.close()


def _load(connection: sqlite3.Connection) -> Loaded:
    connection.execute("BEGIN")
    try:
        row = connection.execute("SELECT seq FROM checkpoint").fetchone()
        found = connection.execute("SELECT id, version, data FROM aggregates ORDER BY id").fetchall()
    finally:
        connection.execute("COMMIT")
    return Loaded(row[0] if row else 0, [Blob(*values) for values in found])
