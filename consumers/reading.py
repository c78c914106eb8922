"""Reading the events' topic as one of a group: committed events only, in order, offsets kept once they are dealt with.

Owns the consumer and its positions. At a crash what was dealt with and not committed comes again; `look_back` shows a
handler what came before, so that it knows what it has done.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct

from authoriser.kafka.client import reader_options
from authoriser.kafka.settings import KafkaConfig
from consumers.incoming import Incoming, Message, Unreadable, decoded

BATCH_EVENTS = 500
"""Dealt with between two commits of offsets: what may come again after a crash."""
WAIT_MS = 250
FETCH_WAIT_MS = 100
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.2, 10.0

log = structlog.get_logger()


class Beginning(Struct, frozen=True):
    """Where to begin: `at_ms` is the time (milliseconds since the epoch) of the first event wanted, None is the first
    that is kept.
    """

    at_ms: int | None = None


class Reading(Struct, frozen=True):
    """`replay` goes over the group's offsets, once. `look_back`: offsets before the group's that are remembered."""

    kafka: KafkaConfig
    group: str
    replay: Beginning | None = None
    look_back: int = 0


class Handler(Protocol):
    """What a consumer does with events. Those of one partition come in order."""

    async def handle(self, events: Sequence[Incoming]) -> None:
        """Deal with them; when this returns they are done with. An exception ends the program."""
        ...

    def remember(self, event: Incoming) -> None:
        """An event from before the group's offset."""
        ...

    async def unreadable(self, message: Message, why: str) -> None:
        """A message that is no event."""
        ...


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]
    """Partitions that came to this member and were not looked at yet."""

    def __init__(self) -> None:
        self.new: set[TopicPartition] = set()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self.new -= set(revoked)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self.new |= set(assigned)


class Reader:
    """Reads until `stop`. Whatever Kafka does, it begins again."""

    def __init__(self, reading: Reading, handler: Handler, client_id: str) -> None:
        self._reading = reading
        self._handler = handler
        self._client_id = client_id
        self._stopping = asyncio.Event()
        self._replayed: set[TopicPartition] = set()
        self._first_new: dict[TopicPartition, int] = {}

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Raises KafkaSettingsError, and what the handler raises."""
        pause = BACKOFF_FIRST_S
        while not self._stopping.is_set():
            try:
                await self._live()
                pause = BACKOFF_FIRST_S
            except (KafkaError, OSError) as error:
                log.warning("the consumer begins again", error=f"{type(error).__name__}: {error}")
                await self._rest(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, BACKOFF_MAX_S)

    async def _rest(self, seconds: float) -> None:
        await asyncio.wait([asyncio.ensure_future(self._stopping.wait())], timeout=seconds)

    async def _live(self) -> None:
        consumer = AIOKafkaConsumer(
            **reader_options(self._reading.kafka, self._client_id),
            group_id=self._reading.group,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        assigned = _Assigned()
        consumer.subscribe([self._reading.kafka.topic], listener=assigned)
        try:
            await consumer.start()
            while not self._stopping.is_set():
                while assigned.new:
                    await self._place(consumer, assigned.new.pop())
                got = await consumer.getmany(timeout_ms=WAIT_MS, max_records=BATCH_EVENTS)
                if assigned.new:
                    continue  # from before it was placed; it comes again
                for partition, records in got.items():
                    await self._dealt_with(partition, records)
                    await consumer.commit({partition: records[-1].offset + 1})
        finally:
            await consumer.stop()

    async def _place(self, consumer: Any, partition: TopicPartition) -> None:
        """Put a partition that came to us where reading begins."""
        offset = await consumer.position(partition)
        replay = self._reading.replay
        if replay is not None and partition not in self._replayed:
            self._replayed.add(partition)
            offset = await _offset_of(consumer, partition, replay)
        first = (await consumer.beginning_offsets([partition]))[partition]
        self._first_new[partition] = offset
        consumer.seek(partition, max(first, offset - self._reading.look_back))

    async def _dealt_with(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        events: list[Incoming] = []
        for record in records:
            is_new = record.offset >= self._first_new.get(partition, 0)
            message = Message(record.key, record.value, tuple(record.headers))
            try:
                event = decoded(message)
            except Unreadable as unreadable:
                if is_new:
                    await self._handler.handle(events)  # in order: what came before goes before
                    events = []
                    await self._handler.unreadable(message, str(unreadable))
                continue
            if is_new:
                events.append(event)
            else:
                self._handler.remember(event)
        await self._handler.handle(events)


async def _offset_of(consumer: Any, partition: TopicPartition, beginning: Beginning) -> int:
    """Messages are stamped when they are sent, so none with an earlier offset is of an event of that time or later."""
    if beginning.at_ms is None:
        return int((await consumer.beginning_offsets([partition]))[partition])
    found = (await consumer.offsets_for_times({partition: beginning.at_ms}))[partition]
    return int(found.offset if found is not None else (await consumer.end_offsets([partition]))[partition])
