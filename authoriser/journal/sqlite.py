"""The embedded journal: one SQLite file a shard, WAL, synchronous=FULL, one row a batch.

Owns the file and the directory's lock. Every commit is an fsync of the WAL. Checkpoints (WAL into the file) run on
a connection of their own, off the commit path. Any error but a full disk is final for the process: after a failed
fsync nobody knows what the disk has.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import trio

from authoriser.journal.contract import Fenced, JournalLocked, Unknown
from authoriser.limits import FULL_DISK_RETRY_S

JOURNAL_FILE = "journal.db"
LOCK_FILE = "lock"
CHECKPOINT_PAGES = 4_000
"""WAL pages (4 KiB each) after which a background checkpoint is due: 16 MB, a fraction of a second to copy."""

BUSY_TIMEOUT_MS = 250
"""How long a commit waits inside SQLite for another program's lock, before it is tried again from outside."""
PASSING = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY})
"""The disk is full, or another program holds the file's lock: nothing was written, and the same batch goes again."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, blob BLOB NOT NULL)"


class SqliteJournal:
    """The writer's handle. Only one process can hold it: the directory is locked for as long as it is open."""

    def __init__(self, directory: Path, *, on_full: Callable[[bool], None] = lambda _full: None) -> None:
        """Open for writing. Blocking; a truncating checkpoint must succeed before this returns.

        `on_full` is told True when the disk is full and False when it no longer is. Raises JournalLocked where
        another process has it, Unknown(retry=False) where the file can't be trusted.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / JOURNAL_FILE
        self._on_full = on_full
        self._lock = lock_directory(directory)
        self._lost = False
        self._since_checkpoint = 0
        try:
            self._connection = _connect(self.path)
            self._connection.execute(_SCHEMA)
            # Open from the start: when descriptors run out, it must not be the checkpoint that finds none.
            self._beside = _connect(self.path)
            self._limiter = trio.CapacityLimiter(1)
            self._checkpoints = trio.CapacityLimiter(1)
            busy, _pages, _moved = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise Unknown(f"{self.path}: the write-ahead log could not be checkpointed", retry=False)
            _sync_directory(directory)
            row = self._connection.execute("SELECT max(seq) FROM journal").fetchone()
        except sqlite3.Error as error:
            os.close(self._lock)
            raise Unknown(f"{self.path}: {error}", retry=False) from error
        except Unknown:
            os.close(self._lock)
            raise
        self._last = row[0] or 0

    async def append(self, seq: int, blob: bytes) -> None:
        """As the contract says. A full disk is waited out with the same batch; anything else is final."""
        if self._lost:
            raise Unknown(f"{self.path}: an append failed before", retry=False)
        full = False
        while not await trio.to_thread.run_sync(self._insert, seq, blob, limiter=self._limiter):
            if not full:
                full = True
                self._on_full(True)
            await trio.sleep(FULL_DISK_RETRY_S)
        if full:
            self._on_full(False)
        self._since_checkpoint += len(blob) // 4_096 + 2

    def _insert(self, seq: int, blob: bytes) -> bool:
        """False where nothing was written and it can be tried again. Runs in a worker thread."""
        if seq <= self._last:
            return self._found(seq, blob)
        if seq != self._last + 1:
            raise Fenced(f"slot {seq} would leave a gap after {self._last}")
        try:
            self._connection.execute("INSERT INTO journal (seq, blob) VALUES (?, ?)", (seq, blob))
        except sqlite3.IntegrityError:
            return self._found(seq, blob)
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in PASSING:
                return False
            self._lost = True
            raise Unknown(f"{self.path}: {error} ({error.sqlite_errorname})", retry=False) from error
        self._last = seq
        return True

    def _found(self, seq: int, blob: bytes) -> bool:
        row = self._connection.execute("SELECT blob FROM journal WHERE seq = ?", (seq,)).fetchone()
        if row is None or row[0] != blob:
            raise Fenced(f"slot {seq} holds another batch")
        return True

    async def checkpoint_if_due(self) -> bool:
        """Move the log into the file if it has grown, off the commit path; then let the log begin again.

        For a task beside the commits. What passes (a full disk, a lock) is left due. Raises Unknown(retry=False) for
        any other error: the commits would meet it next.
        """
        if self._since_checkpoint < CHECKPOINT_PAGES:
            await trio.lowlevel.checkpoint()
            return False
        if not await trio.to_thread.run_sync(self._move, self._beside, limiter=self._checkpoints):
            return False
        # The writer never pauses, so moving alone never lets the log begin again: it grew by 50 MB/s. What is left to
        # move is a few batches, and commits wait for those alone: nobody is waited for on their connection.
        done = await trio.to_thread.run_sync(self._begin_again, limiter=self._limiter)
        if done:
            self._since_checkpoint = 0
        return done

    def _move(self, connection: sqlite3.Connection, mode: str = "PASSIVE") -> bool:
        """Whether the whole log is in the file. A reader that still needs a part of it makes that False."""
        try:
            busy, pages, moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in PASSING:
                return False
            self._lost = True
            raise Unknown(f"{self.path}: {error} ({error.sqlite_errorname})", retry=False) from error
        return not busy and moved == pages

    def _begin_again(self) -> bool:
        """Restart the log, unless a reader is in it: commits are not kept waiting, and it is tried again later."""
        connection = self._connection
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            return self._move(connection, "RESTART")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    async def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        return await trio.to_thread.run_sync(read_batches, self.path, from_seq, count)

    async def close(self) -> None:
        """Give up the lock. Whatever was appended is durable already."""
        await trio.to_thread.run_sync(self._close, limiter=self._limiter)

    def _close(self) -> None:
        self._beside.close()
        self._connection.close()
        os.close(self._lock)


def read_batches(path: Path, from_seq: int, count: int) -> list[tuple[int, bytes]]:
    """Read beside the writer, in one short transaction of a connection of its own. Blocking."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
    )
    try:
        query = "SELECT seq, blob FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?"
        return connection.execute(query, (from_seq, count)).fetchall()
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
    )
    path.chmod(0o600)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise Unknown(f"{path}: this file system can't keep a write-ahead log ({mode})", retry=False)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def lock_directory(directory: Path) -> int:
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            raise JournalLocked(f"another process is serving from {directory}") from None
        raise
    return descriptor


def _sync_directory(directory: Path) -> None:
    """Make the names of new files and folders durable: what no directory lists is lost with the power."""
    for place in (directory, *list(directory.absolute().parents)[:2]):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
