"""The relay on a real Kafka, in this process: what it writes, and what makes it halt."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from authoriser.journal.slots import SqliteSlots
from authoriser.kafka.settings import KafkaConfig
from authoriser.limits import RELAY_EMPTY_BATCHES
from authoriser.places import SHARD, shard_directory
from stack import Stack
from tests.relay.journals import JournalWriter, events_of

aiokafka = pytest.importorskip("aiokafka")

from authoriser.relay.connection import Connection  # noqa: E402 - once there is a client
from authoriser.relay.position import Halt  # noqa: E402
from authoriser.relay.reader import BatchReader  # noqa: E402
from authoriser.relay.relay import Progress, Relay  # noqa: E402
from tests.relay.brokers import (  # noqa: E402
    delete_topic,
    kafka_config,
    make_topic,
    produce,
    until_consumed,
    until_got,
    values,
)

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def config(kafka_stack: Stack) -> KafkaConfig:
    return kafka_config(kafka_stack.node("kafka"))


@pytest.fixture
def journal(tmp_path: Path) -> JournalWriter:
    return JournalWriter(tmp_path / "data")


def made(config: KafkaConfig, data_dir: Path, told: list[Progress] | None = None) -> Relay:
    reader = BatchReader(SqliteSlots(shard_directory(data_dir, SHARD)), SHARD)
    return Relay(config, SHARD, reader, on_progress=(told if told is not None else []).append)


def halted(config: KafkaConfig, data_dir: Path) -> str:
    """The kind of halt that a relay on this journal comes to."""

    async def run() -> None:
        async with asyncio.timeout(60):
            await made(config, data_dir).run()

    with pytest.raises(Halt) as halt:
        asyncio.run(run())
    return halt.value.kind


def relayed(config: KafkaConfig, data_dir: Path) -> None:
    """Relay the whole journal, and stop."""

    async def run() -> None:
        told: list[Progress] = []
        relay = made(config, data_dir, told)
        working = asyncio.ensure_future(relay.run())
        while not any(progress.state == "relaying" for progress in told) and not working.done():
            await asyncio.sleep(0.01)
        relay.stop()  # once it has relayed what is there
        await working

    asyncio.run(run())


@contextlib.asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    """The relay beside a test; it must not end by itself."""
    task = asyncio.ensure_future(relay.run())
    yield
    relay.stop()
    await task


def test_a_message_is_a_cloud_event(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """The value is the event as `authoriser events` prints it, the key its account, the headers CloudEvents'."""
    journal.append(3)
    relayed(config, tmp_path / "data")
    got = asyncio.run(until_got(config, 3))
    assert [message.value for message in got] == events_of(tmp_path / "data")
    assert [message.key for message in got] == [b"bob", None, b"alice"]
    assert got[0].headers == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_source": b"/authoriser",
        "ce_id": b"0-000000000001",
        "ce_type": b"card.authorisation.approved",
        "ce_time": b"2027-01-15T08:00:00.001Z",
    }


def test_what_is_appended_follows(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """A relay that runs sends new batches as they come, woken or not."""

    async def run() -> None:
        relay = made(config, tmp_path / "data")
        async with running(relay):
            for _ in range(20):
                journal.append()
                relay.wake()
            await until_consumed(config, journal.record)
            journal.append(2)
            await until_consumed(config, journal.record)
        assert await values(config) == events_of(tmp_path / "data")

    asyncio.run(run())


def test_a_relay_goes_on_where_the_one_before_stopped(
    config: KafkaConfig, journal: JournalWriter, tmp_path: Path
) -> None:
    """Stopped and started between batches, also where the last ones had no record: no gap and no duplicate."""
    for counts in ((2, 3), (0, 0), (0, 1), (), (4, 0)):
        for count in counts:
            journal.append(count)
        relayed(config, tmp_path / "data")
    expected = events_of(tmp_path / "data")
    assert asyncio.run(until_consumed(config, len(expected))) == expected


def test_many_batches_without_a_record_move_the_position(
    config: KafkaConfig, journal: JournalWriter, tmp_path: Path
) -> None:
    """A leader that only says that it is there leaves nothing to be read again for ever."""
    for _ in range(RELAY_EMPTY_BATCHES):
        journal.append(0)
    relayed(config, tmp_path / "data")
    assert asyncio.run(position_of(config)) == (RELAY_EMPTY_BATCHES, 0)


async def position_of(config: KafkaConfig) -> tuple[int, int]:
    connection = await Connection.open(config, SHARD)
    try:
        position = await connection.position()
        return position.seq, position.record
    finally:
        await connection.close()


def test_topics_are_made_as_configured(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """Partitions, retention and in-sync replicas of the configuration; the position topic is compacted."""
    config = replace(config, partitions=3, retention_hours=2)
    relayed(config, tmp_path / "data")
    assert asyncio.run(settings(config, config.topic)) == (3, "delete", "7200000", "1")
    assert asyncio.run(settings(config, config.position_topic))[:2] == (3, "compact")


async def settings(config: KafkaConfig, topic: str) -> tuple[int, str, str, str]:
    from aiokafka.admin import AIOKafkaAdminClient

    from authoriser.relay import topics

    admin = AIOKafkaAdminClient(bootstrap_servers=str(config.bootstrap[0]))
    await admin.start()
    try:
        there = await topics.settings_of(admin, topic)
        partitions = await topics.partitions_of(admin, topic)
        assert partitions is not None
        return partitions, there["cleanup.policy"], there["retention.ms"], there["min.insync.replicas"]
    finally:
        await admin.close()


def test_a_lost_position_halts(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """The position topic was deleted: sending everything again would be a guess."""
    journal.append(2)
    relayed(config, tmp_path / "data")
    asyncio.run(delete_topic(config, config.position_topic))
    assert halted(config, tmp_path / "data") == "position_missing"
    expected = events_of(tmp_path / "data")
    assert asyncio.run(until_consumed(config, len(expected))) == expected


def test_a_position_that_went_back_halts(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """An older position was written over the newer: what follows it is in Kafka already."""
    journal.append(2)
    relayed(config, tmp_path / "data")
    (old,) = asyncio.run(until_got(config, 1, config.position_topic))
    journal.append(2)
    relayed(config, tmp_path / "data")
    asyncio.run(produce(config, config.position_topic, msgspec.json.encode(old.value), old.key))
    assert halted(config, tmp_path / "data") == "position_gone_back"
    expected = events_of(tmp_path / "data")
    assert asyncio.run(until_consumed(config, len(expected))) == expected


def test_a_topic_made_anew_halts(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """The events' topic was deleted and made again: somebody has to say what its readers shall get."""
    journal.append(2)
    relayed(config, tmp_path / "data")
    asyncio.run(delete_topic(config, config.topic))
    assert halted(config, tmp_path / "data") == "events_lost"


def test_an_older_journal_halts(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """A copy from before the position: the batches that it will have next are not those that are in Kafka."""
    journal.append(2)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    journal.append(2)
    relayed(config, tmp_path / "data")
    assert halted(config, tmp_path / "copy") == "journal_behind"


def test_another_journal_halts(config: KafkaConfig, journal: JournalWriter, tmp_path: Path) -> None:
    """As long, and not the same: its batch at the position has another hash."""
    other = JournalWriter(tmp_path / "other", seed=2)
    for writer in (journal, other):
        writer.append(2)
        writer.append(1)
    relayed(config, tmp_path / "data")
    assert halted(config, tmp_path / "other") == "journal_differs"


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("DELETE FROM journal WHERE seq = 2", "journal_gap"),
        ("UPDATE journal SET blob = CAST(blob || x'00' AS BLOB) WHERE seq = 2", "journal_damaged"),
        (
            "UPDATE journal SET blob = (SELECT blob FROM journal WHERE seq = 3) WHERE seq = 2",
            "journal_damaged",
        ),
    ],
    ids=["gap", "bytes", "swapped"],
)
def test_a_journal_with_a_hole_stops_before_it(
    config: KafkaConfig, journal: JournalWriter, tmp_path: Path, damage: str, kind: str
) -> None:
    """Nothing is sent from beyond a missing or damaged batch, and what was sent before stays as it was."""
    before = journal.append(2)
    relayed(config, tmp_path / "data")
    journal.append(2)
    journal.append(2)
    journal.execute(damage)
    assert halted(config, tmp_path / "data") == kind
    assert asyncio.run(until_consumed(config, len(before))) == before


def test_a_topic_without_the_shards_partition_is_refused(
    config: KafkaConfig, journal: JournalWriter, tmp_path: Path
) -> None:
    """Partition = shard, for good: a topic with fewer partitions than shards can't take them."""
    asyncio.run(make_topic(config, config.topic, partitions=1))
    assert halted(replace(config, partitions=2), tmp_path / "data") == "topic_unfit"


def test_a_compacted_topic_is_refused_for_events(
    config: KafkaConfig, journal: JournalWriter, tmp_path: Path
) -> None:
    """Compaction would keep each account's newest event alone."""
    asyncio.run(make_topic(config, config.topic, **{"cleanup.policy": "compact"}))
    assert halted(config, tmp_path / "data") == "topic_unfit"


def test_more_replicas_than_brokers_is_refused(
    config: KafkaConfig, journal: JournalWriter, tmp_path: Path
) -> None:
    """The words name the setting: waiting would not bring brokers."""
    assert halted(replace(config, replication_factor=3), tmp_path / "data") == "topic_unfit"
