"""The consumers as programs on a real Kafka and a real Cassandra: what comes out, also when they are killed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from authoriser.kafka.settings import KafkaConfig
from stack import Stack
from tests.consumers.events import AT_MS, approved, decided, message

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from authoriser.cassandra.session import CassandraConfig, CassandraError
from consumers.feed import Cursor, Feed
from rules import Reason
from tests.consumers.test_delivery import Receiver
from tests.relay.brokers import config_text, consumed, kafka_config, make_topic, produce_all

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_S = 120
MONTH_MS = 31 * 86_400_000


@pytest.fixture
def config(kafka_stack: Stack) -> KafkaConfig:
    config = kafka_config(kafka_stack.node("kafka"))
    asyncio.run(make_topic(config, config.topic))
    return config


class Programs:
    """Consumers of one topic; those that run at the end are killed."""

    def __init__(self, directory: Path, config: KafkaConfig) -> None:
        self.output = directory / "output"
        self.log = directory / "log"
        self._options = [
            "--bootstrap",
            str(config.bootstrap[0]),
            "--topic",
            config.topic,
            "--group",
            config.topic,
        ]
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", f"from {module} import main; main()", *self._options, *options]
        with self.output.open("ab") as output, self.log.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=log)
        self._started.append(process)
        return process

    def notifications(self, *options: str) -> subprocess.Popen[bytes]:
        return self.start("consumers.notifications.cli", *options)

    @property
    def lines(self) -> list[Any]:
        return (
            [json.loads(line) for line in self.output.read_text().splitlines()]
            if self.output.exists()
            else []
        )

    def kill(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def programs(tmp_path: Path, config: KafkaConfig) -> Iterator[Programs]:
    programs = Programs(tmp_path, config)
    yield programs
    programs.kill()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def publish(config: KafkaConfig, first: int, last: int, **more: Any) -> None:
    """Approvals with these record numbers, as the relay would send them."""
    messages = [message(approved(number, number * 100, **more), number) for number in range(first, last + 1)]
    asyncio.run(produce_all(config, config.topic, [(came.key, came.value) for came in messages]))


def test_notifications_are_printed_once(programs: Programs, config: KafkaConfig) -> None:
    """One line a decision, in order; a second run goes on after the first, and repeats in the topic are known."""
    publish(config, 1, 3)
    first = programs.notifications("--config", str(replicas_of_one(programs, config)))
    until(lambda: len(programs.lines) == 3)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0
    publish(config, 2, 5)
    programs.notifications("--config", str(replicas_of_one(programs, config)))
    until(lambda: len(programs.lines) >= 5)
    assert [(line["id"], line["text"]) for line in programs.lines] == [
        (f"0-{number:012}", f"{number}.00 EUR at Grocer, Brussels.") for number in range(1, 6)
    ]


def replicas_of_one(programs: Programs, config: KafkaConfig) -> Path:
    file = programs.log.with_name("kafka.toml")
    file.write_text(config_text(config))
    return file


def test_a_killed_program_repeats_with_the_same_key(programs: Programs, config: KafkaConfig) -> None:
    """SIGKILL before the offsets are kept: a receiver that drops known keys has each text once, and none is gone."""
    receiver = Receiver()
    receiver.held = 6
    try:
        file = str(replicas_of_one(programs, config))
        publish(config, 1, 30)
        first = programs.notifications("--config", file, "--webhook", receiver.url)
        until(lambda: len(receiver.got) == 6)
        first.kill()
        first.wait()
        receiver.let_go.set()
        programs.notifications("--config", file, "--webhook", receiver.url)
        until(lambda: len({headers["idempotency-key"] for headers, _body in list(receiver.got)}) == 30)
        keys = [headers["idempotency-key"] for headers, _body in receiver.got]
        firsts = list(dict.fromkeys(keys))
        assert keys.count(firsts[5]) == 2  # the one that nobody had answered
        assert firsts == [f"0-{number:012}" for number in range(1, 31)]
    finally:
        receiver.close()


def test_what_a_webhook_refuses_is_a_dead_letter(programs: Programs, config: KafkaConfig) -> None:
    """The event goes to the dead-letter topic as it came, with why; what is no event goes there too."""
    receiver = Receiver()
    receiver.statuses = [200, 410, 200]
    try:
        publish(config, 1, 2)
        asyncio.run(produce_all(config, config.topic, [(None, b'"hello"')]))
        publish(config, 3, 3)
        programs.notifications("--config", str(replicas_of_one(programs, config)), "--webhook", receiver.url)
        until(lambda: len(receiver.got) == 3)
        dead = f"{config.topic}.dead-letters"
        letters = asyncio.run(consumed(config, dead))
        refused = message(approved(2, 200), 2)
        assert [(letter.key, letter.value, letter.headers["dead-letter-reason"]) for letter in letters] == [
            (b"alice", json.loads(refused.value or b""), b"refused with status 410"),
            (None, "hello", b"ValidationError: not an event of its type's shape"),
        ]
    finally:
        receiver.close()


@pytest.fixture(scope="module")
def cassandra(cassandra_stack: Stack) -> CassandraConfig:
    node = cassandra_stack.node("cassandra")
    return CassandraConfig(((node.host, node.port),), "feed_tests")


def feed_options(cassandra: CassandraConfig, keyspace: str) -> list[str]:
    host, port = cassandra.contact_points[0]
    return ["--contact", f"{host}:{port}", "--keyspace", keyspace, "--create-tables", "--replicas", "1"]


@pytest.fixture
def keyspace(request: pytest.FixtureRequest) -> str:
    return f"feed_{os.getpid()}_{abs(hash(request.node.name)) % 10**6}"


def opened(cassandra: CassandraConfig, keyspace: str) -> Feed:
    """The feed, once the program has made its tables."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Feed.open(replace(cassandra, keyspace=keyspace))
        except CassandraError:
            assert time.monotonic() < end, "no tables in time"
        time.sleep(0.5)


@contextlib.contextmanager
def filled(cassandra: CassandraConfig, keyspace: str, **accounts: int) -> Iterator[Feed]:
    """The feed, once each of these accounts has so many entries."""
    feed = opened(cassandra, keyspace)
    try:
        for account, count in accounts.items():
            until(lambda name=account, wanted=count: len(events_in(feed, name, 500)) == wanted)
        yield feed
    finally:
        feed.close()


def events_in(feed: Feed, account: str, limit: int) -> list[str]:
    """Event ids of all pages."""
    ids: list[str] = []
    before: Cursor | None = None
    while True:
        page = feed.page(account, limit, before)
        ids += [entry.event_id for entry in page.entries]
        before = page.next
        if before is None:
            return ids


def names(numbers: Any) -> list[str]:
    return [f"0-{number:012}" for number in numbers]


def test_an_account_is_read_the_latest_first(
    programs: Programs, config: KafkaConfig, cassandra: CassandraConfig, keyspace: str
) -> None:
    """Pages over months, each entry once, whatever the size of a page; nothing of others is in it."""
    publish(config, 1, 5)
    publish(config, 6, 9, at_ms=AT_MS + MONTH_MS)
    publish(config, 10, 11, account_id="bob")
    declined = message(decided(Reason.INSUFFICIENT_FUNDS, at_ms=AT_MS + 3 * MONTH_MS), 12)
    looked = message(decided(Reason.BALANCE_GIVEN), 13)
    last = [(came.key, came.value) for came in (declined, looked)]
    asyncio.run(produce_all(config, config.topic, last))
    programs.start("consumers.feed.cli", *feed_options(cassandra, keyspace))
    with filled(cassandra, keyspace, alice=10, bob=2) as feed:
        expected = names([12, *range(9, 0, -1)])
        assert [events_in(feed, "alice", limit) for limit in (1, 3, 5, 10, 500)] == [expected] * 5
        assert events_in(feed, "bob", 10) == names([11, 10])
        assert feed.page("nobody").entries == ()
        (newest,) = feed.page("alice", 1).entries
        assert (newest.at, newest.reason, newest.month) == (
            datetime.fromtimestamp((AT_MS + 3 * MONTH_MS) / 1000, UTC),
            "insufficient_funds",
            202704,
        )
    where = feed_options(cassandra, keyspace)[:4]
    shown = programs.start("consumers.feed.cli", *where, "--show", "alice", "--limit", "3")
    assert shown.wait(PATIENCE_S) == 0
    assert [line["event_id"] for line in programs.lines] == expected[:3]
    assert "event" not in programs.lines[0]


def test_a_feed_is_built_anew(
    programs: Programs, config: KafkaConfig, cassandra: CassandraConfig, keyspace: str
) -> None:
    """After the group has read everything, `--replay-from` writes it again into empty tables, or from a time on."""
    options = feed_options(cassandra, keyspace)
    publish(config, 1, 5)
    first = programs.start("consumers.feed.cli", *options)
    with filled(cassandra, keyspace, alice=5):
        pass
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0
    later = datetime.now(UTC)
    publish(config, 6, 8)
    other, third = f"{keyspace}_b", f"{keyspace}_c"
    anew = programs.start("consumers.feed.cli", *feed_options(cassandra, other), "--replay-from", "beginning")
    with filled(cassandra, other, alice=8):
        pass
    anew.send_signal(signal.SIGTERM)
    assert anew.wait(PATIENCE_S) == 0
    programs.start("consumers.feed.cli", *feed_options(cassandra, third), "--replay-from", later.isoformat())
    with filled(cassandra, third, alice=3) as feed:
        assert events_in(feed, "alice", 10) == names([8, 7, 6])
