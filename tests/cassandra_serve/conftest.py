"""Two `authoriser serve` of one shard on the real Cassandra."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from stack.state import Node
from tests.cassandra_serve.bench import Shard

_keyspaces = itertools.count(1)


@pytest.fixture
def keyspace(cassandra_node: Node) -> str:
    """With our schema, and no other test in it."""
    from authoriser.cassandra.schema_versions import create_schema
    from authoriser.cassandra.session import CassandraConfig

    name = f"serve_{next(_keyspaces)}"
    trio.run(create_schema, CassandraConfig(((cassandra_node.host, cassandra_node.port),), name), 1)
    return name


@pytest.fixture
def shard(tmp_path: Path, cassandra_node: Node, keyspace: str) -> Iterator[Shard]:
    """Its processes are not started yet."""
    made = Shard(tmp_path, cassandra_node.host, cassandra_node.port, keyspace)
    yield made
    made.close()
