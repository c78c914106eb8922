"""The cache on snapshots in a real Cassandra: misses, evictions, a restart, and a hold that ends off memory."""

from typing import TYPE_CHECKING, Any

import pytest
import trio
from cache_bench import Disk, Process, account, pan, running

from authoriser import cache
from authoriser.ledger.digest import problems, state_hash
from authoriser.recovery import COMMONS_ID
from authoriser.snapshots.blobs import account_of
from stack.state import Node

if TYPE_CHECKING:
    from authoriser.cassandra.session import CassandraConfig

# The first test to need it starts the server, and the first run ever fetches it.
pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]
BOUND = 3
CARDS = 10


@pytest.fixture(scope="session")
def config(cassandra_node: Node) -> "CassandraConfig":
    from authoriser.cassandra.schema_versions import create_schema
    from authoriser.cassandra.session import CassandraConfig

    made = CassandraConfig(((cassandra_node.host, cassandra_node.port),), "cache_tests")
    trio.run(create_schema, made, 1)
    return made


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load may take as long as an answer may: a disk that stands still fails none here."""
    monkeypatch.setattr(cache, "LOAD_MAX_S", 10.0)


async def answer(process: Process, number: int, stan: int) -> dict[str, str]:
    """The reply to one purchase, however long the store takes within the deadline."""
    process.line.taken.clear()
    process.send(number, f4="000000001000", f11=f"{stan:06}", f37=f"{stan:012}")
    with trio.fail_after(10):
        while not process.line.taken:
            await trio.sleep(0.001)
    (reply,) = process.line.taken
    return reply


async def test_three_of_ten_in_memory(config: Any) -> None:
    """Every payment is approved, two processes after another, and the snapshots are what the journal says."""
    from authoriser.cassandra.session import Session
    from authoriser.snapshots.cassandra import CassandraSnapshots

    disk = Disk()
    async with await Session.open(config) as session:
        stan = 0
        for life in range(2):
            store = await CassandraSnapshots.open(session, shard=1)
            async with running(disk, BOUND, store) as process:
                if not life:
                    await process.open_cards(CARDS)
                for number in [*range(CARDS), *range(CARDS)]:
                    stan += 1
                    reply = await answer(process, number, stan)
                    assert (reply["11"], reply["39"]) == (f"{stan:06}", "00")
                    if number % 3 == 0:
                        await process.round()
                assert (await answer(process, CARDS, 0))["39"] == "14"
                await process.owner.finish()
                assert len(process.resident) <= BOUND
                assert process.counters.counts["cache_evictions"] >= 2 * (CARDS - BOUND)
                assert process.failures == []
        store = await CassandraSnapshots.open(session, shard=1)
        async with running(disk, BOUND, store) as process:
            assert process.resident == set()  # nothing is scanned: the tail of an end in order is empty
            await process.owner.settle()
            state = process.owner.state
            for blob in await store.load_many(account(number) for number in range(CARDS)):
                assert blob.aggregate_id != COMMONS_ID
                if blob.aggregate_id not in state.accounts:
                    state.load(account_of(blob))
            assert state_hash(state) == disk.hash()
            entry = await store.card_of_token(pan(4).encode())
            assert entry is not None
            assert entry.account_id == account(4)
    assert problems(disk.replayed()) == []
