"""Reads the log from Cassandra or from its file, and the events from Kafka, as anybody from the outside may.

Each with the strictest reads there are: serial reads of Cassandra, committed reads of Kafka. Knows no more of them.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from authoriser.cassandra.session import BlockingSession, CassandraConfig, CassandraError
from authoriser.kafka.client import KafkaSettingsError, reader_options
from authoriser.kafka.settings import KafkaConfig
from drills.evidence import EvidenceError

_SLOTS = "SELECT seq, blob FROM {keyspace}.journal WHERE shard = ? AND segment = ? AND seq >= ? LIMIT ?"
PAGE_SLOTS = 64
"""Batches of one answer; one is 20 kB as a rule."""
FETCH_WAIT_MS = 100
CLOSE_S = 5.0


def read_slots(config: CassandraConfig, shard: int) -> Iterator[tuple[int, bytes]]:
    """(slot, batch) of the whole log, in order; a slot that is missing is for whoever reads. Raises EvidenceError."""
    try:
        session = BlockingSession(config)
        try:
            select = session.prepare(_SLOTS, serial_read=True)
            segment = 0
            while page := session.execute(select, (shard, segment, 0, PAGE_SLOTS)):
                while page:
                    yield from ((row["seq"], row["blob"]) for row in page)
                    page = session.execute(select, (shard, segment, page[-1]["seq"] + 1, PAGE_SLOTS))
                segment += 1
        finally:
            session.close()
    except CassandraError as error:
        raise EvidenceError(f"Cassandra, keyspace {config.keyspace}: {error}") from None


def read_file(data_dir: Path, shard: int) -> Iterator[tuple[int, bytes]]:
    """The same from an embedded journal, beside whoever writes it. Raises EvidenceError."""
    path = data_dir.absolute() / f"shard-{shard}" / "journal.db"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)) as file:
            yield from file.execute("SELECT seq, blob FROM journal ORDER BY seq")
    except sqlite3.Error as error:
        raise EvidenceError(f"{path} can't be read: {error}") from None


def read_events(config: KafkaConfig, shard: int, *, wanted: int, patience_s: float) -> list[bytes | None]:
    """The values of the shard's partition, in order: to its end, and as long as there are fewer than `wanted`, until
    the patience is over. Raises EvidenceError.
    """
    try:
        return asyncio.run(_consumed(config, shard, wanted, time.monotonic() + patience_s))
    except KafkaSettingsError as error:
        raise EvidenceError(str(error)) from None
    except (KafkaError, OSError) as error:
        raise EvidenceError(f"Kafka, topic {config.topic}: {type(error).__name__}: {error}") from None


async def _consumed(config: KafkaConfig, shard: int, wanted: int, until: float) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(
        **reader_options(config, "authoriser-drill"),
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        await consumer.start()
        partition = TopicPartition(config.topic, shard)
        consumer.assign([partition])
        await consumer.position(partition)  # the client looks for one by itself, and would do so after a seek
        consumer.seek(partition, (await consumer.beginning_offsets([partition]))[partition])
        values: list[bytes | None] = []
        while True:
            end = (await consumer.end_offsets([partition]))[partition]
            while await consumer.position(partition) < end and time.monotonic() < until:
                found: Any = await consumer.getmany(partition, timeout_ms=FETCH_WAIT_MS)
                values += [record.value for record in found.get(partition, [])]
            if len(values) >= wanted or time.monotonic() >= until:
                return values
            await asyncio.sleep(FETCH_WAIT_MS / 1000)
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await consumer.stop()
