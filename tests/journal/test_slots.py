"""A journal read by somebody else than its writer: the same answers from a file and from a real Cassandra."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio

from authoriser.journal import Journal, Unknown
from authoriser.journal.batch import BatchError
from authoriser.journal.slots import Slots, SqliteSlots, find_slot, new_pages, pages
from authoriser.journal.sqlite import SqliteJournal

REAL = (pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900))
BLOBS = [b"%d" % (10 * seq) for seq in range(1, 24)]
SLOTS = list(enumerate(BLOBS, 1))

Write = Callable[[Callable[[Journal], Awaitable[None]]], None]


@pytest.fixture(params=["sqlite", pytest.param("cassandra", marks=REAL)])
def both(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Slots, Write]]:
    """The slots, and how to write to them meanwhile. In Cassandra a partition is of 4, and an answer of 3 at most."""
    if request.param == "sqlite":
        SqliteJournalMade(tmp_path)
        slots: Slots = SqliteSlots(tmp_path)
        yield slots, SqliteJournalMade(tmp_path)
        slots.close()
        return
    from authoriser.journal import cassandra
    from authoriser.journal.cassandra_slots import CassandraSlots

    monkeypatch.setattr(cassandra, "SEGMENT_SLOTS", 4)
    monkeypatch.setattr(cassandra, "PAGE_SLOTS", 3)
    config, shard = request.getfixturevalue("cassandra_config"), request.getfixturevalue("a_shard")

    async def writing(work: Callable[[Journal], Awaitable[None]]) -> None:
        from authoriser.cassandra.session import Session

        async with await Session.open(config) as session:
            await work(await cassandra.CassandraJournal.open(session, shard=shard))

    slots = CassandraSlots(config, shard)
    yield slots, lambda work: trio.run(writing, work)
    slots.close()


class SqliteJournalMade:
    """Opens the file's writer for each piece of work. The file is there before anything is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        trio.run(self._writing, self._nothing)

    async def _nothing(self, _journal: Journal) -> None:
        pass

    async def _writing(self, work: Callable[[Journal], Awaitable[None]]) -> None:
        journal = SqliteJournal(self._directory)
        await work(journal)
        await journal.close()

    def __call__(self, work: Callable[[Journal], Awaitable[None]]) -> None:
        trio.run(self._writing, work)


async def append_all(journal: Journal) -> None:
    for seq, blob in SLOTS:
        await journal.append(seq, blob)


def test_a_log_without_a_batch(both: tuple[Slots, Write]) -> None:
    """It ends at 0, and nothing is read."""
    slots, _write = both
    assert (slots.end(), slots.read(1, 10), list(pages(slots, 1, 0))) == (0, [], [])


def test_slots_are_read_as_the_journal_reads_them(both: tuple[Slots, Write]) -> None:
    """From a slot on, as many as asked for; the end is the last; whatever pages and partitions there are."""
    slots, write = both
    write(append_all)
    assert slots.end() == len(SLOTS)
    assert slots.read(1, 1_000) == SLOTS
    assert slots.read(6, 5) == SLOTS[5:10]
    assert slots.read(len(SLOTS), 2) == SLOTS[-1:]
    assert slots.read(len(SLOTS) + 1, 2) == []
    assert [slot for page in pages(slots, 3, 17) for slot in page] == SLOTS[2:17]


@pytest.mark.parametrize("count", range(1, 10))
def test_the_end_is_found_wherever_it_is(both: tuple[Slots, Write], count: int) -> None:
    """In the first partition, in the last slot of one, in the first of the next."""
    slots, write = both

    async def append(journal: Journal) -> None:
        for seq, blob in SLOTS[:count]:
            await journal.append(seq, blob)

    write(append)
    assert slots.end() == count


def test_a_batch_is_found_by_bisection(both: tuple[Slots, Write]) -> None:
    """The last slot for which the question holds; 1 where it holds for none."""
    slots, write = both
    write(append_all)

    def found(limit: int) -> int:
        return find_slot(slots, len(SLOTS), lambda blob, _seq: int(blob) <= limit)

    assert [found(limit) for limit in (55, 1_000, 5, 10)] == [5, 23, 1, 1]


def test_what_comes_is_seen(both: tuple[Slots, Write]) -> None:
    """`new_pages` gives what is there, and then what is appended, each once."""
    slots, write = both
    write(append_all)
    coming = new_pages(slots, 20, 0.01)
    assert next(coming) == SLOTS[19:]

    async def append(journal: Journal) -> None:
        await journal.append(24, b"24")

    write(append)
    assert next(coming) == [(24, b"24")]


class Holed:
    """Slots of which one is gone, whoever asks."""

    name = "a log with a hole"

    def __init__(self, gone: int) -> None:
        self._there = [slot for slot in SLOTS if slot[0] != gone]

    def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        return [slot for slot in self._there if slot[0] >= from_seq][:count]

    def end(self) -> int:
        return len(SLOTS)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("gone", "words"),
    [(5, "batch 5 is missing, and batch 6 is there"), (23, "batch 23 is missing")],
)
def test_a_missing_batch_is_an_error(gone: int, words: str) -> None:
    """A reader never goes over a hole as if nothing had been there."""
    with pytest.raises(BatchError) as error:
        list(pages(Holed(gone), 1, 23))
    assert str(error.value) == words


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Damage does not pass; a file that is not there yet may come."""
    slots = SqliteSlots(tmp_path)
    with pytest.raises(Unknown, match="there is no journal") as absent:
        slots.end()
    (tmp_path / "journal.db").write_bytes(b"no database" * 100)
    with pytest.raises(Unknown, match=r"journal\.db can't be read: file is not a database") as damaged:
        slots.read(1, 1)
    assert (absent.value.retry, damaged.value.retry) == (True, False)
