"""Reading the journal for a few records: what is looked for is found, whatever is around it."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoriser.explaining.reading import JournalReader, needle
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.ledger import records as r
from authoriser.opening import NoJournalError, embedded_journal
from tests.authoriser.explaining.bench import Bench, request


def ignore(_seq: int) -> None:
    pass


@given(hold_id=st.integers(1, 2**40), at_ms=st.integers(0, 2**45), account=st.text(min_size=1, max_size=40))
def test_a_needle_stands_in_every_batch_that_holds_its_value(hold_id: int, at_ms: int, account: str) -> None:
    """Numbers of any size and texts of any kind: the search by bytes misses no record."""
    expired = r.HoldExpired(at_ms, account, "card-0", hold_id, 5, (r.Moved(hold_id, held_minor=-5),))
    blob, _hash = encode_batch(Batch(VERSION, 0, 1, 1, "nonce", 1, at_ms, GENESIS, [expired]))
    assert all(needle(value) in blob for value in (hold_id, at_ms, account))


def test_all_records_come_in_order_and_watched(tmp_path: Path) -> None:
    """Without needles: every record, numbered from 1, and the reading tells how far it has come."""
    bench = Bench().with_card()
    bench.do(request())
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))
    seen: list[int] = []
    reads = list(journal.read(seen.append))
    written = [record for records in bench.batches for record in records]
    assert [read.record for read in reads] == written
    assert [read.number for read in reads] == list(range(1, len(written) + 1))
    assert seen == [journal.last_seq]


def test_a_span_of_batches(tmp_path: Path) -> None:
    """`from_seq` and `to_seq` are both read; an end beyond the journal's is its end."""
    journal = JournalReader(embedded_journal(Bench().with_card().save(tmp_path)))
    assert [read.seq for read in journal.read(ignore, from_seq=2, to_seq=3)] == [2, 3]
    assert [read.seq for read in journal.read(ignore, from_seq=4, to_seq=99)] == [4]


def test_the_batch_of_a_record(tmp_path: Path) -> None:
    """By bisection: the batch that holds a record, and the last one for a record that is yet to come."""
    bench = Bench().with_card()
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))
    assert [journal.seq_of(number) for number in (1, 3, 99)] == [1, 3, 4]


def test_no_journal(tmp_path: Path) -> None:
    """The error says where it was looked for."""
    with pytest.raises(NoJournalError) as error:
        JournalReader(embedded_journal(tmp_path))
    assert str(error.value) == f"there is no journal in {tmp_path} (looked for {tmp_path}/shard-0/journal.db)"


def test_a_damaged_batch(tmp_path: Path) -> None:
    """A flipped byte is an error that names the batch, not a story with a hole."""
    bench = Bench().with_card()
    path = bench.save(tmp_path) / "shard-0" / "journal.db"
    with sqlite3.connect(path) as connection:
        blob = connection.execute("SELECT blob FROM journal WHERE seq = 2").fetchone()[0]
        connection.execute("UPDATE journal SET blob = ? WHERE seq = 2", (b"\x00" + blob[1:],))
    connection.close()
    with pytest.raises(NoJournalError) as error:
        list(JournalReader(embedded_journal(tmp_path)).read(ignore))
    assert str(error.value) == f"{path} can't be read: batch 2: its hash does not match its bytes"
