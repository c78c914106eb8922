"""The benchmark of a million cards in Cassandra, with few of them: it fills, goes on where it was, boots and pays."""

from pathlib import Path
from typing import Any

import pytest
import trio
from rich.progress import Progress

from stack.state import Node

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]
CARDS, CACHE, PAYMENTS = 300, 40, 400


async def test_a_small_run_of_the_whole(
    cassandra_node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted half-way, then to the end: every payment is approved, and memory has kept to its bound."""
    from authoriser.cassandra.session import CassandraConfig, Session
    from authoriser.limits import CACHE_CRAMPED_MARGIN
    from authoriser.snapshots.cassandra import CassandraSnapshots
    from benchmarks import million_cached
    from benchmarks.keyspace import drop_keyspace

    monkeypatch.setattr(million_cached, "SLICE", 100)
    address = (cassandra_node.host, cassandra_node.port)
    config = CassandraConfig((address,), million_cached.KEYSPACE)
    saved: list[int] = []
    save = CassandraSnapshots.save

    async def interrupted(store: CassandraSnapshots, blobs: list[Any]) -> None:
        if len(saved) == 3:
            raise OSError("the test said so")
        saved.append(len(blobs))
        await save(store, blobs)

    with monkeypatch.context() as patched:
        patched.setattr(CassandraSnapshots, "save", interrupted)
        with pytest.RaisesGroup(OSError, flatten_subgroups=True):
            await million_cached.fill(config, CARDS, Progress(disable=True))
    assert saved == [100, 1, 100]  # its commons are missing, so it is not there whole

    def whole() -> Any:
        return million_cached.measure(CARDS, CACHE, tmp_path, payments=PAYMENTS, on=address)

    for _run in range(2):
        report = await trio.to_thread.run_sync(whole)
        assert (report.cards, report.approved) == (CARDS, PAYMENTS)
        assert report.failed_loads < PAYMENTS / 10
        assert report.accounts_most <= 2 * CACHE + CACHE_CRAMPED_MARGIN + million_cached.AT_ONCE < CARDS
        # Every card is paid with, so what is not in memory any more has left it. When, is for the snapshots to say.
        assert report.loads - report.accounts_most <= report.evictions <= report.loads
        assert report.loads >= CARDS
    async with await Session.open(config) as session:
        store = await CassandraSnapshots.open(session, shard=0)
        assert (await store.checkpoint()).seq >= 1
        cards = await store.cards_ending("0007", 10)
        assert [card.account_id for card in cards] == ["A0000007"]
    await drop_keyspace(config)
