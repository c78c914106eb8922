"""Two processes of a shard in Cassandra, each with a relay of its own while it leads: Kafka gets the log, once."""

import asyncio
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from authoriser.events import event_of
from authoriser.journal.batch import decode_batch
from authoriser.kafka.settings import KafkaConfig
from stack import Stack
from stack.state import Node
from tests.cassandra_serve.bench import Network, Process, Shard, rounds
from tests.relay.journals import as_json

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from authoriser.cassandra.schema_versions import create_schema
from authoriser.cassandra.session import CassandraConfig
from tests.relay.brokers import config_text, kafka_config, values

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800)]

LINES = 2
PATIENCE_S = 120


class RelayedShard(Shard):
    """Each of its processes has a [kafka] table."""

    kafka: KafkaConfig

    def process(self, name: str, **cassandra: Any) -> Process:
        process = super().process(name, **cassandra)
        with process.config.open("a") as file:
            file.write(config_text(self.kafka))
        return process


@pytest.fixture
def shard(tmp_path: Path, cassandra_node: Node, kafka_stack: Stack) -> Iterator[RelayedShard]:
    keyspace = f"relayed_{os.getpid()}"
    config = CassandraConfig(((cassandra_node.host, cassandra_node.port),), keyspace)
    trio.run(create_schema, config, 1)
    shard = RelayedShard(tmp_path, cassandra_node.host, cassandra_node.port, keyspace)
    shard.kafka = kafka_config(kafka_stack.node("kafka"))
    yield shard
    shard.close()


async def in_kafka(shard: RelayedShard) -> list[Any]:
    return await trio.to_thread.run_sync(partial(asyncio.run, values(shard.kafka)))


async def in_the_log(shard: RelayedShard) -> list[Any]:
    events = []
    for seq, blob in await shard.log():
        batch, _digest = decode_batch(blob, seq=seq, shard=0, previous_hash=None)
        for number, record in enumerate(batch.records, batch.first_record_no):
            events.append(as_json(event_of(record, number=number, seq=seq, shard=0)))
    return events


async def test_takeovers_leave_no_gap_and_no_duplicate(shard: RelayedShard) -> None:
    """The leader and its relay are killed under load, round after round: the next leader's relay goes on (P6, P7).

    A follower runs no relay: there is one for the shard.
    """
    network = Network(seed=8)
    pair = list(await shard.pair())
    async with trio.open_nursery() as nursery:
        for _ in range(LINES):
            nursery.start_soon(network.till, pair)
        for _round in range(rounds()):
            leader = await shard.leader()
            (other,) = [process for process in pair if process is not leader]
            await until_relaying(leader)
            status = await trio.to_thread.run_sync(other.ask, "status")
            assert status.relay is None
            leader.kill()
            await other.until("leader")
            leader.start()
            await leader.until("follower")
        network.stopping = True
    await until_relaying(await shard.leader())
    with trio.fail_after(PATIENCE_S):
        while len(await in_kafka(shard)) < len(await in_the_log(shard)):
            await trio.sleep(0.2)
    events = await in_the_log(shard)
    assert (await in_kafka(shard))[: len(events)] == events
    assert len(network.heard) > LINES


async def until_relaying(process: Process) -> None:
    with trio.fail_after(PATIENCE_S):
        while True:
            status = await trio.to_thread.run_sync(process.ask, "status")
            if status.relay is not None and status.relay.state == "relaying":
                return
            await trio.sleep(0.05)
