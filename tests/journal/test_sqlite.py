"""What is SQLite's own: the lock, the full disk, and an error after which nothing can be known."""

import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio

from authoriser.journal import JournalLocked, Unknown
from authoriser.journal.sqlite import SqliteJournal


async def test_a_second_writer_is_refused_by_the_lock(tmp_path: Path) -> None:
    """The directory is locked for as long as a writer has it open, and free again after."""
    journal = SqliteJournal(tmp_path)
    with pytest.raises(JournalLocked):
        SqliteJournal(tmp_path)
    await journal.close()
    again = SqliteJournal(tmp_path)
    await again.close()


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Tokens and amounts stand in it: no other user reads it."""
    journal = SqliteJournal(tmp_path)
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600
    await journal.close()


async def test_every_commit_is_synced(tmp_path: Path) -> None:
    """The writer's connection is in WAL mode with synchronous=FULL (2): a commit is an fsync."""
    journal = SqliteJournal(tmp_path)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await journal.close()


async def test_a_full_disk_holds_the_same_batch_and_goes_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """SQLITE_FULL is waited out: told once, tried again, and the very same batch is there in the end."""
    told: list[bool] = []
    journal = SqliteJournal(tmp_path, on_full=told.append)
    await journal.append(1, b"x" * 100)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = b"y" * 100_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.append, 2, big)
        while not told:
            await trio.sleep(0.1)
        assert (await journal.read(2, 1), told) == ([], [True])
        journal._connection.execute("PRAGMA max_page_count = 1000000")
    assert await journal.read(2, 1) == [(2, big)]
    assert told == [True, False]
    await journal.close()


async def test_an_error_that_is_not_a_full_disk_is_final(tmp_path: Path) -> None:
    """After such an error nothing is appended any more, not even a batch that would succeed."""
    journal = SqliteJournal(tmp_path)
    await journal.append(1, b"one")
    other = sqlite3.connect(tmp_path / "journal.db")
    other.execute("ALTER TABLE journal RENAME TO elsewhere")
    other.commit()
    with pytest.raises(Unknown) as first:
        await journal.append(2, b"two")
    assert first.value.retry is False
    other.execute("ALTER TABLE elsewhere RENAME TO journal")
    other.commit()
    other.close()
    with pytest.raises(Unknown):
        await journal.append(2, b"two")
    await journal.close()


def test_a_write_that_the_disk_refuses_is_unknown_and_final(tmp_path: Path) -> None:
    """A real I/O error from the system (a file that may not grow) becomes Unknown(retry=False)."""
    script = textwrap.dedent("""
        import resource, sys, trio
        from pathlib import Path
        from authoriser.journal import Unknown
        from authoriser.journal.sqlite import SqliteJournal

        async def main():
            journal = SqliteJournal(Path(sys.argv[1]))
            await journal.append(1, b"fits")
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
            try:
                await journal.append(2, b"x" * 1_000_000)
            except Unknown as unknown:
                print("unknown", unknown.retry)

        trio.run(main)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, os.fspath(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "unknown False\n"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


async def test_a_damaged_file_is_refused_at_start(tmp_path: Path) -> None:
    """A journal whose first page is no SQLite file is refused by name, and its lock is given back."""
    (tmp_path / "journal.db").write_bytes(b"this is not a database, however long one looks at it" * 100)
    with pytest.raises(Unknown, match=r"journal\.db"):
        SqliteJournal(tmp_path)
    (tmp_path / "journal.db").unlink()
    journal = SqliteJournal(tmp_path)
    await journal.close()


async def test_a_background_checkpoint_empties_the_log_into_the_file(tmp_path: Path) -> None:
    """When enough was appended, `checkpoint_if_due` moves it, and says whether it did."""
    journal = SqliteJournal(tmp_path)
    await journal.append(1, b"small")
    assert await journal.checkpoint_if_due() is False
    for seq in range(2, 20):
        await journal.append(seq, b"z" * 1_000_000)
    before = (tmp_path / "journal.db").stat().st_size
    assert await journal.checkpoint_if_due() is True
    assert (tmp_path / "journal.db").stat().st_size > before + 17_000_000
    await journal.close()


async def test_the_log_begins_again_while_batches_keep_coming(tmp_path: Path) -> None:
    """A writer that never pauses does not make the write-ahead log grow for ever: each checkpoint starts it over."""
    journal = SqliteJournal(tmp_path)
    sizes = []
    for round_ in range(3):
        for seq in range(20 * round_ + 1, 20 * round_ + 21):
            await journal.append(seq, b"z" * 1_000_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.checkpoint_if_due)
        sizes.append((tmp_path / "journal.db-wal").stat().st_size)
    assert sizes[2] == sizes[0]
    await journal.close()


async def test_another_programs_lock_is_waited_out(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Somebody holds the file's write lock: nothing was written, the batch goes again, and is there in the end."""
    told: list[bool] = []
    journal = SqliteJournal(tmp_path, on_full=told.append)
    journal._connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.append, 1, b"one")
        while not told:
            await trio.sleep(0.1)
        other.execute("ROLLBACK")
        other.close()
    assert (await journal.read(1, 1), told) == ([(1, b"one")], [True, False])
    await journal.close()


async def test_a_checkpoint_that_finds_the_file_locked_stays_due(tmp_path: Path) -> None:
    """The commits go on, and the next look does the checkpoint."""
    journal = SqliteJournal(tmp_path)
    for seq in range(1, 20):
        await journal.append(seq, b"z" * 1_000_000)
    journal._connection.execute("PRAGMA busy_timeout = 1")
    reader = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    reader.execute("BEGIN IMMEDIATE")
    assert await journal.checkpoint_if_due() is False
    reader.execute("ROLLBACK")
    reader.close()
    await journal.append(20, b"after")
    assert await journal.checkpoint_if_due() is True
    await journal.close()


async def test_a_reader_in_the_log_keeps_no_commit_waiting(tmp_path: Path) -> None:
    """Somebody reads for long: the checkpoint stays due, and gives up at once instead of waiting for them."""
    journal = SqliteJournal(tmp_path)
    await journal.append(1, b"one")
    reader = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM journal").fetchone() == (1,)
    for seq in range(2, 20):
        await journal.append(seq, b"z" * 1_000_000)
    journal._connection.execute(
        "PRAGMA busy_timeout = 100000"
    )  # waiting for the reader would outlast the test
    assert await journal.checkpoint_if_due() is False
    await journal.append(20, b"after")
    reader.execute("COMMIT")
    reader.close()
    assert await journal.checkpoint_if_due() is True
    await journal.close()
