"""What every snapshot store promises, held against each of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from authoriser.snapshots import Blob, Loaded, SnapshotStore
from authoriser.snapshots.memory import MemorySnapshots
from authoriser.snapshots.sqlite import SNAPSHOTS_FILE, SqliteSnapshots, load_snapshots


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SnapshotStore]:
    return MemorySnapshots if request.param == "memory" else lambda: SqliteSnapshots(tmp_path)


async def test_a_new_store_is_empty(make_store: Callable[[], SnapshotStore]) -> None:
    """Nothing saved, nothing promised: everything is replayed."""
    store = make_store()
    assert await store.load() == Loaded(0, [])
    await store.close()


async def test_the_newest_blob_is_kept(make_store: Callable[[], SnapshotStore]) -> None:
    """A later version replaces an earlier one; an earlier one that comes late does not."""
    store = make_store()
    await store.save([Blob("a", 3, b"a3"), Blob("b", 1, b"b1")])
    await store.save([Blob("a", 2, b"a2"), Blob("b", 5, b"b5")])
    await store.move_checkpoint(9)
    assert await store.load() == Loaded(9, [Blob("a", 3, b"a3"), Blob("b", 5, b"b5")])
    await store.close()


async def test_the_checkpoint_never_goes_back(make_store: Callable[[], SnapshotStore]) -> None:
    """An older round that ends late takes no promise back."""
    store = make_store()
    await store.move_checkpoint(9)
    await store.move_checkpoint(4)
    assert await store.load() == Loaded(9, [])
    await store.close()


async def test_a_reader_beside_the_owner_sees_what_was_saved(tmp_path: Path) -> None:
    """`verify` reads the file of a serving process."""
    store = SqliteSnapshots(tmp_path)
    await store.save([Blob("a", 3, b"a3")])
    await store.move_checkpoint(2)
    assert load_snapshots(tmp_path / SNAPSHOTS_FILE) == Loaded(2, [Blob("a", 3, b"a3")])
    assert load_snapshots(tmp_path / "nowhere.db") == Loaded(0, [])
    await store.close()
