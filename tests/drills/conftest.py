"""Shards to drill: on the one Cassandra node that all tests share, and on three that are started for this alone."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stack import Stack, Wanted
from stack.state import Node
from tests.conftest import started

if TYPE_CHECKING:
    from tests.drills.harness import DrilledShard

_keyspaces = itertools.count(1)


THREE_NODES_GB = 4
"""A gigabyte each, and the files that they read and write."""


def _available_gb() -> float:
    """What the kernel would give to a program that asks for it; proc_meminfo(5)."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) / 1024**2


def drilled(directory: Path, nodes: list[Node], kafka: Node) -> Iterator["DrilledShard"]:
    """A shard in a keyspace of its own, with a copy on each node. Its processes are not started yet."""
    from authoriser.cassandra.schema_versions import create_schema
    from authoriser.cassandra.session import CassandraConfig
    from tests.drills.harness import DrilledShard
    from tests.relay.brokers import kafka_config

    first, name = nodes[0], f"drill_{os.getpid()}_{next(_keyspaces)}"
    trio.run(create_schema, CassandraConfig(((first.host, first.port),), name), len(nodes))
    shard = DrilledShard(directory, first.host, first.port, name)
    shard.contact_points = tuple(node.host for node in nodes)
    shard.kafka = kafka_config(kafka)
    yield shard
    shard.close()


@pytest.fixture
def shard(tmp_path: Path, cassandra_node: Node, kafka_stack: Stack) -> Iterator["DrilledShard"]:
    yield from drilled(tmp_path, [cassandra_node], kafka_stack.node("kafka"))


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Three Cassandra nodes: half a minute until they serve. Without memory for them: skipped here, not in CI."""
    free_gb = _available_gb()
    if free_gb < THREE_NODES_GB and not os.environ.get("CI"):
        pytest.skip(f"three Cassandra nodes want {THREE_NODES_GB} GB of memory, and {free_gb:.1f} are free")
    wanted = Wanted(cassandra_nodes=3, kafka_nodes=0)
    yield from started(tmp_path_factory.mktemp("three"), wanted)


@pytest.fixture
def wide_shard(tmp_path: Path, three_nodes: Stack, kafka_stack: Stack) -> Iterator["DrilledShard"]:
    """On three nodes, with a copy on each."""
    nodes = [three_nodes.node("cassandra", number) for number in (1, 2, 3)]
    yield from drilled(tmp_path, nodes, kafka_stack.node("kafka"))
