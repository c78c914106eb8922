"""One life of a transactional producer: fence older relays, read where they got to, then write whole batches.

The order matters and is fixed here: `start()` first. It ends the transaction of an older relay and shuts it out, so
that the position read afterwards cannot move by anyone else's hand. After any error all of it is thrown away.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import MessageSizeTooLargeError

from authoriser.kafka.client import client_options, reader_options
from authoriser.kafka.settings import KafkaConfig
from authoriser.limits import EVENT_MAX_BYTES, RELAY_PRODUCE_BYTES, RELAY_TRANSACTION_S
from authoriser.relay.messages import Message
from authoriser.relay.position import (
    Halt,
    Position,
    TopicEnds,
    agreed,
    decode_position,
    encode_position,
    mark_of,
    start_of,
)
from authoriser.relay.topics import ensure_topics

CLOSE_S = 5.0
LOOK_BACK_FIRST = 100
"""Offsets before the end in which the newest event is looked for at first; ten times as many each time after."""
FETCH_WAIT_MS = 50


class Connection:
    """Made by `open`. Everything raises KafkaError, OSError or TimeoutError for what passes, and Halt."""

    def __init__(self, config: KafkaConfig, shard: int, producer: Any) -> None:
        self._config = config
        self._shard = shard
        self._producer = producer

    @classmethod
    async def open(cls, config: KafkaConfig, shard: int) -> Self:
        """Check or make the topics, and shut out every older relay of this shard."""
        client_id = f"authoriser-relay-{shard}"
        options = client_options(config, client_id)
        admin = AIOKafkaAdminClient(**options)
        try:
            await admin.start()
            await ensure_topics(admin, config, shard)
        finally:
            await _closed(admin.close())
        producer = AIOKafkaProducer(
            **options,
            transactional_id=f"{config.topic}-relay-{shard}",
            transaction_timeout_ms=int(2 * RELAY_TRANSACTION_S * 1000),
            acks="all",
            max_batch_size=RELAY_PRODUCE_BYTES,
            max_request_size=EVENT_MAX_BYTES,
        )
        try:
            await producer.start()
            for topic in (config.topic, config.position_topic):
                # A topic that was made just now: there is nothing to wait for but the client's next look.
                while shard not in await producer.partitions_for(topic):  # noqa: ASYNC110
                    await asyncio.sleep(FETCH_WAIT_MS / 1000)
        except BaseException:
            await _closed(producer.stop())
            raise
        return cls(config, shard, producer)

    async def position(self) -> Position:
        """Where the relays before this one got to. Raises Halt where the topic says otherwise."""
        position, ends = await self._look()
        return agreed(position, ends, self._shard)

    async def set_position(self, position: Position) -> Position:
        """An operator's word: go on after this batch, whatever was before. Gives the position as written."""
        _position, ends = await self._look()
        newest = ends.newest.id if ends.newest is not None else ""
        start = start_of(self._shard)
        chosen = Position(start.version, start.shard, position.seq, position.record, position.hash, newest)
        await self.send([], chosen)
        return chosen

    async def send(self, messages: Sequence[Message], position: Position) -> None:
        """One transaction: the messages in order, and the position after them. Durable and visible when this returns.

        Cancelled or failed, it is unknown until a new connection has read the position.
        """
        async with asyncio.timeout(RELAY_TRANSACTION_S):
            producer = self._producer
            await producer.begin_transaction()
            try:
                # Every acknowledgement is awaited: committing alone does not notice a batch that was refused.
                sent: list[Any] = []
                await self._send_events(messages, sent)
                sent.append(await self._send_position(position))
                await asyncio.gather(*sent)
            except MessageSizeTooLargeError:
                longest = max((len(message.value) for message in messages), default=0)
                raise Halt(
                    "event_too_large",
                    f"an event of up to batch {position.seq} is larger than topic {self._config.topic} takes "
                    f"({longest} bytes); raise its max.message.bytes",
                ) from None
            await producer.commit_transaction()

    async def close(self) -> None:
        """What is under way stays unknown; the next connection's `open` ends it."""
        await _closed(self._producer.stop())

    async def _send_events(self, messages: Sequence[Message], sent: list[Any]) -> None:
        """In batches of our own making: four times as fast as one call a message."""
        producer = self._producer
        batch = producer.create_batch()
        for message in messages:
            fields = {
                "timestamp": None,
                "key": message.key,
                "value": message.value,
                "headers": message.headers,
            }
            if batch.append(**fields) is None:
                sent.append(await self._submit(batch))
                batch = producer.create_batch()
                batch.append(**fields)
        if batch.record_count():
            sent.append(await self._submit(batch))

    async def _submit(self, batch: Any) -> Any:
        acknowledged = await self._producer.send_batch(batch, self._config.topic, partition=self._shard)
        acknowledged.add_done_callback(_seen)
        return acknowledged

    async def _send_position(self, position: Position) -> Any:
        return await self._producer.send(
            self._config.position_topic,
            key=f"shard-{self._shard}".encode(),
            value=encode_position(position),
            partition=self._shard,
        )

    async def _look(self) -> tuple[Position | None, TopicEnds]:
        consumer = AIOKafkaConsumer(
            **reader_options(self._config, f"authoriser-relay-{self._shard}"),
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        try:
            await consumer.start()
            found = await _newest(consumer, TopicPartition(self._config.position_topic, self._shard))
            position = decode_position(found[0], shard=self._shard) if found else None
            events = TopicPartition(self._config.topic, self._shard)
            newest = await _newest(consumer, events)
            first, end = await _ends(consumer, events)
            return position, TopicEnds(first, end, mark_of(newest[0]) if newest else None)
        finally:
            await _closed(consumer.stop())


async def _ends(consumer: Any, partition: TopicPartition) -> tuple[int, int]:
    first = (await consumer.beginning_offsets([partition]))[partition]
    return first, (await consumer.end_offsets([partition]))[partition]


async def _newest(consumer: Any, partition: TopicPartition) -> tuple[bytes | None] | None:
    """The value of the last committed message, in a tuple; None where there is none."""
    consumer.assign([partition])
    await consumer.position(partition)  # the client looks for one by itself, and would do so after a seek
    first, end = await _ends(consumer, partition)
    back = LOOK_BACK_FIRST
    while True:
        start = max(first, end - back)
        found: tuple[bytes | None] | None = None
        consumer.seek(partition, start)
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=FETCH_WAIT_MS)).get(partition, []):
                found = (record.value,)
        if found is not None or start == first:
            return found
        back *= 10


def _seen(acknowledged: Any) -> None:
    """Of several that fail for one reason, one is raised; asyncio need not complain of the others."""
    if not acknowledged.cancelled():
        acknowledged.exception()


async def _closed(closing: Any) -> None:
    """A client that can't say goodbye in time is left behind."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            await closing
