"""A journal for reading alone: its slots, beside whoever writes them. One seam for what reads, wherever the log is.

Owns what a reader may ask, the embedded journal's side of it, and the ways through a log: page by page, and by
bisection. Starts no epoch and writes nothing. The side of Cassandra is `cassandra_slots`.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from authoriser.journal.batch import BatchError
from authoriser.journal.contract import Unknown
from authoriser.journal.sqlite import JOURNAL_FILE
from authoriser.limits import EVENTS_PAGE

BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Everything else may pass: a file that is not there yet, a lock."""

Batches = list[tuple[int, bytes]]
"""Slots with what stands in them, in order."""


class Slots(Protocol):
    """One shard's slots. Each call blocks, and one is made at a time."""

    @property
    def name(self) -> str:
        """Where they are, for words."""
        ...

    def read(self, from_seq: int, count: int) -> Batches:
        """As `Journal.read`; raises Unknown likewise, without `retry` for a log that is damaged."""
        ...

    def end(self) -> int:
        """The last slot that is taken for good, 0 where there is none. Raises Unknown likewise."""
        ...

    def close(self) -> None:
        """What is asked afterwards opens it again."""
        ...


class SqliteSlots:
    """The embedded journal's file, opened read only when it is first asked; each read is a short transaction."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL_FILE
        self._connection: sqlite3.Connection | None = None

    @property
    def name(self) -> str:
        return str(self._path)

    def read(self, from_seq: int, count: int) -> Batches:
        query = "SELECT seq, blob FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?"
        try:
            return self._connected().execute(query, (from_seq, count)).fetchall()
        except sqlite3.Error as error:
            raise self._said(error) from None

    def end(self) -> int:
        try:
            row = self._connected().execute("SELECT max(seq) FROM journal").fetchone()
        except sqlite3.Error as error:
            raise self._said(error) from None
        return int(row[0] or 0)

    def _said(self, error: sqlite3.Error) -> Unknown:
        self.close()
        if not self._path.exists():
            return Unknown(f"there is no journal {self._path}", retry=True)
        broken = getattr(error, "sqlite_errorcode", 0) & 0xFF in BROKEN
        return Unknown(f"{self._path} can't be read: {error}", retry=not broken)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            # Each call runs in whichever thread is free, and never two at once.
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                timeout=5.0,
                check_same_thread=False,
            )
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def pages(slots: Slots, from_seq: int, to_seq: int) -> Iterator[Batches]:
    """Every batch of these slots, both ends included, some at a time: no log is held in memory whole.

    Raises BatchError where one is missing, and Unknown.
    """
    seq = from_seq
    while seq <= to_seq:
        page = slots.read(seq, min(EVENTS_PAGE, to_seq + 1 - seq))
        if not page:
            raise BatchError(f"batch {seq} is missing")
        yield _whole(page, seq)
        seq += len(page)


def new_pages(slots: Slots, from_seq: int, every_s: float) -> Iterator[Batches]:
    """What comes from a slot on, looked for so often, for ever. Raises as `pages` does."""
    seq = from_seq
    while True:
        page = slots.read(seq, EVENTS_PAGE)
        if page:
            yield _whole(page, seq)
            seq += len(page)
        else:
            time.sleep(every_s)


def _whole(page: Batches, from_seq: int) -> Batches:
    for seq, (found, _blob) in enumerate(page, from_seq):
        if found != seq:
            raise BatchError(f"batch {seq} is missing, and batch {found} is there")
    return page


def find_slot(slots: Slots, end: int, at_or_before: Callable[[bytes, int], bool]) -> int:
    """The last slot up to `end` whose batch satisfies `at_or_before`, by bisection; 1 where none does.

    Raises as `pages` does.
    """
    low, high = 1, max(end, 1)
    while low < high:
        middle = (low + high + 1) // 2
        ((_seq, blob),) = next(pages(slots, middle, middle))
        if at_or_before(blob, middle):
            low = middle
        else:
            high = middle - 1
    return low
