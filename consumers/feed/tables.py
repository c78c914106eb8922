"""The feed's tables: making them, writing rows, and reading an account's pages. Every call blocks its thread.

Owns the statements. Plain writes: a row has one content, whoever writes it.
"""

import re
from collections.abc import Sequence
from datetime import UTC
from importlib.resources import files
from typing import Self

import trio
from msgspec import Struct
from msgspec.structs import astuple, replace

from authoriser.cassandra.schema_versions import create_keyspace, patient
from authoriser.cassandra.session import BlockingSession, CassandraConfig
from consumers.feed.rows import COLUMNS, Entry

PAGE_MAX = 500
AT_ONCE = 32
"""Writes under way at the same time."""
KNOWN_MONTHS_MAX = 100_000
"""Pairs of account and month that need not be written again, in memory."""
_NAMES = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO {{keyspace}}.transactions ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - names of ours
_SELECT = (
    f"SELECT {_NAMES} FROM {{keyspace}}.transactions "  # noqa: S608 - likewise
    "WHERE account = ? AND month = ? AND record < ? LIMIT ?"
)
_NEWEST = 1 << 62


class Cursor(Struct, frozen=True):
    """Where a page ended: the next one begins below."""

    month: int
    record: int


class Page(Struct, frozen=True):
    """`entries` are the latest first; `next` is None where there are no older ones."""

    entries: tuple[Entry, ...]
    next: Cursor | None


def create_tables(config: CassandraConfig, replicas: int) -> None:
    """Make the keyspace and the tables where they are missing. Raises CassandraError, SchemaError for the keyspace."""
    trio.run(create_keyspace, config, replicas)
    text = files("consumers.feed").joinpath("tables.cql").read_text(encoding="utf-8")
    session = BlockingSession(patient(config))
    try:
        for statement in re.sub(r"--[^\n]*", "", text).split(";"):
            if statement.strip():
                session.execute(statement)
    finally:
        session.close()


class Feed:
    """The tables over one session. Raises CassandraError throughout."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._insert = session.prepare(_INSERT)
        self._insert_month = session.prepare("INSERT INTO {keyspace}.months (account, month) VALUES (?, ?)")
        self._select = session.prepare(_SELECT)
        self._select_months = session.prepare(
            "SELECT month FROM {keyspace}.months WHERE account = ? AND month <= ?"
        )
        self._known: set[tuple[str, int]] = set()

    @classmethod
    def open(cls, config: CassandraConfig) -> Self:
        session = BlockingSession(config)
        try:
            return cls(session)
        except BaseException:
            session.close()
            raise

    def write(self, entries: Sequence[Entry]) -> None:
        """Written at a quorum when it returns; interrupted, some may be, and writing them again does no harm."""
        self._session.execute_all(self._insert, [astuple(entry) for entry in entries], AT_ONCE)
        months = {(entry.account, entry.month) for entry in entries} - self._known
        # After the rows: a month that is listed has some.
        self._session.execute_all(self._insert_month, sorted(months), AT_ONCE)
        if len(self._known) > KNOWN_MONTHS_MAX:
            self._known.clear()
        self._known |= months

    def page(self, account: str, limit: int = 50, before: Cursor | None = None) -> Page:
        """Up to `limit` (500 at most) entries of an account, from the latest or from where a page ended."""
        limit = min(limit, PAGE_MAX)
        start = before if before is not None else Cursor(month=999_912, record=_NEWEST)
        found: list[Entry] = []
        for row in self._session.execute(self._select_months, (account, start.month)):
            month = row["month"]
            below = start.record if month == start.month else _NEWEST
            asked = limit + 1 - len(found)
            for entry in self._session.execute(self._select, (account, month, below, asked)):
                made = Entry(**entry)
                found.append(replace(made, at=made.at.replace(tzinfo=UTC)))
            if len(found) > limit:
                last = found[limit - 1]
                return Page(tuple(found[:limit]), Cursor(last.month, last.record))
        return Page(tuple(found), None)

    def close(self) -> None:
        self._session.close()
