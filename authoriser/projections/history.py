"""An account's history, newest first: a projection of the journal, kept in an SQLite file of its own.

Owns `history.db` in the shard's directory. The journal, wherever it is, is only read. Whoever asks brings the file up
to date first. The number of the last record in it stands in the same transaction as the record's lines, so that neither
a crash nor two programs at once lose or double one. A projection that does not fit the journal (it is ahead, or of
another one) is made anew. It never tells of anything that is not durable.
"""

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from authoriser.admin.clearing_protocol import HistoryEntry
from authoriser.journal.batch import GENESIS, HASH_BYTES, BatchError, decode_batch
from authoriser.journal.contract import Unknown
from authoriser.journal.slots import Slots, SqliteSlots
from authoriser.ledger.records import AccountOpened, Cleared, Decided, Record, Reversed
from authoriser.limits import EVENTS_PAGE
from authoriser.places import SHARD
from authoriser.projections.account_lines import Line, lines_of
from authoriser.texts import currency_letters, iso_time

HISTORY_FILE = "history.db"
LAYOUT = 1
"""Of the tables, and of what lines say: a projection of another is made anew."""
BUSY_TIMEOUT_S = 30.0
"""How long to wait for another program that brings it up to date."""
BUSY_POLL_S = 0.01
"""Between two tries to change a new file to WAL."""
QUIET_BATCHES = 10
"""Added between two rests in the server's own process, which shares an interpreter with the payments."""

_TABLES = """
CREATE TABLE mark (record_no INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE accounts (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, currency TEXT NOT NULL,
    balance_minor INTEGER NOT NULL, held_minor INTEGER NOT NULL
);
CREATE TABLE lines (
    account INTEGER NOT NULL, record INTEGER NOT NULL, place INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL, status TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    balance_minor INTEGER NOT NULL, held_minor INTEGER NOT NULL, posted INTEGER NOT NULL,
    merchant TEXT NOT NULL, city TEXT NOT NULL, reason TEXT NOT NULL, card_id TEXT NOT NULL, last_four TEXT NOT NULL,
    payment INTEGER NOT NULL, approval_code TEXT NOT NULL, rrn TEXT NOT NULL,
    PRIMARY KEY (account, record, place)
) WITHOUT ROWID
"""
_INSERT = "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PAGE = (
    "SELECT record, place, at_ms, kind, status, amount_minor, balance_minor, held_minor, posted, merchant, city,"
    " reason, card_id, last_four, payment, approval_code, rrn FROM lines"
    " WHERE account = ? AND (record, place) < (?, ?) ORDER BY record DESC, place DESC LIMIT ?"
)
_BEGAN = "SELECT merchant, city, card_id, last_four, rrn FROM lines WHERE account = ? AND record = ? LIMIT 1"
_SAYING = (Decided, Reversed, Cleared)
"""Records that say where it was."""
_NEWER_THAN_ALL = (1 << 62, 0)
_TOKEN = re.compile(r"[0-9]{1,15}-[0-9]{1,4}\Z")


class HistoryError(Exception):
    """There is no history to tell; the text says which file is missing or wrong."""


class Page(NamedTuple):
    """Newest first. `before` is the token for what is older, None where nothing is."""

    entries: tuple[HistoryEntry, ...]
    before: str | None


class History:
    """The projection in one shard's directory, of `journal`, or of the journal there. Blocking; one call at a time."""

    def __init__(self, directory: Path, journal: Slots | None = None) -> None:
        self._journal = journal if journal is not None else SqliteSlots(directory)
        self.path = directory / HISTORY_FILE

    def page(
        self, account: str, limit: int, before: str | None = None, *, quiet: bool = False
    ) -> Page | None:
        """Bring it up to date, then the account's entries older than the token `before`; None for no such account.

        With `quiet`, catching up leaves half of the time to other threads. Raises HistoryError.
        """
        with self._opened() as connection:
            self._catch_up(connection, quiet=quiet)
            return _page(connection, account, limit, before)

    def catch_up(self) -> int:
        """Bring it up to date; how many records were added. Raises HistoryError."""
        with self._opened() as connection:
            return self._catch_up(connection, quiet=False)

    # ---- the file

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._read(1, 1)  # where there is no journal, no projection is made
        try:
            with contextlib.closing(self._connect()) as connection:
                yield connection
        except (OSError, sqlite3.Error) as error:
            text = f"{self.path} can't be used: {error}; it may be deleted, and is made anew"
            raise HistoryError(text) from None
        except BatchError as error:
            raise HistoryError(f"{self._journal.name} can't be read: {error}") from None

    def _connect(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            # No database any more; everything that was in it stands in the journal.
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            return _connect(self.path)

    # ---- catching up

    def _catch_up(self, connection: sqlite3.Connection, *, quiet: bool) -> int:
        added = 0
        while True:
            began = time.monotonic()
            step = self._step(connection, QUIET_BATCHES if quiet else EVENTS_PAGE)
            if step is None:
                return added
            added += step
            if quiet:
                time.sleep(time.monotonic() - began)

    def _step(self, connection: sqlite3.Connection, batches_max: int) -> int | None:
        """Add some batches in one transaction: the number of their records, None where there is no batch left."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            mark = self._fitting_mark(connection)
            batches = self._read(mark.seq + 1, batches_max)
            added = _add(connection, mark, batches)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors have rolled it back already
                connection.execute("ROLLBACK")
            raise
        return added if batches else None

    def _read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        try:
            return self._journal.read(from_seq, count)
        except Unknown as error:
            raise HistoryError(str(error)) from None

    def _fitting_mark(self, connection: sqlite3.Connection) -> "_Mark":
        """How far it is, after it was emptied if this journal is another, or older than what was read from it."""
        mark = _Mark(*connection.execute("SELECT record_no, seq, hash FROM mark").fetchone())
        if mark == _BEGINNING:
            return mark
        last = self._read(mark.seq, 1)
        if last and last[0][0] == mark.seq and last[0][1][-HASH_BYTES:] == mark.digest:
            return mark
        connection.execute("DELETE FROM lines")
        connection.execute("DELETE FROM accounts")
        connection.execute("UPDATE mark SET record_no = ?, seq = ?, hash = ?", _BEGINNING)
        return _BEGINNING


class _Mark(NamedTuple):
    """The last record in the projection, and the batch that holds it, by its slot and its hash."""

    record_no: int
    seq: int
    digest: bytes


_BEGINNING = _Mark(0, 0, GENESIS)


class _Began(NamedTuple):
    """Where a payment began: what its later lines repeat."""

    merchant: str = ""
    city: str = ""
    card_id: str = ""
    last_four: str = ""
    rrn: str = ""


class _Running:
    """An account while records are added to it: its number in the table, its balance, what is held."""

    __slots__ = ("balance_minor", "held_minor", "number")

    def __init__(self, number: int, balance_minor: int, held_minor: int) -> None:
        self.number = number
        self.balance_minor = balance_minor
        self.held_minor = held_minor


def token_right(token: str) -> bool:
    """Whether it looks like an entry's token."""
    return _TOKEN.match(token) is not None


def _connect(path: Path) -> sqlite3.Connection:
    # Born readable by its owner alone: where people pay is nobody else's business.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        _write_ahead(connection)
        # After a power loss the last lines may be missing, and their mark with them: they are added again.
        connection.execute("PRAGMA synchronous = NORMAL")
        if _layout(connection) != LAYOUT:
            connection.execute("BEGIN IMMEDIATE")
            if _layout(connection) != LAYOUT:  # another program may just have made it
                _make_tables(connection)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """WAL, so that readers and the one who adds do not wait for each other.

    The change itself is refused at once where another program is just making it: SQLite's patience does not cover it.
    """
    until_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
            time.sleep(BUSY_POLL_S)
        else:
            return


def _layout(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(connection: sqlite3.Connection) -> None:
    for table in ("mark", "accounts", "lines"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO mark VALUES (?, ?, ?)", _BEGINNING)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _add(connection: sqlite3.Connection, mark: _Mark, batches: Sequence[tuple[int, bytes]]) -> int:
    """Project the batches that follow `mark`, and move it: how many records. BatchError where they don't follow."""
    record_no, seq, digest = mark
    adder = _Adder(connection)
    for slot, blob in batches:
        if slot != seq + 1:
            raise BatchError(f"batch {slot} comes after batch {seq}, and what is between them is missing")
        batch, digest = decode_batch(blob, seq=slot, shard=SHARD, previous_hash=digest)
        for number, record in enumerate(batch.records, record_no + 1):
            adder.add(number, record)
        record_no += len(batch.records)
        seq = slot
    if batches:
        adder.write()
        connection.execute("UPDATE mark SET record_no = ?, seq = ?, hash = ?", (record_no, seq, digest))
    return record_no - mark.record_no


class _Adder:
    """Records on their way into the tables, with what has to be known of those before."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._accounts: dict[str, _Running] = {}
        self._payments: dict[tuple[int, int], _Began] = {}
        self._rows: list[tuple[Any, ...]] = []

    def add(self, number: int, record: Record) -> None:
        if isinstance(record, AccountOpened):
            self._open(record)
            return
        account_id = getattr(record, "account_id", "")
        if not account_id:
            return
        account: _Running | None = None
        for place, line in enumerate(lines_of(record)):
            if account is None:
                account = self._account(account_id)
            account.balance_minor += line.gained_minor
            account.held_minor += line.held_minor
            self._row(number, place, record, line, account)

    def write(self) -> None:
        self._connection.executemany(_INSERT, self._rows)
        self._connection.executemany(
            "UPDATE accounts SET balance_minor = ?, held_minor = ? WHERE number = ?",
            [(a.balance_minor, a.held_minor, a.number) for a in self._accounts.values()],
        )

    def _open(self, record: AccountOpened) -> None:
        added = self._connection.execute(
            "INSERT INTO accounts (name, currency, balance_minor, held_minor) VALUES (?, ?, 0, 0)",
            (record.account_id, currency_letters(record.currency)),
        )
        self._accounts[record.account_id] = _Running(int(added.lastrowid or 0), 0, 0)

    def _account(self, name: str) -> _Running:
        account = self._accounts.get(name)
        if account is None:
            query = "SELECT number, balance_minor, held_minor FROM accounts WHERE name = ?"
            account = self._accounts[name] = _Running(*self._connection.execute(query, (name,)).fetchone())
        return account

    def _row(self, number: int, place: int, record: Record, line: Line, account: _Running) -> None:
        if isinstance(record, _SAYING):
            said = record.particulars
            began = _Began(said.merchant, said.city, record.card_id, record.last_four, said.rrn)
            if line.payment == number:
                self._payments[account.number, number] = began
            elif not said.merchant:  # many a clearing row says less than the message that it is of
                first = self._began(account.number, line.payment)
                began = began._replace(merchant=first.merchant, city=first.city, rrn=said.rrn or first.rrn)
        else:
            began = self._began(account.number, line.payment)
        self._rows.append(
            (
                account.number,
                number,
                place,
                record.at_ms,
                line.kind,
                line.status,
                line.amount_minor,
                account.balance_minor,
                account.held_minor,
                line.gained_minor != 0,
                began.merchant,
                began.city,
                line.reason,
                began.card_id,
                began.last_four,
                line.payment,
                line.approval_code,
                began.rrn,
            )
        )

    def _began(self, account: int, payment: int) -> _Began:
        if not payment:
            return _Began()
        began = self._payments.get((account, payment))
        if began is None:
            row = self._connection.execute(_BEGAN, (account, payment)).fetchone()
            began = self._payments[account, payment] = _Began(*row) if row is not None else _Began()
        return began


def _page(connection: sqlite3.Connection, name: str, limit: int, before: str | None) -> Page | None:
    found = connection.execute("SELECT number, currency FROM accounts WHERE name = ?", (name,)).fetchone()
    if found is None:
        return None
    account, currency = found
    older_than = _NEWER_THAN_ALL if before is None else tuple(map(int, before.split("-")))
    rows = connection.execute(_PAGE, (account, *older_than, limit + 1)).fetchall()
    entries = tuple(_entry(row, currency) for row in rows[:limit])
    return Page(entries, entries[-1].token if len(rows) > limit else None)


def _entry(row: Sequence[Any], currency: str) -> HistoryEntry:
    record, place, at_ms, kind, status, amount_minor, balance_minor, held_minor, posted, *more = row
    merchant, city, reason, card_id, last_four, payment, approval_code, rrn = more
    return HistoryEntry(
        token=f"{record}-{place}",
        at=iso_time(at_ms),
        record=record,
        kind=kind,
        status=status,
        amount_minor=amount_minor,
        currency=currency,
        balance_minor=balance_minor if posted else None,
        held_minor=held_minor,
        merchant=merchant,
        city=city,
        reason=reason,
        card_id=card_id,
        last_four=last_four,
        payment=str(payment) if payment else "",
        approval_code=approval_code,
        rrn=rrn,
    )
