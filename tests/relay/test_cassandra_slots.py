"""The relay's reading of a journal in Cassandra: the same batches, whole and in order, and the same halts."""

import asyncio
import itertools
import os

import pytest
import trio

from stack import Stack
from stack.state import Node

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from authoriser.cassandra.schema_versions import create_schema
from authoriser.cassandra.session import CassandraConfig, Session
from authoriser.journal.batch import GENESIS
from authoriser.journal.cassandra import CassandraJournal
from authoriser.journal.cassandra_slots import CassandraSlots
from authoriser.journal.contract import Unknown
from authoriser.journal.group_commit import append_until_known
from authoriser.kafka.settings import KafkaConfig
from authoriser.relay.position import Halt, Position
from authoriser.relay.reader import BatchReader
from authoriser.relay.relay import Progress, Relay
from tests.relay.brokers import kafka_config, until_consumed
from tests.relay.journals import made_batches

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]

_shards = itertools.count(os.getpid() * 1_000)


@pytest.fixture(scope="module")
def cassandra(cassandra_node: Node) -> CassandraConfig:
    config = CassandraConfig(((cassandra_node.host, cassandra_node.port),), "relay_tests")
    trio.run(create_schema, config, 1)
    return config


async def append(config: CassandraConfig, shard: int, blobs: list[bytes]) -> None:
    async with await Session.open(config) as session:
        journal = await CassandraJournal.open(session, shard=shard)
        for seq, blob in enumerate(blobs, 1):
            await append_until_known(journal, seq, blob)


def test_a_journal_in_cassandra_is_relayed(cassandra: CassandraConfig, kafka_stack: Stack) -> None:
    """Every record once, in order, by the same relay that reads the embedded journal."""
    config = kafka_config(kafka_stack.node("kafka"))
    blobs, events = made_batches((1, 0, 5, 2, 0, 7), shard=0)
    trio.run(append, cassandra, 0, blobs)
    asyncio.run(_relayed(config, BatchReader(CassandraSlots(cassandra, 0), 0)))
    assert asyncio.run(until_consumed(config, len(events))) == events


async def _relayed(config: KafkaConfig, reader: BatchReader) -> None:
    told: list[Progress] = []
    relay = Relay(config, 0, reader, on_progress=told.append)
    working = asyncio.ensure_future(relay.run())
    while not any(progress.state == "relaying" for progress in told) and not working.done():
        await asyncio.sleep(0.01)
    relay.stop()
    await working
    await reader.close()


def test_pages_go_over_segments(cassandra: CassandraConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader does not see where one partition of the table ends and the next begins."""
    from authoriser.journal import cassandra as journal

    monkeypatch.setattr(journal, "SEGMENT_SLOTS", 4)
    monkeypatch.setattr(journal, "PAGE_SLOTS", 3)
    shard = next(_shards)
    blobs = [b"%d" % seq for seq in range(1, 12)]
    trio.run(append, cassandra, shard, blobs)
    slots = CassandraSlots(cassandra, shard)
    try:
        assert slots.read(1, 100) == list(enumerate(blobs, 1))
        assert slots.read(5, 4) == list(enumerate(blobs[4:8], 5))
        assert slots.read(12, 10) == []
        assert slots.end() == 11
    finally:
        slots.close()


def test_a_shorter_journal_halts(cassandra: CassandraConfig) -> None:
    """A position beyond the end of the log, which was restored from an older copy."""
    shard = next(_shards)
    trio.run(append, cassandra, shard, [b"one"])

    async def require() -> None:
        reader = BatchReader(CassandraSlots(cassandra, shard), shard)
        try:
            await reader.require(Position(1, shard, 9, 9, GENESIS.hex(), ""))
        finally:
            await reader.close()

    with pytest.raises(Halt) as halt:
        asyncio.run(require())
    assert str(halt.value).startswith("journal_behind: batch 9 is in Kafka, and the journal ends at 1")


def test_a_server_that_is_away_may_come_back(cassandra: CassandraConfig) -> None:
    """Nobody answers: that is not known to be the end of the log, and it is asked again later."""
    from msgspec.structs import replace

    slots = CassandraSlots(replace(cassandra, contact_points=(("127.0.0.1", 1),)), 0)
    with pytest.raises(Unknown) as unknown:
        slots.read(1, 1)
    assert unknown.value.retry
