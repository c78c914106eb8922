"""What every snapshot store promises, held against each of them."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from authoriser.snapshots import Blob, CardEntry, Checkpoint, Due, Loaded, SnapshotStore
from authoriser.snapshots.contract import HOUR_MS
from authoriser.snapshots.memory import MemoryShelf, MemorySnapshots
from authoriser.snapshots.sqlite import SNAPSHOTS_FILE, SqliteSnapshots, load_snapshots

OpenStore = Callable[[], Awaitable[SnapshotStore]]

# The first test to need it starts the server, and the first run ever fetches it.
REAL = (pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900))
NOON_MS = 500_000 * HOUR_MS
FIRST = Due(0, "")


def content(loaded: Loaded) -> tuple[int, list[Blob], int]:
    return loaded.checkpoint_seq, sorted(loaded.blobs, key=lambda blob: blob.aggregate_id), loaded.aggregates


def card(number: int, account_id: str = "a", last_four: str = "1232") -> CardEntry:
    return CardEntry(b"token-%d" % number, f"card_{number}", account_id, last_four)


@pytest.fixture(params=["memory", "sqlite", pytest.param("cassandra", marks=REAL)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where the snapshots are: a shelf, a folder, or a shard of a real Cassandra."""
    if request.param == "cassandra":
        return request.getfixturevalue("cassandra_config"), request.getfixturevalue("a_shard")
    return MemoryShelf() if request.param == "memory" else tmp_path


@pytest.fixture
async def reopen(place: Any) -> AsyncIterator[OpenStore]:
    """Opens the same store again, as a process that starts again would."""
    if isinstance(place, MemoryShelf | Path):

        async def opened() -> SnapshotStore:
            if isinstance(place, MemoryShelf):
                return MemorySnapshots(place)
            return SqliteSnapshots(place, indexed=True)

        yield opened
        return
    from authoriser.cassandra.session import Session
    from authoriser.snapshots.cassandra import CassandraSnapshots

    config, shard = place
    async with await Session.open(config) as session:
        yield partial(CassandraSnapshots.open, session, shard=shard)


async def test_a_new_store_is_empty(reopen: OpenStore) -> None:
    """Nothing saved, nothing promised: everything is replayed."""
    store = await reopen()
    assert await store.checkpoint() == Checkpoint(0, 0)
    assert await store.load_one("a") is None
    assert await store.load_many(["a", "b"]) == []
    assert await store.card_of_token(b"token") is None
    assert await store.card_of_id("card_1") is None
    assert await store.cards_ending("1232", 10) == []
    assert await store.due(Due(NOON_MS, ""), NOON_MS + 2 * HOUR_MS, 10) == []
    await store.close()


async def test_the_newest_blob_is_kept(reopen: OpenStore) -> None:
    """A later version replaces an earlier one; an earlier one that comes late does not, also to the next process."""
    store = await reopen()
    await store.save([Blob("a", 3, b"a3"), Blob("b", 1, b"b1"), Blob("", 2, b"commons")])
    await store.save([Blob("a", 2, b"a2"), Blob("b", 5, b"b5")])
    await store.close()
    again = await reopen()
    assert await again.load_one("a") == Blob("a", 3, b"a3")
    assert await again.load_one("") == Blob("", 2, b"commons")
    some = await again.load_many(["b", "nobody", "a"])
    assert sorted(some, key=lambda blob: blob.aggregate_id) == [Blob("a", 3, b"a3"), Blob("b", 5, b"b5")]
    await again.close()


async def test_an_older_writer_overwrites_nothing(reopen: OpenStore) -> None:
    """Two processes with the store open: whichever sends last, the newer record's blob stands."""
    try:
        old, new = await reopen(), await reopen()
    except sqlite3.OperationalError:
        pytest.fail("two handles on one store can be open")
    await new.save([Blob("a", 9, b"a9")])
    await new.move_checkpoint(7, NOON_MS)
    await old.save([Blob("a", 4, b"a4")])
    await old.move_checkpoint(5, NOON_MS - HOUR_MS)
    assert await old.load_one("a") == Blob("a", 9, b"a9")
    assert await old.checkpoint() == Checkpoint(7, NOON_MS)
    await old.close()
    await new.close()


async def test_many_are_loaded_at_once(reopen: OpenStore) -> None:
    """More than are under way at a time: each of them once, and none that was not asked for."""
    store = await reopen()
    blobs = [Blob(f"a{number:03}", number + 1, b"%d" % number) for number in range(300)]
    await store.save(blobs)
    asked = [blob.aggregate_id for blob in blobs[:250]]
    assert sorted(await store.load_many(asked), key=lambda blob: blob.aggregate_id) == blobs[:250]
    await store.close()


async def test_the_checkpoint_never_goes_back(reopen: OpenStore) -> None:
    """An older round that ends late takes no promise back."""
    store = await reopen()
    await store.move_checkpoint(9)
    await store.move_checkpoint(4)
    assert await store.checkpoint() == Checkpoint(9, 0)
    await store.move_checkpoint(12, NOON_MS)
    await store.move_checkpoint(13)
    assert await store.checkpoint() == Checkpoint(13, NOON_MS)
    await store.close()


async def test_a_card_is_found_by_each_of_its_names(reopen: OpenStore) -> None:
    """By its token, its id and its last four digits, for the next process too. A second save changes nothing."""
    store = await reopen()
    one, two, other = card(1), card(2, "b"), card(3, "b", "9999")
    await store.save([Blob("a", 3, b"a3", (one,)), Blob("b", 4, b"b4", (two, other))])
    await store.save([Blob("a", 5, b"a5", (one,)), Blob("b", 6, b"b6")])
    await store.close()
    again = await reopen()
    assert await again.card_of_token(two.token) == two
    assert await again.card_of_token(b"nobody's") is None
    assert await again.card_of_id("card_3") == other
    assert await again.card_of_id("card_4") is None
    ending = await again.cards_ending("1232", 10)
    assert sorted(ending, key=lambda entry: entry.card_id) == [one, two]
    assert len(await again.cards_ending("1232", 1)) == 1
    assert await again.load_one("a") == Blob("a", 5, b"a5")
    await again.close()


async def test_what_is_due_comes_in_its_order(reopen: OpenStore) -> None:
    """By moment and account, over the hours, up to the moment asked for, page after page."""
    store = await reopen()
    moments = [("c", 0), ("a", 0), ("b", 1), ("a", HOUR_MS - 1), ("d", HOUR_MS), ("e", 3 * HOUR_MS)]
    saved = [
        Blob(account, number + 1, b"", expires_ms=NOON_MS + after_ms)
        for number, (account, after_ms) in enumerate(moments)
    ]
    await store.save(saved)
    expected = sorted(Due(NOON_MS + after_ms, account) for account, after_ms in moments)
    begin, end = Due(NOON_MS - 1, ""), NOON_MS + 3 * HOUR_MS
    assert await store.due(begin, end, 10) == expected
    assert await store.due(begin, end - 1, 10) == expected[:-1]
    assert await store.due(begin, end, 2) == expected[:2]
    assert await store.due(expected[1], end, 3) == expected[2:5]
    assert await store.due(expected[0], NOON_MS, 10) == expected[1:2]
    await store.close()


async def test_hours_that_are_over_are_forgotten(reopen: OpenStore) -> None:
    """With the checkpoint moves the moment up to which holds are let go; entries of its own hour stay."""
    store = await reopen()
    early, late, next_hour = NOON_MS, NOON_MS + HOUR_MS, NOON_MS + HOUR_MS + 5
    await store.move_checkpoint(1, NOON_MS - HOUR_MS)
    await store.save([Blob("a", 3, b"", expires_ms=early), Blob("b", 4, b"", expires_ms=late)])
    await store.move_checkpoint(2, next_hour)
    assert await store.due(Due(NOON_MS - 1, ""), NOON_MS + 9 * HOUR_MS, 10) == [Due(late, "b")]
    await store.save([Blob("a", 7, b"", expires_ms=NOON_MS + 2 * HOUR_MS)])
    assert await store.due(Due(late, "b"), NOON_MS + 9 * HOUR_MS, 10) == [Due(NOON_MS + 2 * HOUR_MS, "a")]
    assert await store.checkpoint() == Checkpoint(2, next_hour)
    await store.close()


# ---- stores that are read whole


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    return MemorySnapshots if request.param == "memory" else lambda: SqliteSnapshots(tmp_path)


async def test_a_whole_store_is_read_with_its_checkpoint(make_store: Callable[[], Any]) -> None:
    """Every blob in its newest version, and how many there were when the checkpoint moved."""
    store = make_store()
    assert content(await store.load()) == (0, [], 0)
    await store.save([Blob("a", 3, b"a3"), Blob("b", 1, b"b1")])
    await store.save([Blob("a", 2, b"a2"), Blob("b", 5, b"b5")])
    await store.move_checkpoint(9)
    await store.move_checkpoint(4)
    assert content(await store.load()) == (9, [Blob("a", 3, b"a3"), Blob("b", 5, b"b5")], 2)
    await store.close()


async def test_indexes_of_a_file_that_was_used_without_them_are_not_whole(tmp_path: Path) -> None:
    """A process with every account in memory keeps none; the next one that needs them is told."""
    indexed = SqliteSnapshots(tmp_path, indexed=True)
    assert not await indexed.indexes_are_whole()
    await indexed.save([Blob("a", 3, b"a3"), Blob("b", 4, b"b4")])
    await indexed.make_indexes(lambda blob: replace(blob, cards=(card(1),), expires_ms=NOON_MS))
    assert await indexed.card_of_token(card(1).token) == card(1)
    assert await indexed.due(FIRST, NOON_MS, 10) == [Due(NOON_MS, "a"), Due(NOON_MS, "b")]
    await indexed.close()
    again = SqliteSnapshots(tmp_path, indexed=True)
    assert await again.indexes_are_whole()
    await again.close()
    plain = SqliteSnapshots(tmp_path)
    await plain.save([Blob("a", 5, b"a5", (card(2),), NOON_MS + 1)])
    assert await plain.card_of_token(card(2).token) is None
    await plain.close()
    after = SqliteSnapshots(tmp_path, indexed=True)
    assert not await after.indexes_are_whole()
    await after.close()


async def test_a_reader_beside_the_owner_sees_what_was_saved(tmp_path: Path) -> None:
    """`verify` reads the file of a serving process."""
    store = SqliteSnapshots(tmp_path)
    await store.save([Blob("a", 3, b"a3")])
    await store.move_checkpoint(2)
    assert content(load_snapshots(tmp_path / SNAPSHOTS_FILE)) == (2, [Blob("a", 3, b"a3")], 1)
    assert load_snapshots(tmp_path / "nowhere.db") == Loaded(0, [])
    await store.close()


async def test_a_file_of_another_format_is_begun_again(tmp_path: Path) -> None:
    """What an older version wrote is not misread: the owner drops it and says so, a reader takes it for nothing."""
    old = sqlite3.connect(tmp_path / SNAPSHOTS_FILE)
    old.executescript(
        """
        CREATE TABLE aggregates (id TEXT PRIMARY KEY, version INTEGER NOT NULL, data BLOB NOT NULL);
        CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
        INSERT INTO aggregates VALUES ('a', 3, x'93');
        INSERT INTO checkpoint VALUES (1, 7);
        """
    )
    old.close()
    assert content(load_snapshots(tmp_path / SNAPSHOTS_FILE)) == (0, [], 0)
    told: list[int] = []
    store = SqliteSnapshots(tmp_path, told.append)
    assert content(await store.load()) == (0, [], 0)
    await store.save([Blob("a", 3, b"a3")])
    await store.close()
    again = SqliteSnapshots(tmp_path, told.append)
    assert content(await again.load()) == (0, [Blob("a", 3, b"a3")], 0)
    await again.close()
    assert told == [0]
