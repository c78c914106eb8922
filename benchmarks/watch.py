"""A consumer of events, as a process of its own: `python -m benchmarks.watch JSON` watches, or reads, one partition.

Owns what a read-committed consumer got, and when. `Watch` begins at the end of the topic, says "watching", notes when
each message came until its standard input ends, and gives from decision to arrival. `Read` gives everything that is
there, in its order. Values are decoded when all of them came: what is timed is Kafka's way, not ours.
"""

import asyncio
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from simulator.tally import Latencies, Latency

PARTITION = 0
WAIT_MS = 200
QUIET_MS = 1000
"""Nothing came for so long after it was told to end: what was committed by then should have arrived."""
FETCH_WAIT_MS = 100
APPROVED = "card.authorisation.approved"


class Watch(Struct, frozen=True, tag="watch"):
    bootstrap: str
    topic: str


class Read(Struct, frozen=True, tag="read"):
    """`events` is a file for what was read, as `read_events` reads it."""

    bootstrap: str
    topic: str
    events: str


class Event(Struct, frozen=True, gc=False):
    """What an event says of itself, as far as it is held against anything. `rrn` is DE37, `approval_code` DE38."""

    id: str
    record: int
    seq: int
    time: str
    type: str
    rrn: str = ""
    approval_code: str = ""


class Watched(Struct, frozen=True):
    """Approvals that came while it watched: from the decision's time, which counts milliseconds, to their arrival."""

    latency: Latency | None


_decode = msgspec.json.Decoder(Event).decode


async def _consumer(task: Watch | Read) -> tuple[Any, TopicPartition]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=task.bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    await consumer.start()
    partition = TopicPartition(task.topic, PARTITION)
    consumer.assign([partition])
    await consumer.position(partition)  # the client looks for one by itself, and would do so after a seek
    return consumer, partition


async def watch(task: Watch) -> Watched:
    """Until standard input ends, and then until nothing comes any more."""
    consumer, partition = await _consumer(task)
    consumer.seek(partition, (await consumer.end_offsets([partition]))[partition])
    arrived: list[tuple[float, bytes]] = []
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    while True:
        was_ended = ended.is_set()
        got = await consumer.getmany(partition, timeout_ms=QUIET_MS if was_ended else WAIT_MS)
        now_s = time.time()
        arrived += [(now_s, record.value) for record in got.get(partition, ())]
        if was_ended and not got:
            break
    await consumer.stop()
    latencies = Latencies()
    for at_s, value in arrived:
        event = _decode(value)
        if event.type == APPROVED:
            latencies.record(at_s - datetime.fromisoformat(event.time).timestamp())
    return Watched(latencies.summary())


async def read(task: Read) -> list[Event]:
    """Everything that is committed by now, from the first offset on."""
    consumer, partition = await _consumer(task)
    end = (await consumer.end_offsets([partition]))[partition]
    consumer.seek(partition, (await consumer.beginning_offsets([partition]))[partition])
    events: list[Event] = []
    while await consumer.position(partition) < end:
        got = await consumer.getmany(partition, timeout_ms=WAIT_MS)
        events += [_decode(record.value) for record in got.get(partition, ())]
    await consumer.stop()
    return events


def read_events(file: Path) -> list[Event]:
    return msgspec.msgpack.decode(file.read_bytes(), type=list[Event])


def main() -> None:
    """The task is the only argument, as JSON."""
    task: Watch | Read = msgspec.json.decode(sys.argv[1], type=Watch | Read)
    if isinstance(task, Watch):
        watched = asyncio.run(watch(task))
        sys.stdout.write(msgspec.json.encode(watched).decode() + "\n")
    else:
        Path(task.events).write_bytes(msgspec.msgpack.encode(asyncio.run(read(task))))


if __name__ == "__main__":
    main()
