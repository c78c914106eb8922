"""The real servers: up, killed, paused, and what they were told is still there."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack import Stack, StackError
from stack.__main__ import UP
from stack.readiness import answers
from stack.servers import LIBRARY
from stack.state import condition

# Cassandra takes ten seconds to start, a minute on a busy machine, and the first run fetches the jars.
pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]

SAYS_NOTHING_S = 0.5
PATIENCE_S = 60.0
"""The driver's own 2 to 10 s are short for a server that has just started, among many tables."""
ROOT = Path(__file__).parents[2]


def test_what_cassandra_acknowledged_survives_its_kill(cassandra_stack: Stack) -> None:
    """A row written just before SIGKILL is there after the start on the same data: the commit log was synced."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile

    node = cassandra_stack.node("cassandra")
    patient = {EXEC_PROFILE_DEFAULT: ExecutionProfile(request_timeout=PATIENCE_S)}

    def execute(*statements: str) -> list[tuple[object, ...]]:
        cluster = Cluster(
            [node.host],
            port=node.port,
            connect_timeout=PATIENCE_S,
            control_connection_timeout=PATIENCE_S,
            execution_profiles=patient,
        )
        try:
            session = cluster.connect()
            return [tuple(row) for statement in statements for row in session.execute(statement) or ()]
        finally:
            cluster.shutdown()

    execute(
        "CREATE KEYSPACE killed WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE killed.rows (id int PRIMARY KEY, text text)",
        "INSERT INTO killed.rows (id, text) VALUES (1, 'acknowledged')",
    )
    cassandra_stack.kill("cassandra")
    assert condition(node) == "down"
    assert not answers("cassandra", node.host, node.port)
    with pytest.raises(StackError, match="cassandra 1 does not run"):
        cassandra_stack.kill("cassandra")
    cassandra_stack.start("cassandra")
    assert execute("SELECT id, text FROM killed.rows") == [(1, "acknowledged")]


def test_each_write_to_a_direct_commit_log_is_on_the_disk_when_it_returns(cassandra_stack: Stack) -> None:
    """Cassandra calls no fsync on it: its files are open with O_DSYNC, or a power loss would take acknowledged rows."""
    node = cassandra_stack.node("cassandra")
    if "commitlog_disk_access_mode: direct" not in (Path(node.directory) / "cassandra.yaml").read_text():
        pytest.skip("the folder takes no direct writes")
    log, process = Path(node.directory) / "data" / "commitlog", Path(f"/proc/{node.pid}")
    numbers = [link.name for link in (process / "fd").iterdir() if _target(link).parent == log]
    wanted = os.O_DSYNC | os.O_DIRECT
    flags = []
    for number in numbers:
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            flags.append(int(_field(process / "fdinfo" / number, "flags"), 8) & wanted)
    assert flags
    assert set(flags) == {wanted}


def _target(link: Path) -> Path:
    """Where it leads; nowhere where it was closed meanwhile."""
    try:
        return link.readlink()
    except FileNotFoundError:
        return Path()


def _field(file: Path, name: str) -> str:
    (value,) = [line.partition(":")[2] for line in file.read_text().splitlines() if line.startswith(name)]
    return value


def test_kafka_says_nothing_while_it_is_paused(kafka_stack: Stack) -> None:
    """A record sent to a paused broker waits, is acknowledged when it goes on, and is read once."""
    asyncio.run(_paused_and_resumed(kafka_stack))


async def _paused_and_resumed(stack: Stack) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    node = stack.node("kafka")
    admin = AIOKafkaAdminClient(bootstrap_servers=node.address)
    await admin.start()
    await admin.create_topics([NewTopic("paused", num_partitions=1, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=node.address, acks="all", enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait("paused", b"before", partition=0)
    stack.pause("kafka")
    try:
        sent = await producer.send("paused", b"meanwhile", partition=0)
        done, _waiting = await asyncio.wait([sent], timeout=SAYS_NOTHING_S)
        assert not done
        assert condition(node) == "paused"
    finally:
        stack.resume("kafka")
    assert (await sent).offset == 1
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=node.address)
    await consumer.start()
    consumer.assign([TopicPartition("paused", 0)])
    await consumer.seek_to_beginning()
    values = [(await consumer.getone()).value for _ in range(2)]
    await consumer.stop()
    assert values == [b"before", b"meanwhile"]


def test_up_again_starts_nothing_that_runs(kafka_stack: Stack) -> None:
    """`up` on servers that serve is quick and leaves their processes alone."""
    before = kafka_stack.nodes
    began = time.monotonic()
    kafka_stack.up()
    assert kafka_stack.nodes == before
    assert time.monotonic() - began < 60


@pytest.mark.usefixtures("kafka_stack")  # which says what is missing where it can't run
def test_run_ends_with_its_servers(tmp_path: Path) -> None:
    """`stack run` says that everything serves, stays, and on SIGTERM leaves nothing behind."""
    command = [sys.executable, "-m", "stack", "--directory", str(tmp_path), "--jars", str(LIBRARY)]
    with subprocess.Popen(
        [*command, "run", "--cassandra", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        try:
            assert run.stdout is not None
            said = []
            for line in run.stdout:
                said.append(line.strip())
                if UP in line:
                    break
            (node,) = Stack(tmp_path).nodes
            assert condition(node) == "running"
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 0
        finally:
            run.kill()
    assert said == [f"starting kafka 1 on {node.address}", f"kafka 1 serves on {node.address}", said[-1]]
    assert condition(node) == "down"
