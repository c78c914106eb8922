"""What every journal promises, held against each of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from authoriser.journal import Fenced, Journal
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.journal.sqlite import SqliteJournal, read_batches

MakeJournal = Callable[[], Journal]


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> MakeJournal:
    """Opens the same log again, as a process that starts again would. Close one before opening the next."""
    log = MemoryLog()
    return (lambda: MemoryJournal(log)) if request.param == "memory" else (lambda: SqliteJournal(tmp_path))


async def test_an_appended_batch_is_read_back(reopen: MakeJournal) -> None:
    """What append returned for is there, in its slot, for the next process."""
    journal = reopen()
    await journal.append(1, b"one")
    await journal.append(2, b"two")
    await journal.close()
    again = reopen()
    assert await again.read(1, 10) == [(1, b"one"), (2, b"two")]
    await again.close()


async def test_reading_begins_and_ends_where_asked(reopen: MakeJournal) -> None:
    """`read` gives `count` batches from a slot on, and nothing past the end."""
    journal = reopen()
    for seq in range(1, 6):
        await journal.append(seq, b"%d" % seq)
    assert await journal.read(2, 2) == [(2, b"2"), (3, b"3")]
    assert await journal.read(5, 10) == [(5, b"5")]
    assert await journal.read(6, 10) == []
    await journal.close()


async def test_the_same_bytes_again_are_success(reopen: MakeJournal) -> None:
    """After an unknown outcome the same bytes go to the same slot; finding them there is success."""
    journal = reopen()
    await journal.append(1, b"one")
    await journal.append(1, b"one")
    assert await journal.read(1, 10) == [(1, b"one")]
    await journal.close()


async def test_another_batch_in_the_slot_fences(reopen: MakeJournal) -> None:
    """A slot that holds someone else's batch means that the shard is lost, and nothing is overwritten."""
    journal = reopen()
    await journal.append(1, b"theirs")
    with pytest.raises(Fenced):
        await journal.append(1, b"ours")
    assert await journal.read(1, 10) == [(1, b"theirs")]
    await journal.close()


async def test_a_gap_is_refused(reopen: MakeJournal) -> None:
    """Slots are consecutive: a batch that would leave a gap is not written."""
    journal = reopen()
    await journal.append(1, b"one")
    with pytest.raises(Fenced):
        await journal.append(3, b"three")
    assert await journal.read(1, 10) == [(1, b"one")]
    await journal.close()


async def test_of_two_writers_one_wins_each_slot() -> None:
    """Two processes on one log: the slower finds the slot taken and is fenced, whatever it wanted to write."""
    log = MemoryLog()
    first, second = MemoryJournal(log), MemoryJournal(log)
    await first.append(1, b"first")
    with pytest.raises(Fenced):
        await second.append(1, b"second")
    assert log.batches == [b"first"]


async def test_a_large_batch_is_read_back_whole(reopen: MakeJournal, tmp_path: Path) -> None:
    """A megabyte in one batch is one batch, also for a reader beside the writer."""
    journal = reopen()
    blob = bytes(range(256)) * 4_096
    await journal.append(1, blob)
    assert await journal.read(1, 1) == [(1, blob)]
    if isinstance(journal, SqliteJournal):
        assert read_batches(tmp_path / "journal.db", 1, 1) == [(1, blob)]
    await journal.close()
