"""Journals to relay: batches of real records, written as the server writes them, at whatever pace a test wants."""

import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from authoriser.events import event_of, read_events
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.journal.sqlite import JOURNAL_FILE
from authoriser.ledger import records as r
from authoriser.opening import embedded_journal
from authoriser.places import SHARD, shard_directory
from rules import Reason

AT_MS = 1_800_000_000_000
SCHEMA = "CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, blob BLOB NOT NULL)"


def decided(number: int, at_ms: int = AT_MS, account: str = "alice") -> r.Decided:
    """An approval; `number` stands in its amount, so that each is another."""
    said = r.Particulars(
        "visa", "default", "0100", "0115080000", f"{number % 1_000_000:06}", f"{number:012}", "1234", "000000",
        number, "978", merchant="Grocer", city="Brussels",
    )  # fmt: skip
    hold = r.HoldPlaced(number, number, at_ms + 604_800_000)
    return r.Decided(
        at_ms, account, f"card_{account}", "0002", f"key {number}", said, Reason.APPROVED, "00", f"{number % 10**6:06}",
        hold, at_ms, approved_minor=number,
    )  # fmt: skip


def made_batches(counts: tuple[int, ...], shard: int = SHARD) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Blobs of batches with so many records each, from slot 1 on, and their events."""
    blobs: list[bytes] = []
    events: list[dict[str, Any]] = []
    digest, number = GENESIS, 1
    for seq, count in enumerate(counts, 1):
        records: list[r.Record] = [decided(number + i, AT_MS + number + i) for i in range(count)]
        blob, digest = encode_batch(Batch(VERSION, shard, seq, 1, "nonce", number, AT_MS, digest, records))
        blobs.append(blob)
        events += [
            as_json(event_of(made, number=number + i, seq=seq, shard=shard)) for i, made in enumerate(records)
        ]
        number += count
    return blobs, events


class JournalWriter:
    """Appends batches to a SQLite journal, as long as a test likes; readers elsewhere see each when it is whole."""

    def __init__(self, data_dir: Path, seed: int = 1) -> None:
        directory = shard_directory(data_dir, SHARD)
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / JOURNAL_FILE
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(SCHEMA)
        self._random = random.Random(seed)
        self._nonce = f"nonce {seed}"
        self.seq, self.record, self._hash = 0, 0, GENESIS

    def append(self, count: int | None = None) -> list[dict[str, Any]]:
        """One batch of `count` records (some, or none, where it is None); their events."""
        count = self._random.choice((0, 1, 1, 2, 5, 40)) if count is None else count
        self.seq += 1
        first = self.record + 1
        accounts = ("alice", "bob", "")
        records: list[r.Record] = [
            decided(number, AT_MS + number, accounts[number % 3]) for number in range(first, first + count)
        ]
        blob, self._hash = encode_batch(
            Batch(VERSION, SHARD, self.seq, 1, self._nonce, first, AT_MS + self.record, self._hash, records)
        )
        self._connection.execute("INSERT INTO journal (seq, blob) VALUES (?, ?)", (self.seq, blob))
        self.record += count
        return [
            as_json(event_of(record, number=first + i, seq=self.seq, shard=SHARD))
            for i, record in enumerate(records)
        ]

    def execute(self, statement: str) -> None:
        """Damage it."""
        self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()


def as_json(event: dict[str, Any]) -> dict[str, Any]:
    """As a reader of JSON has it: lists for tuples."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return plain


def events_of(data_dir: Path) -> list[dict[str, Any]]:
    """What `authoriser events` says of the whole journal."""
    return [as_json(event) for event in read_events(embedded_journal(data_dir))]
