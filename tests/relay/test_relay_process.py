"""The relay as a process that is killed, fenced and left without Kafka: a reader gets the journal, all the same.

AUTHORISER_RELAY_ROUNDS says how often it is killed (a few in CI).
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from authoriser.kafka.settings import KafkaConfig
from stack import Stack
from tests.relay.journals import JournalWriter, events_of

pytest.importorskip("aiokafka")

from authoriser.relay.exits import EXIT_FENCED, EXIT_HALTED, EXIT_STOPPED
from tests.relay.brokers import (
    config_text,
    delete_topic,
    kafka_config,
    until_consumed,
    values,
)

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("AUTHORISER_RELAY_ROUNDS", "4"))
END_MAX_S = 60


class Processes:
    """Relay processes on one data directory. Those that run at the end are killed."""

    def __init__(self, directory: Path, config: KafkaConfig) -> None:
        self.data = directory / "data"
        self._file = directory / "authoriser.toml"
        self._file.write_text(f'data_dir = "{self.data}"\n{config_text(config)}')
        self._log = directory / "relay.log"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "authoriser", "relay", "--config", str(self._file), *options]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self._started.append(process)
        return process

    def kill(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    @property
    def log(self) -> str:
        return self._log.read_text()


class Load:
    """Batches appended from a thread, all the time, until `stop`."""

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._append)
        self._thread.start()

    def _append(self) -> None:
        while not self._ending.wait(0.002):
            self._journal.append()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()


@pytest.fixture
def config(kafka_stack: Stack) -> KafkaConfig:
    return kafka_config(kafka_stack.node("kafka"))


@pytest.fixture
def processes(tmp_path: Path, config: KafkaConfig) -> Iterator[Processes]:
    processes = Processes(tmp_path, config)
    yield processes
    processes.kill()


@pytest.fixture
def journal(processes: Processes) -> Iterator[JournalWriter]:
    journal = JournalWriter(processes.data)
    yield journal
    journal.close()


def test_killed_relays_leave_no_gap_and_no_duplicate(
    processes: Processes, journal: JournalWriter, config: KafkaConfig
) -> None:
    """SIGKILL at any instant, under load, again and again: a read-committed reader has each event once, in order."""
    dice = random.Random(ROUNDS)
    load = Load(journal)
    try:
        for _ in range(ROUNDS):
            before = len(asyncio.run(values_or_none(config)))
            relay = processes.start()
            asyncio.run(until_consumed(config, before + 1))
            time.sleep(dice.random())  # somewhere in the middle of its transactions
            relay.kill()
            relay.wait()
    finally:
        load.stop()
    last = processes.start()
    got = asyncio.run(until_consumed(config, journal.record))
    assert got == events_of(processes.data)
    last.terminate()
    assert last.wait(END_MAX_S) == EXIT_STOPPED


async def values_or_none(config: KafkaConfig) -> list[object]:
    """Nothing where the topic is not there yet."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=str(config.bootstrap[0]))
    await admin.start()
    try:
        there = config.topic in await admin.list_topics()
    finally:
        await admin.close()
    return await values(config) if there else []


def test_a_newer_relay_shuts_the_older_out(
    processes: Processes, journal: JournalWriter, config: KafkaConfig
) -> None:
    """Two relays under load: the older ends with the code for fenced, and nothing comes twice."""
    load = Load(journal)
    try:
        older = processes.start()
        asyncio.run(until_consumed(config, 1))
        newer = processes.start()
        assert older.wait(END_MAX_S) == EXIT_FENCED
    finally:
        load.stop()
    assert asyncio.run(until_consumed(config, journal.record)) == events_of(processes.data)
    newer.terminate()
    assert newer.wait(END_MAX_S) == EXIT_STOPPED


def test_kafka_killed_and_back(
    processes: Processes, journal: JournalWriter, config: KafkaConfig, kafka_stack: Stack
) -> None:
    """The broker dies under load and comes back: the same relay catches up, and nothing is lost or comes twice."""
    load = Load(journal)
    try:
        relay = processes.start()
        asyncio.run(until_consumed(config, 1))
        kafka_stack.kill("kafka")
        seen = journal.seq
        while journal.seq < seen + 50:
            time.sleep(0.01)
        kafka_stack.start("kafka")
    finally:
        load.stop()
    assert asyncio.run(until_consumed(config, journal.record)) == events_of(processes.data)
    assert relay.poll() is None
    relay.terminate()
    assert relay.wait(END_MAX_S) == EXIT_STOPPED


def test_a_halted_relay_says_what_an_operator_needs(
    processes: Processes, journal: JournalWriter, config: KafkaConfig
) -> None:
    """It ends with the code for it and its reason in the log; told where to go on, it does, once."""
    journal.append(2)
    first = processes.start()
    asyncio.run(until_consumed(config, 2))
    first.terminate()
    assert first.wait(END_MAX_S) == EXIT_STOPPED
    asyncio.run(delete_topic(config, config.position_topic))
    journal.append(3)
    assert processes.start().wait(END_MAX_S) == EXIT_HALTED
    assert "position_missing: shard 0 has no position" in processes.log
    assert asyncio.run(values(config)) == events_of(processes.data)[:2]
    told = processes.start("--resume-after", "1")
    assert told.wait(END_MAX_S) == EXIT_STOPPED
    assert told.stdout is not None
    assert told.stdout.read() == b"relays of shard 0 go on after batch 1, record 2\n"
    processes.start()
    assert asyncio.run(until_consumed(config, 5)) == events_of(processes.data)


def test_an_order_to_stop_relays_what_is_there(
    processes: Processes, journal: JournalWriter, config: KafkaConfig
) -> None:
    """SIGTERM: what was durable by then is in Kafka when the process is gone."""
    journal.append(1)
    relay = processes.start()
    asyncio.run(until_consumed(config, 1))
    for _ in range(200):
        journal.append(5)
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(END_MAX_S) == EXIT_STOPPED
    expected = events_of(processes.data)
    assert asyncio.run(until_consumed(config, len(expected))) == expected
