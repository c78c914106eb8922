"""A keyspace with our schema on the real Cassandra, and a shard that no other test uses."""

import itertools
from typing import TYPE_CHECKING

import pytest
import trio

from stack.state import Node

if TYPE_CHECKING:
    from authoriser.cassandra.session import CassandraConfig

_shards = itertools.count(1)


@pytest.fixture(scope="session")
def cassandra_config(cassandra_node: Node) -> "CassandraConfig":
    from authoriser.cassandra.schema_versions import create_schema
    from authoriser.cassandra.session import CassandraConfig

    config = CassandraConfig(((cassandra_node.host, cassandra_node.port),), "snapshot_tests")
    trio.run(create_schema, config, 1)
    return config


@pytest.fixture
def a_shard() -> int:
    return next(_shards)
