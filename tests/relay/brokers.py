"""Kafka from the outside: what a read-committed consumer gets of a topic, and topics of a test's own."""

import asyncio
import itertools
import os
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from authoriser.config_checks import Address
from authoriser.kafka.settings import KafkaConfig
from stack.state import Node

CONSUMED_MAX_S = 120.0
_numbers = itertools.count(1)


def kafka_config(node: Node, **more: Any) -> KafkaConfig:
    """Topics that no other test has, on the one broker there is."""
    topic = f"events-{os.getpid()}-{next(_numbers)}"
    fields: dict[str, Any] = {
        "bootstrap": (Address(node.host, node.port),),
        "topic": topic,
        "position_topic": f"{topic}.positions",
        "replication_factor": 1,
        "min_insync_replicas": 1,
    }
    return KafkaConfig(**fields | more)


def config_text(config: KafkaConfig) -> str:
    """The [kafka] table that says so."""
    bootstrap = ", ".join(f'"{address}"' for address in config.bootstrap)
    return (
        f'[kafka]\nbootstrap = [{bootstrap}]\ntopic = "{config.topic}"\nposition_topic = "{config.position_topic}"\n'
        f"replication_factor = 1\nmin_insync_replicas = 1\npartitions = {config.partitions}\n"
    )


class Got(msgspec.Struct, frozen=True):
    """One message as its consumer sees it."""

    value: Any
    key: bytes | None
    headers: dict[str, bytes]


async def consumed(config: KafkaConfig, topic: str | None = None) -> list[Got]:
    """Everything that is committed in partition 0 by now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=[str(address) for address in config.bootstrap],
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        partition = TopicPartition(config.topic if topic is None else topic, 0)
        consumer.assign([partition])
        await consumer.position(partition)  # the client looks for one by itself, and would do so after a seek
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, (await consumer.beginning_offsets([partition]))[partition])
        got = []
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=200)).get(partition, []):
                value = msgspec.json.decode(record.value) if record.value else None
                got.append(Got(value, record.key, dict(record.headers)))
        return got
    finally:
        await consumer.stop()


async def values(config: KafkaConfig) -> list[Any]:
    return [got.value for got in await consumed(config)]


async def until_got(config: KafkaConfig, count: int, topic: str | None = None) -> list[Got]:
    """What is committed, once it is so many: messages of a transaction show a moment after it has ended."""
    end_s = time.monotonic() + CONSUMED_MAX_S
    while len(got := await consumed(config, topic)) < count:
        assert time.monotonic() < end_s, f"{len(got)} of {count} came: {got}"
        await asyncio.sleep(0.1)
    return got


async def until_consumed(config: KafkaConfig, count: int) -> list[Any]:
    """The values of `until_got`."""
    return [got.value for got in await until_got(config, count)]


async def make_topic(config: KafkaConfig, name: str, partitions: int = 1, **settings: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=[str(address) for address in config.bootstrap])
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    finally:
        await admin.close()


async def delete_topic(config: KafkaConfig, name: str) -> None:
    """Return when it is gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=[str(address) for address in config.bootstrap])
    await admin.start()
    try:
        await admin.delete_topics([name])
        while name in await admin.list_topics():
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def produce(config: KafkaConfig, topic: str, value: bytes, key: bytes | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=[str(address) for address in config.bootstrap])
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=key, partition=0)
    finally:
        await producer.stop()


async def produce_all(
    config: KafkaConfig, topic: str, messages: list[tuple[bytes | None, bytes | None]]
) -> None:
    """Keys and values, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=[str(address) for address in config.bootstrap])
    await producer.start()
    try:
        for sent in [await producer.send(topic, value, key=key, partition=0) for key, value in messages]:
            await sent
    finally:
        await producer.stop()
