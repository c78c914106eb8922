"""What every snapshot store promises, held against each of them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from authoriser.snapshots import Blob, Loaded, SnapshotStore
from authoriser.snapshots.memory import MemorySnapshots
from authoriser.snapshots.sqlite import SNAPSHOTS_FILE, SqliteSnapshots, load_snapshots


def content(loaded: Loaded) -> tuple[int, list[Blob], int]:
    return loaded.checkpoint_seq, sorted(loaded.blobs, key=lambda blob: blob.aggregate_id), loaded.aggregates


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SnapshotStore]:
    return MemorySnapshots if request.param == "memory" else lambda: SqliteSnapshots(tmp_path)


async def test_a_new_store_is_empty(make_store: Callable[[], SnapshotStore]) -> None:
    """Nothing saved, nothing promised: everything is replayed."""
    store = make_store()
    assert content(await store.load()) == (0, [], 0)
    await store.close()


async def test_the_newest_blob_is_kept(make_store: Callable[[], SnapshotStore]) -> None:
    """A later version replaces an earlier one; an earlier one that comes late does not."""
    store = make_store()
    await store.save([Blob("a", 3, b"a3"), Blob("b", 1, b"b1")])
    await store.save([Blob("a", 2, b"a2"), Blob("b", 5, b"b5")])
    await store.move_checkpoint(9)
    assert content(await store.load()) == (9, [Blob("a", 3, b"a3"), Blob("b", 5, b"b5")], 2)
    await store.close()


async def test_the_checkpoint_never_goes_back(make_store: Callable[[], SnapshotStore]) -> None:
    """An older round that ends late takes no promise back."""
    store = make_store()
    await store.move_checkpoint(9)
    await store.move_checkpoint(4)
    assert content(await store.load()) == (9, [], 0)
    await store.close()


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
