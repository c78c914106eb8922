"""What every journal promises, held against each of them: memory, SQLite, and a real Cassandra."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from authoriser.journal import Fenced, Journal, JournalLocked
from authoriser.journal.group_commit import append_until_known
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.journal.sqlite import SqliteJournal, read_batches

OpenJournal = Callable[[], Awaitable[Journal]]

# The first test to need it starts the server, and the first run ever fetches it.
REAL = (pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900))


@pytest.fixture(params=["memory", "sqlite", pytest.param("cassandra", marks=REAL)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where the log is: a MemoryLog, a folder, or a shard of a real Cassandra."""
    if request.param == "cassandra":
        return request.getfixturevalue("cassandra_config"), request.getfixturevalue("a_shard")
    return MemoryLog() if request.param == "memory" else tmp_path


@pytest.fixture
async def reopen(place: Any) -> AsyncIterator[OpenJournal]:
    """Opens the same log again, as a process that starts again would. Close one before opening the next."""
    if isinstance(place, MemoryLog | Path):

        async def opened() -> Journal:
            return MemoryJournal(place) if isinstance(place, MemoryLog) else SqliteJournal(place)

        yield opened
        return
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    config, shard = place
    async with await Session.open(config) as session:
        yield partial(CassandraJournal.open, session, shard=shard)


async def test_an_appended_batch_is_read_back(reopen: OpenJournal) -> None:
    """What append returned for is there, in its slot, for the next process."""
    journal = await reopen()
    await append_until_known(journal, 1, b"one")
    await append_until_known(journal, 2, b"two")
    await journal.close()
    again = await reopen()
    assert await again.read(1, 10) == [(1, b"one"), (2, b"two")]
    await again.close()


async def test_reading_begins_and_ends_where_asked(reopen: OpenJournal) -> None:
    """`read` gives `count` batches from a slot on, and nothing past the end."""
    journal = await reopen()
    for seq in range(1, 6):
        await append_until_known(journal, seq, b"%d" % seq)
    assert await journal.read(2, 2) == [(2, b"2"), (3, b"3")]
    assert await journal.read(5, 10) == [(5, b"5")]
    assert await journal.read(6, 10) == []
    assert await journal.read(0, 1) == [(1, b"1")]
    await journal.close()


async def test_a_log_longer_than_a_page_is_read_whole(reopen: OpenJournal) -> None:
    """However many batches a journal fetches at a time, the reader does not see it."""
    journal = await reopen()
    batches = [(seq, b"%d" % seq) for seq in range(1, 41)]
    for seq, blob in batches:
        await append_until_known(journal, seq, blob)
    assert await journal.read(1, 1_000) == batches
    assert await journal.read(1, 32) == batches[:32]
    await journal.close()


async def test_the_same_bytes_again_are_success(reopen: OpenJournal) -> None:
    """After an unknown outcome the same bytes go to the same slot; finding them there is success."""
    journal = await reopen()
    await append_until_known(journal, 1, b"one")
    await append_until_known(journal, 1, b"one")
    assert await journal.read(1, 10) == [(1, b"one")]
    await journal.close()


async def test_another_batch_in_the_slot_fences(reopen: OpenJournal) -> None:
    """A slot that holds someone else's batch means that the shard is lost, and nothing is overwritten."""
    journal = await reopen()
    await append_until_known(journal, 1, b"theirs")
    with pytest.raises(Fenced):
        await append_until_known(journal, 1, b"ours")
    assert await journal.read(1, 10) == [(1, b"theirs")]
    await journal.close()


async def test_a_gap_is_refused(reopen: OpenJournal) -> None:
    """Slots are consecutive: a batch that would leave a gap is not written, by a process that just began either."""
    journal = await reopen()
    with pytest.raises(Fenced):
        await append_until_known(journal, 2, b"two")
    await append_until_known(journal, 1, b"one")
    with pytest.raises(Fenced):
        await append_until_known(journal, 3, b"three")
    await journal.close()
    again = await reopen()
    with pytest.raises(Fenced):
        await append_until_known(again, 3, b"three")
    await append_until_known(again, 2, b"two")
    assert await again.read(1, 10) == [(1, b"one"), (2, b"two")]
    await again.close()


async def test_of_two_writers_one_wins_each_slot(reopen: OpenJournal) -> None:
    """Two writers that want every slot at the same time: each slot goes to one, and the other is told.

    Where only one process can hold the log, the second is told on opening.
    """
    first = await reopen()
    try:
        second = await reopen()
    except JournalLocked:
        await append_until_known(first, 1, b"first")
        await first.close()
        return
    outcomes: dict[tuple[int, bytes], bool] = {}

    async def contend(journal: Journal, seq: int, name: bytes) -> None:
        try:
            await append_until_known(journal, seq, name)
        except Fenced:
            outcomes[seq, name] = False
        else:
            outcomes[seq, name] = True

    for seq in range(1, 11):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(contend, first, seq, b"first")
            nursery.start_soon(contend, second, seq, b"second")
    log = await first.read(1, 100)
    assert [seq for seq, _blob in log] == list(range(1, 11))
    won = dict.fromkeys(log, True)
    lost = {(seq, b"second" if blob == b"first" else b"first"): False for seq, blob in log}
    assert outcomes == won | lost
    await first.close()
    await second.close()


async def test_a_large_batch_is_read_back_whole(reopen: OpenJournal, tmp_path: Path) -> None:
    """A megabyte in one batch is one batch, also for a reader beside the writer."""
    journal = await reopen()
    blob = bytes(range(256)) * 4_096
    await append_until_known(journal, 1, blob)
    assert await journal.read(1, 1) == [(1, blob)]
    if isinstance(journal, SqliteJournal):
        assert read_batches(tmp_path / "journal.db", 1, 1) == [(1, blob)]
    await journal.close()
